"""Exports of a run, held to the exchange's own files and to the run folder's."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.cli import run
from kline_harness.errors import UserError
from kline_harness.kline import FIELDS, SCHEMA

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
DAY, STREAM = FIXTURES / "um-day", FIXTURES / "um-stream"


def plain(line: str) -> str:
    """Return a row of a file without the zeros that end its decimals."""
    return ",".join(
        re.sub(r"\.?0+$", "", cell) if "." in cell else cell for cell in line.split(",")
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "day"
    trades = str(DAY / "BRAVOUSDT-aggTrades-2024-05-15.zip")
    options = ["--intervals", "1m,1h", "--no-report", "--quiet", "--out", str(out)]
    run(["replay", trades, "--klines", str(DAY / "BRAVOUSDT-1h-2024-05-15.zip"), *options])
    return out


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of a recording, whose first and last minute differ from the exchange's."""
    out = tmp_path_factory.mktemp("run") / "stream"
    klines = str(STREAM / "ALFAUSDT-1m-2024-05-15.csv")
    options = ["--intervals", "1m", "--no-report", "--quiet", "--out", str(out)]
    run(["replay", str(STREAM / "ALFAUSDT-trade-stream.txt.gz"), "--klines", klines, *options])
    return out


def test_klines_are_the_text_of_the_exchanges_own_files(folder: Path, tmp_path: Path) -> None:
    assert run(["export", str(folder), "klines", "--out", str(tmp_path / "csv")]) == 0
    for interval in ("1m", "1h"):
        with zipfile.ZipFile(DAY / f"BRAVOUSDT-{interval}-2024-05-15.zip") as archive:
            exchange = archive.read(archive.namelist()[0]).decode()
        ours = (tmp_path / "csv" / f"BRAVOUSDT-{interval}.csv").read_text()
        # The exchange ends some decimals with zeros; everything else is the same text.
        assert ours.split() == [plain(line) for line in exchange.split()]


def test_the_files_of_many_series_are_said_as_a_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kline: dict[str, object] = dict.fromkeys(FIELDS, Decimal(1))
    kline |= {"interval": "1m", "open_time": 0, "close_time": 60_000_000, "count": 1}
    kline |= dict.fromkeys(("first_trade_id", "last_trade_id", "finalized_at"), 1)
    rows = [{**kline, "symbol": f"S{number:02}USDT", "trigger": "tick"} for number in range(40)]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    (tmp_path / "klines").mkdir()
    pq.write_table(table, tmp_path / "klines" / "part-00000.parquet")
    out = tmp_path / "csv"
    assert run(["export", str(tmp_path), "klines", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [str(out / "S00USDT-1m.csv"), str(out / "S01USDT-1m.csv")]
    assert lines[24:] == ["and 16 more; 40 files in all"]
    assert len(list(out.iterdir())) == 40


def test_klines_are_read_back_as_the_runs_own(
    cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "csv"
    run(["export", str(cut), "klines", "--interval", "1m", "--out", str(out)])
    assert [path.name for path in out.iterdir()] == ["ALFAUSDT-1m.csv"]
    capsys.readouterr()
    assert run(["compare", str(cut), "--klines", str(out)]) == 0
    assert "11 identical" in capsys.readouterr().out
    assert run(["inspect", str(out)]) == 0


def test_findings_and_differences_as_csv_and_json(
    cut: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    run(["export", str(cut), "findings", "--kind", "consistent_edge", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    lines = [json.loads(line) for line in (cut / "findings.ndjson").read_text().splitlines()]
    want = [row for row in lines if row["kind"] == "consistent_edge"]
    assert [row["evidence"] for row in found] == [row["evidence"] for row in want]
    assert found[0]["open_time"] == "2024-05-15T11:54:00Z"
    run(["export", str(cut), "differences", "--out", str(tmp_path / "d.csv")])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "d.csv").read_text())))
    with (STREAM / "ALFAUSDT-1m-2024-05-15.csv").open() as file:
        exchange = {row["open_time"]: row for row in csv.DictReader(file)}
    assert [row["open_time"][11:16] for row in rows] == ["11:54", "12:04"]
    first = exchange["1715774040000"]
    assert rows[0]["theirs_volume"] == first["volume"]
    assert rows[0]["ours_volume"] != first["volume"]
    assert {row["class"] for row in rows} == {"consistent"}


def test_a_filter_that_nothing_fits_is_said(cut: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["export", str(cut), "differences", "--symbol", "XUSDT"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "notice: none of 2 differences is the one asked for; kinds: consistent\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["klines"], "expected a folder after --out"),
        (["klines", "--symbol", "X", "--out", "x"], "expected klines of X, found none"),
        (["findings", "--out", "nowhere/x.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_exported_is_said(words: list[str], says: str, folder: Path) -> None:
    with pytest.raises(UserError, match=says):
        run(["export", str(folder), *words])
    with pytest.raises(UserError, match=r"run\.json|klines"):
        run(["export", str(folder.parent), words[0], "--out", "x"])
