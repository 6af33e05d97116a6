"""The suite over the stored klines: each expectation bites, and the worker never hangs or lies."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.columns import Rows
from kline_harness.expectations import ExpectationsWorker, InProcessExpectations, verdict_of
from kline_harness.expectations import roll_ups as roll_ups_module
from kline_harness.expectations import series as series_module
from kline_harness.expectations import table as table_module
from kline_harness.expectations.rules import RULES
from kline_harness.expectations.suite import run
from kline_harness.kline import FIELDS, Trigger
from kline_harness.replay import Scenario, replay
from kline_harness.storage.dataset import KlineDataset
from kline_harness.storage.parquet_writer import ParquetWriter, WriterOptions
from kline_harness.verdict import Validity

from tests.checks.tables import Row, opening, published, quiet_at, rolled, series, table
from tests.replays import UM_STREAM

Stream = list[Row]


def store(directory: Path, rows: Stream, *, part_rows: int = 250_000) -> Path:
    writer = ParquetWriter(directory, WriterOptions(buffer_rows=1, part_rows=part_rows))
    if rows:
        writer.on_rows(0, Rows.all(table(rows)))
    writer.on_close(0)
    return directory


def unmet(result: dict[str, Any]) -> list[str]:
    return [entry["name"] for entry in result["expectations"] if not entry["success"]]


def clean() -> Stream:
    minutes = series("0 1 2q 3q 4 5 6 7 8 9 10 11 12 13 14q")
    runs = [rolled(minutes, interval) for interval in ("3m", "5m", "15m")]
    return published(minutes, *runs, series("1 2", "1M", "BETAUSDT"))


def test_clean_dataset_meets_all(tmp_path: Path) -> None:
    result = run(store(tmp_path, clean(), part_rows=10))
    assert unmet(result) == []
    assert result["rows"] == len(clean())
    assert result["success"] is True
    names = [entry["name"] for entry in result["expectations"]]
    assert names == sorted({rule.name for rule in RULES})
    assert all(entry["rule"] and entry["columns"] for entry in result["expectations"])


def test_empty_dataset_is_a_clear_result(tmp_path: Path) -> None:
    empty = {"rows": 0, "success": True, "expectations": [], "not_checked": []}
    assert run(tmp_path) == empty
    assert run(tmp_path / "absent") == empty
    assert verdict_of(empty).validity is Validity.VALID
    assert verdict_of(empty).counts["rows"] == 0


# The auditor's kind, the expectation that says the same, the second minute's change.
MUTANTS: list[tuple[str, str, Callable[[Row], Row]]] = [
    ("ohlc_order", "high_not_below_open", lambda r: {"open": r["high"] + 1}),
    ("ohlc_order", "high_not_below_close", lambda r: {"close": r["high"] + 1}),
    ("ohlc_order", "open_not_below_low", lambda r: {"open": r["low"] - 1}),
    ("ohlc_order", "close_not_below_low", lambda r: {"close": r["low"] - 1}),
    ("non_positive_price", "prices_positive", lambda r: {"low": 0}),
    ("negative_volume", "no_amount_negative", lambda r: {"taker_buy_volume": -1}),
    (
        "taker_exceeds_total",
        "volume_not_below_taker_buy_volume",
        lambda r: {"taker_buy_volume": r["volume"] + 1},
    ),
    (
        "taker_exceeds_total",
        "quote_volume_not_below_taker_buy_quote_volume",
        lambda r: {"taker_buy_quote_volume": r["quote_volume"] + 1},
    ),
    (
        "count_volume_mismatch",
        "volume_with_trades",
        lambda r: {"volume": 0, "taker_buy_volume": 0},
    ),
    (
        "count_volume_mismatch",
        "quote_with_trades",
        lambda r: {"quote_volume": 0, "taker_buy_quote_volume": 0},
    ),
    (
        "quote_outside_of_prices",
        "quote_within_prices",
        lambda r: {"quote_volume": r["volume"] * r["high"] + 1},
    ),
    (
        "quote_outside_of_prices",
        "quote_within_prices",
        lambda r: {"taker_buy_quote_volume": r["taker_buy_volume"] * r["low"] - 1},
    ),
    ("quiet_not_flat", "flat_if_quiet", lambda r: quiet_at("1m", 1, 10_001) | {"high": 10_002}),
    ("quiet_not_flat", "flat_if_quiet", lambda r: quiet_at("1m", 1, 10_002)),
    ("trade_id_backwards", "trade_ids_rise", lambda r: {"first_trade_id": 3}),
    ("trade_id_backwards", "trade_ids_rise", lambda r: {"last_trade_id": 5}),
]


@pytest.mark.parametrize(("kind", "name", "change"), MUTANTS)
@pytest.mark.parametrize("wide", [False, True])
def test_mutants_of_one_kline(
    tmp_path: Path, kind: str, name: str, change: Callable[[Row], Row], wide: bool
) -> None:
    """The suite and the streaming audit find the same, in int64 and beyond it."""
    rows = series("0 1 2 3")
    if wide:
        amounts = ("volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume")
        rows = [row | {name: row[name] * 10**14 for name in amounts} for row in rows]
    mutant = change(rows[1])
    rows[1] |= mutant
    auditor = CompletenessAuditor()
    auditor.on_rows(0, Rows.all(table(rows)))
    auditor.on_close(0)
    assert [finding.kind for finding in auditor.verdict().findings] == [kind]
    result = run(store(tmp_path, rows))
    assert unmet(result) == [name]
    (entry,) = (e for e in result["expectations"] if e["name"] == name)
    assert entry["unexpected_count"] == 1
    (shown,) = entry["unexpected_rows"]
    assert shown["open_time_us"] * 1_000 == opening("1m", 1)
    assert (shown["symbol"], shown["interval"]) == ("ALFAUSDT", "1m")


def test_a_row_shown_has_the_numbers_that_are_stored(tmp_path: Path) -> None:
    rows = series("0 1 2")
    rows[1] |= {"close": rows[1]["high"] + 1}
    result = run(store(tmp_path, rows))
    (entry,) = (e for e in result["expectations"] if e["name"] == "high_not_below_close")
    (shown,) = entry["unexpected_rows"]
    (stored,) = (p for p in KlineDataset(tmp_path).read().to_pylist()[1:2])
    assert Decimal(shown["close"]) == stored["close"] == Decimal(rows[1]["close"]).scaleb(-2)


STREAMS: list[tuple[str, list[str], Stream]] = [
    ("gap", ["no_gap"], series("0 1 3")),
    ("gap", ["no_gap"], series("0 2", "1M")),
    ("duplicate", ["stored_once"], series("0 1 1 2")),
    ("repeat", ["not_backwards", "stored_once"], series("0 1 0 2")),
    ("backwards", ["not_backwards"], series("0 1 3 2 4")),
    ("stopped", ["series_goes_on"], published(series("0 1 2 3 4 5"), series("0", "3m"))),
]


@pytest.mark.parametrize(("what", "names", "rows"), STREAMS)
def test_mutants_of_a_stream(tmp_path: Path, what: str, names: list[str], rows: Stream) -> None:
    if what == "stopped":
        rows = published(rows[:3], rolled(rows[:3], "3m"), rows[4:])
    found = unmet(run(store(tmp_path, rows)))
    assert found == names, what


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_a_higher_kline_is_compared(tmp_path: Path, name: str) -> None:
    minutes = series("0 1 2 3 4 5q")
    threes = rolled(minutes, "3m")
    threes[1][name] += -1 if name == "low" else 1
    result = run(store(tmp_path, published(minutes, threes)))
    assert "equals_lower_klines" in unmet(result)
    assert unmet(run(store(tmp_path / "clean", published(minutes, rolled(minutes, "3m"))))) == []


def test_misaligned_and_wrong_close(tmp_path: Path) -> None:
    rows = series("0 1 2")
    rows[1]["open_time_ns"] += 14 * 10**9
    assert "aligned" in unmet(run(store(tmp_path, rows)))
    directory = store(tmp_path / "close", series("0 1"))
    change(directory, "close_time", 1, lambda value: value + 1)
    assert unmet(run(directory)) == ["closes_in_time"]


def test_unknown_interval_and_missing_value(tmp_path: Path) -> None:
    directory = store(tmp_path / "a", series("0 1"))
    change(directory, "interval", 1, lambda _: "7m")
    assert "interval_known" in unmet(run(directory))
    directory = store(tmp_path / "b", series("0 1"))
    change(directory, "volume", 1, lambda _: None)
    assert "complete" in unmet(run(directory))


def change(directory: Path, name: str, row: int, new: Callable[[Any], Any]) -> None:
    """Rewrite one value of a stored dataset of one part."""
    (path,) = KlineDataset(directory).parts()
    stored = pq.read_table(path, partitioning=None)
    kind = stored.schema.field(name).type
    plain = pa.string() if name == "interval" else kind
    values = stored[name].cast(pa.int64() if name == "close_time" else plain).to_pylist()
    values[row] = new(values[row])
    column = pa.array(values, type=None if name == "close_time" else plain).cast(kind)
    index = stored.schema.get_field_index(name)
    pq.write_table(stored.set_column(index, stored.schema.field(name), column), path)


def test_klines_of_the_end_do_not_make_others_late(tmp_path: Path) -> None:
    minutes = series("0 1 2 3")
    day = rolled(minutes, "1d")[0] | {"trigger": Trigger.END}
    assert unmet(run(store(tmp_path, published(minutes, [day])))) == []


# --- the worker --------------------------------------------------------------------------------


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


def test_worker_says_what_run_says(tmp_path: Path) -> None:
    directory = store(tmp_path / "a directory", series("0 1 3 3"))
    with ExpectationsWorker() as worker:
        result = worker.result(directory)
    assert result == run(directory)
    assert json.loads(json.dumps(result)) == result
    verdict = verdict_of(result)
    assert verdict.validity is Validity.INVALID
    assert {f.kind: f.open_time_ns for f in verdict.findings} == {
        "no_gap": opening("1m", 3),
        "stored_once": opening("1m", 3),
    }
    assert verdict.counts == {
        "rows": 4,
        "expectations": len(RULES),
        "met": len(RULES) - 2,
        "no_gap": 1,
        "stored_once": 2,
    }


def test_the_answer_is_the_only_line_on_stdout(tmp_path: Path) -> None:
    store(tmp_path, series("0 1"))
    done = subprocess.run(
        [sys.executable, "-m", "kline_harness.expectations"],
        input=json.dumps({"directory": str(tmp_path), "contract_size": None}) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["rows"] == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import sys; sys.exit('no\\ndisk left')", "disk left"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "exit code -9"),
        ("print('hello')", "the answer is not one JSON object"),
        ("import time; time.sleep(60)", "no answer within 0.5 s"),
        ("import sys; sys.stdin.close(); sys.stderr.write('x' * 200_000); 1 / 0", "division"),
    ],
)
def test_worker_that_fails_leaves_the_check_unknown(text: str, reason: str, tmp_path: Path) -> None:
    timeout_s = 0.5 if "sleep" in text else 60.0
    with ExpectationsWorker(script(text), timeout_s=timeout_s) as worker:
        result = worker.result(tmp_path)
    assert reason in result["crashed"]
    verdict = verdict_of(result)
    assert verdict.validity is Validity.UNKNOWN
    assert [finding.kind for finding in verdict.findings] == ["check_crashed"]


def test_a_dataset_that_cannot_be_read_leaves_the_check_unknown(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"torn")
    with ExpectationsWorker() as worker:
        result = worker.result(tmp_path)
    assert "ArrowInvalid" in result["crashed"]


def test_this_process_answers_as_a_worker_does(tmp_path: Path) -> None:
    directory = store(tmp_path / "odd", series("0 1 3 3"))
    for place in (directory, tmp_path / "absent"):
        with ExpectationsWorker() as worker, InProcessExpectations() as here:
            assert here.result(place) == worker.result(place)


def test_a_crash_in_this_process_is_an_answer_too(tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"torn")
    answer = InProcessExpectations().result(tmp_path)
    assert answer["crashed"].startswith("ArrowInvalid: ")
    assert verdict_of(answer).validity is Validity.UNKNOWN


def test_a_replay_asks_whom_it_is_given(tmp_path: Path) -> None:
    asked = []

    class Doubting(AbstractContextManager["Doubting"]):
        def __exit__(self, *error: object) -> None:
            asked.append(["left"])

        def result(self, directory: Path, contract_size: Decimal | None = None) -> dict[str, Any]:
            asked.append(sorted(path.name for path in directory.iterdir()))
            return {"crashed": "no opinion"}

    trades = [UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"]
    out = tmp_path / "run"
    outcome = replay(Scenario(), trades, [], out, command="", report=False, expectations=Doubting)
    assert asked == [["part-00000.parquet"], ["left"]]
    assert outcome.validity is Validity.UNKNOWN
    answer = json.loads((tmp_path / "run" / "expectations.json").read_text())
    assert answer == {"crashed": "no opinion"}


def test_worker_that_is_never_asked_is_ended() -> None:
    worker = ExpectationsWorker(script("import time; time.sleep(60)"))
    worker.start()
    process = worker._process
    assert process is not None
    worker.close()
    worker.close()
    assert process.returncode == -9


def test_parent_imports_neither_great_expectations_nor_pandas() -> None:
    program = (
        "import sys, kline_harness.expectations;"
        "assert not {'great_expectations', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def odd(what: str) -> Stream:
    """Return rows of several series with one thing wrong that takes more than one row to see."""
    minutes = series("0 1 2q 3q 4 5 6 7 8 9 10 11 12 13 14q")
    threes, fives = rolled(minutes, "3m"), rolled(minutes, "5m")
    if what == "jump":
        minutes[3] |= quiet_at("1m", 3, 10_777)
    if what == "roll-up":
        fives[2]["volume"] += 1
        threes[0]["high"] += 1
    if what == "ids":
        minutes[7]["first_trade_id"] = minutes[6]["last_trade_id"]
    rows = published(minutes, threes, fives, series("1 2 5", "3m", "BETAUSDT"))
    if what == "again":
        rows = [*rows, rows[2], rows[9], rows[2]]
    if what == "backwards":
        rows = [*rows[9:], *rows[:9]]
    return rows


@pytest.mark.parametrize("what", ["none", "jump", "roll-up", "ids", "again", "backwards"])
@pytest.mark.parametrize("size", [1, 4])
def test_pieces_give_the_same_answer(
    tmp_path: Path, what: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = store(tmp_path, odd(what), part_rows=10)
    whole = run(directory)
    assert bool(unmet(whole)) == (what != "none") or unmet(whole) == ["no_gap"]
    for module in (table_module, series_module, roll_ups_module):
        monkeypatch.setattr(module, "PIECE_ROWS", size)
    assert run(directory) == whole
