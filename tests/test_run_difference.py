"""Two run folders against each other, from the command line."""

from __future__ import annotations

import json
import shutil
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.cases.test_memory import peaks_mb
from tests.gate.suites import replace_text
from tests.replays import UM_STREAM, command, replay

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
KLINES = UM_STREAM / "ALFAUSDT-1m-2024-05-15.csv"
QUICK = ("--intervals", "1m", "--audit", "off")


def test_a_run_and_its_repetition_differ_in_nothing(tmp_path: Path) -> None:
    for name in "ab":
        replay(tmp_path / name, TRADES, "--klines", KLINES, *QUICK)
    ran = command("diff", tmp_path / "a", tmp_path / "b")
    assert (ran.exit_code, ran.output) == (0, "no difference\n")


def test_stored_klines_without_a_column_are_one_sentence(tmp_path: Path) -> None:
    for name in "ab":
        replay(tmp_path / name, TRADES, *QUICK)
    [part] = (tmp_path / "b" / "klines").glob("part-*.parquet")
    pq.write_table(pq.read_table(part).drop(["close"]), part)
    for sides in ("ab", "ba"):
        ran = command("diff", *(tmp_path / name for name in sides))
        assert ran.exit_code == 2, ran.output
        assert "expected klines in Parquet as a replay stores them" in " ".join(ran.output.split())


def test_a_changed_kline_of_the_exchange_is_a_new_difference(tmp_path: Path) -> None:
    changed = tmp_path / KLINES.name
    changed.write_bytes(KLINES.read_bytes())
    replace_text(changed, "3151.50,145.447", "3151.60,145.447")
    replay(tmp_path / "a", TRADES, "--klines", KLINES, *QUICK)
    replay(tmp_path / "b", TRADES, "--klines", changed, *QUICK)
    ran = command("diff", tmp_path / "a", tmp_path / "b")
    assert ran.exit_code == 1
    lines = ran.output.splitlines()
    assert "  verdict: valid -> invalid" in lines
    [new] = [line for line in lines if line.startswith("  new: ")]
    assert new.startswith("  new: ALFAUSDT 1m 2024-05-15T")
    assert new.endswith(" unexplained (close)")
    assert any(line.startswith(f"  klines {KLINES.name}: ") and "->" in line for line in lines)
    assert "klines:" not in lines
    back = json.loads(command("diff", tmp_path / "b", tmp_path / "a", "--json").output)
    assert [line.replace("gone", "new") for line in back["differences"]] == [new.strip()]


def test_files_of_one_name_in_two_folders_are_each_compared(tmp_path: Path) -> None:
    days = [(tmp_path / folder / KLINES.name) for folder in ("first", "second")]
    rows = KLINES.read_text().splitlines(keepends=True)
    for day, part in zip(days, (rows[:4], [rows[0], *rows[4:]]), strict=True):
        day.parent.mkdir()
        day.write_text("".join(part))
    replay(tmp_path / "a", TRADES, "--klines", days[0], "--klines", days[1], *QUICK)
    days[0].write_text(days[0].read_text().replace("3151.50,145.447", "3151.60,145.447"))
    replay(tmp_path / "b", TRADES, "--klines", days[0], "--klines", days[1], *QUICK)
    lines = command("diff", tmp_path / "a", tmp_path / "b").output.splitlines()
    [changed] = [line for line in lines if line.startswith(f"  klines {KLINES.name}: ")]
    before, after = (side.split(", ") for side in changed.split(": ", 1)[1].split(" -> "))
    assert before[0] != after[0]
    assert before[1:] == after[1:] != []


def test_options_and_klines_that_changed_are_named(tmp_path: Path) -> None:
    replay(tmp_path / "a", TRADES, *QUICK)
    scenario = tmp_path / "late.toml"
    scenario.write_text('intervals = ["1m"]\naudit = "off"\nshutdown = 2024-05-15T12:00:00Z\n')
    replay(tmp_path / "b", TRADES, "--scenario", scenario)
    ran = command("diff", tmp_path / "a", tmp_path / "b")
    assert ran.exit_code == 1
    assert "  shutdown: none -> 2024-05-15 12:00:00" in ran.output.splitlines()
    assert "klines:" in ran.output.splitlines()


def test_what_is_no_run_is_one_sentence(tmp_path: Path) -> None:
    replay(tmp_path / "a", TRADES, *QUICK)
    ran = command("diff", tmp_path / "a", tmp_path)
    assert ran.exit_code == 2
    assert "run.json" in ran.output


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's peaks")
def test_the_proofs_of_many_differences_are_not_held(tmp_path: Path) -> None:
    replay(tmp_path / "a", TRADES, "--klines", KLINES, *QUICK)
    stored = tmp_path / "a" / "differences.parquet"
    first = pq.read_table(stored).slice(0, 1)
    count, proof = 4_000, json.dumps([{"price": str(number)} for number in range(500)])
    table = pa.concat_tables([first] * count)
    step = pa.array(range(0, 60_000_000 * count, 60_000_000), pa.int64())
    opens = pc.add(table["open_time"].cast(pa.int64()), step).cast(first["open_time"].type)
    for name, values in (("open_time", opens), ("trades", pa.repeat(proof, count))):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, values.cast(table.schema.field(name).type))
    pq.write_table(table, stored)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    place = table.schema.get_field_index("ours_close")
    closes = [table["ours_close"][0].as_py()] * (count - 1) + [Decimal(7)]
    changed = table.set_column(place, "ours_close", pa.array(closes, table["ours_close"].type))
    pq.write_table(changed.slice(1), tmp_path / "b" / "differences.parquet")
    words: list[str | Path] = [sys.executable, "-m", "kline_harness", "diff"]
    code, peaks, output = peaks_mb([*words, tmp_path / "a", tmp_path / "b"])
    assert code == 1, output
    found = [line.split()[0] for line in output.splitlines()]
    assert found == ["differences:", "changed:", "gone:"]
    # With every proof and list of trades as Python's own values it was over 1 GB.
    assert max(peaks.values()) < 250, peaks
