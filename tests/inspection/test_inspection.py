"""Whole inspections: clean files, real files, the command, and what blocks must not change."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from kline_harness.archives import open_trades
from kline_harness.archives.trade_file import TradeFile
from kline_harness.cli import main
from kline_harness.inspection import inspect_files, one_file
from kline_harness.verdict import Validity

from tests.inspection.zoo import aggregates, day
from tests.real_data import DATA, needs_real_data

ROOT = Path(__file__).resolve().parents[2]
FIXTURE_DAY = ROOT / "fixtures" / "um-day"
ZOO = ROOT / "fixtures" / "zoo"

# What each real file shows; those not named show nothing.
REAL = {
    # The row of 2018-02-08 was saved with a close time in the middle of the day.
    "spot-klines-btcusdt-1d-1w/BTCUSDT_1d.csv": ["wrong_close_time"],
    # Made by a trading bot from trades: a third of the minutes is left out, which is a habit; of
    # the five minutes a few, which may as well be lost.
    "spot-xrpeth-20191011/freqtrade-1m.csv": ["quiet_rows_left_out"],
    "spot-xrpeth-20191011/freqtrade-5m.csv": ["rows_missing"],
}


def kinds(paths: list[Path]) -> dict[str, list[str]]:
    """The kinds found, by file name or check across files."""
    inspection = inspect_files(paths)
    verdicts = [(report.name, report.verdict) for report in inspection.files]
    verdicts += [(verdict.check, verdict) for verdict in inspection.across]
    return {name: [f.kind for f in v.findings] for name, v in verdicts if v.findings}


def test_the_fixture_day_is_clean() -> None:
    """But for the id of the fund trade, which the archive leaves out."""
    paths = sorted(FIXTURE_DAY.glob("*.zip"))
    inspection = inspect_files(paths)
    assert inspection.validity is Validity.VALID
    assert {report.checksum.value for report in inspection.files} == {"match"}
    assert kinds(paths) == {
        "ALFAUSDT-aggTrades-2024-05-15.zip": ["lone_ids_missing"],
        "ALFAUSDT-trades-2024-05-15.zip": ["lone_ids_missing"],
    }
    compared = {verdict.check: verdict.counts["compared"] for verdict in inspection.across}
    aggregates = 10_423 + 3_509
    assert {name: compared[name] for name in ("levels", "klines_and_trades")} == {
        "levels": 964,
        "klines_and_trades": 2880,
    }
    found = [v for v in inspection.across if v.check == "aggregates_and_trades"]
    assert sum(verdict.counts["compared"] for verdict in found) == aggregates


@needs_real_data
def test_what_each_real_file_shows() -> None:
    files = [p for p in sorted(DATA.rglob("*")) if p.is_file() and p.parent.name != "sealed"]
    for path in files:
        name = str(path.relative_to(DATA))
        if path.parent == DATA:
            continue
        assert kinds([path]).get(path.name, []) == REAL.get(name, []), name


@needs_real_data
@pytest.mark.parametrize(
    "folder",
    ["um-btcusdt-20240718", "um-ethusdt-20240718", "spot-klines-btcusdt-20230121"],
)
def test_real_files_agree_with_each_other(folder: str) -> None:
    assert kinds(sorted((DATA / folder).iterdir())) == {}


@pytest.mark.parametrize(
    "case", ["duplicate-ids", "ids-missing", "not-in-order", "quote-not-product"]
)
def test_blocks_change_nothing(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = (p for p in (ZOO / case).iterdir() if p.name != "metadata.json")

    def one_line_at_a_time(path: Path, **options: object) -> TradeFile:
        return TradeFile(path, block_bytes=1, lenient=True)

    whole = inspect_files([path]).to_dict()
    monkeypatch.setattr(one_file, "open_trades", one_line_at_a_time)
    assert inspect_files([path]).to_dict() == whole


def test_lenient_reading_is_only_for_inspection(tmp_path: Path) -> None:
    path = ZOO / "zero-price" / "ALFAUSDT-trades-2024-05-15.csv"
    with pytest.raises(Exception, match="a price above 0"):
        list(open_trades(path).chunks())
    assert sum(map(len, open_trades(path, lenient=True).chunks())) == 48


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["kline-harness", "inspect", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.mark.parametrize(
    ("case", "code"), [("klines-clean", 0), ("ids-missing", 1), ("outage", 3), ("broken-zip", 1)]
)
def test_exit_codes_and_json(
    case: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [p for p in (ZOO / case).iterdir() if p.suffix in (".csv", ".zip")]
    assert run(monkeypatch, *files, "--json") == code
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["exit_code"]) == ("kline-harness/inspect/1", code)
    assert {report["file"] for report in told["files"]} == {path.name for path in files}
    assert run(monkeypatch, *files) == code
    screen = capsys.readouterr().out
    assert all(path.name in screen for path in files)
    assert screen.splitlines()[-1].startswith(told["verdict"])


@pytest.mark.parametrize("name", ["nowhere.csv", "notes.txt"])
def test_what_is_no_such_file_is_bad_input(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("nothing to see\n")
    assert run(monkeypatch, tmp_path / name) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_the_screen_is_at_most_a_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Even where every second row is wrong."""
    path = tmp_path / "ALFAUSDT-aggTrades-2024-05-15.csv"
    path.write_bytes(aggregates(row for n, row in enumerate(day(every=60_000)) if n % 2))
    assert run(monkeypatch, path) == 1
    assert capsys.readouterr().out.count("\n") < 12


def test_closed_klines_of_a_recording_are_counted() -> None:
    """Two are over, and one is not."""
    (report,) = inspect_files([ZOO / "recorded-klines" / "ALFAUSDT-stream.txt"]).files
    (finding,) = report.verdict.findings
    assert (finding.kind, finding.severity.value) == ("klines_not_compared", "notice")
    assert finding.evidence == {"count": 2, "examples": [{"klines": 2}]}


@pytest.mark.parametrize(
    ("lost", "ends_ms", "code"), [(0, 59_999, 0), (1, 59_999, 3), (1, 50_000, 0)]
)
def test_a_last_kline_with_more_than_its_rest_can_hold(
    lost: int, ends_ms: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trade of the last minute is absent, with a millisecond left of it, or with ten seconds."""
    start, klines, rows = 1_715_767_200_000, [], ["id,price,qty,quote_qty,time,is_buyer_maker"]
    for minute in range(10):
        at = start + minute * 60_000
        klines.append(f"{at},5,5,5,5,6,{at + 59_999},30,6,3,15,0\n")
        for n, time in enumerate([0, 9_000, 18_000, 27_000, 36_000, ends_ms]):
            if not (lost and (minute, n) == (9, 3)):
                maker = ("true", "false")[n % 2]
                rows.append(f"{900 + 6 * minute + n},5,1,5,{at + time},{maker}")
    paths = tmp_path / "FOXUSDT-trades.csv", tmp_path / "FOXUSDT-1m.csv"
    paths[0].write_text("\n".join([*rows, ""]))
    paths[1].write_text("".join(klines))
    assert run(monkeypatch, *paths) == code
