"""A run's folder: named after what is replayed, and never put in the place of another run."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from tests.replays import UM_DAY, command, replay

ALFA = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
BRAVO = UM_DAY / "BRAVOUSDT-aggTrades-2024-05-15.zip"
QUICK = ("--intervals", "1h", "--audit", "off")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([ALFA], "um-ALFAUSDT-2024-05-15-exact"),
        ([BRAVO, ALFA, "--market", "um"], "um-ALFAUSDT+BRAVOUSDT-2024-05-15-exact"),
        pytest.param(
            [ALFA, "--aggregator", "klagg"],
            "um-ALFAUSDT-2024-05-15-klagg",
            marks=pytest.mark.unbalanced,
        ),
    ],
)
def test_the_default_name_tells_what_is_replayed(
    words: list[str | Path], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command("replay", *words, *QUICK, "--no-report")
    assert [path.name for path in (tmp_path / "reports").iterdir()] == [name]


def test_the_name_of_a_scenario_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow writer.toml").write_text('intervals = ["1h"]\n')
    command("replay", ALFA, "--scenario", "slow writer.toml", "--audit", "off", "--no-report")
    names = [path.name for path in (tmp_path / "reports").iterdir()]
    assert names == ["um-ALFAUSDT-2024-05-15-exact-slow_writer"]


def test_another_run_is_not_replaced_unless_forced(tmp_path: Path) -> None:
    first = replay(tmp_path / "run", ALFA, *QUICK)
    before = (tmp_path / "run" / "run.json").read_bytes()
    others: list[list[str | Path]] = [[BRAVO, *QUICK], [ALFA, "--intervals", "1m", *QUICK[2:]]]
    for other in others:
        refused = replay(tmp_path / "run", *other)
        assert refused.exit_code == 2
        assert f"{tmp_path / 'run'}: holds another run, of " in refused.output
        assert "--force" in refused.output
        assert (tmp_path / "run" / "run.json").read_bytes() == before
    klines = UM_DAY / "ALFAUSDT-1h-2024-05-15.zip"
    refused = replay(tmp_path / "run", ALFA, "--klines", klines, *QUICK)
    assert f"holds another run, of the same files without {klines.name}: " in refused.output
    assert replay(tmp_path / "run", ALFA, *QUICK).exit_code == first.exit_code
    replay(tmp_path / "compared", ALFA, "--klines", klines, *QUICK)
    refused = replay(tmp_path / "compared", ALFA, *QUICK)
    assert f"holds another run, of these files and {klines.name}: " in refused.output
    assert replay(tmp_path / "run", BRAVO, *QUICK, "--force").exit_code != 2
    assert (tmp_path / "run" / "run.json").read_bytes() != before


def test_a_run_of_another_version_is_not_replaced_unless_forced(tmp_path: Path) -> None:
    first = replay(tmp_path / "run", ALFA, *QUICK)
    record = tmp_path / "run" / "run.json"
    record.write_text(record.read_text().replace("kline-harness/run/", "kline-harness/run/0", 1))
    before = record.read_bytes()
    refused = replay(tmp_path / "run", ALFA, *QUICK)
    assert refused.exit_code == 2
    assert "a run that is not one of this version" in " ".join(refused.output.split())
    assert record.read_bytes() == before
    assert replay(tmp_path / "run", ALFA, *QUICK, "--force").exit_code == first.exit_code


def test_json_is_the_whole_of_stdout(tmp_path: Path) -> None:
    ran = replay(tmp_path / "run", ALFA, *QUICK, "--json")
    found = json.loads(ran.output)
    assert found["verdict"] == ran.run["verdict"]
    assert found["sentence"] == ran.run["sentence"]
    assert found["exit_code"] == ran.exit_code
    assert found["directory"] == str(tmp_path / "run")
    assert found["checks"] == ran.run["checks"]


def test_quiet_prints_the_sentence_alone(tmp_path: Path) -> None:
    ran = replay(tmp_path / "run", ALFA, *QUICK, "--quiet")
    assert ran.output == ran.run["sentence"] + "\n"


def test_identical_series_take_one_line_and_differing_ones_one_each(tmp_path: Path) -> None:
    klines = sorted(UM_DAY.glob("*-1[hm]-*.zip"))
    same = replay(tmp_path / "run", ALFA, BRAVO, "--klines", *klines)
    assert "4 series of 2 symbols, 1m to 1h: all 2,928 klines identical\n" in same.output
    text = (UM_DAY / "ALFAUSDT-1h-2024-05-15.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    cells = lines[5].split(",")
    cells[5] = str(float(cells[5]) + 1)
    wrong = tmp_path / "ALFAUSDT-1h-2024-05-15.csv"
    wrong.write_text("\n".join([*lines[:5], ",".join(cells), *lines[6:]]) + "\n")
    others = [one for one in klines if not one.name.startswith("ALFAUSDT-1h")]
    ran = replay(tmp_path / "other", ALFA, BRAVO, "--klines", wrong, *others)
    assert "3 series of 2 symbols, 1m to 1h: all 2,904 klines identical\n" in ran.output
    rows = [line.split() for line in ran.output.splitlines() if line.startswith("ALFAUSDT ")]
    assert ["ALFAUSDT", "1h", "23", "1"] in rows


def test_a_count_of_findings_is_never_a_capped_one(tmp_path: Path) -> None:
    rows = [f"{n},1.5,1,{n},{n},{1715731200000 + n * 60_000},true" for n in range(1, 5000, 3)]
    file = tmp_path / "GAPUSDT-aggTrades-2024-05-15.csv"
    file.write_text("\n".join(rows) + "\n")
    ran = replay(tmp_path / "run", file, "--intervals", "1m")
    for check in ran.run["checks"]:
        kept = [f for f in ran.findings() if f["check"] == check["check"]]
        omitted: dict[str, int] = {}
        for one in kept:
            if one["kind"] == "findings_omitted":
                omitted |= one["evidence"]
        for kind, count in check["findings"].items():
            assert count == sum(f["kind"] == kind for f in kept) + omitted.get(kind, 0)
