"""Exports of a run, held to the exchange's own files and to the run folder's."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import re
import tracemalloc
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


def kline(symbol: str, minute: int, **values: object) -> dict[str, object]:
    """Return a stored kline of a minute, every field of it 1."""
    row: dict[str, object] = dict.fromkeys(FIELDS, Decimal(1))
    row |= {"interval": "1m", "open_time": minute * 60_000_000, "count": 1, "symbol": symbol}
    row |= {"close_time": (minute + 1) * 60_000_000, "trigger": "tick"}
    return row | dict.fromkeys(("first_trade_id", "last_trade_id", "finalized_at"), 1) | values


def store(folder: Path, *parts: list[dict[str, object]]) -> None:
    """Store each list of klines as a part of a run's."""
    (folder / "klines").mkdir()
    for number, rows in enumerate(parts):
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pq.write_table(table, folder / "klines" / f"part-{number:05}.parquet", row_group_size=2)


def test_the_files_of_many_series_are_said_as_a_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(tmp_path, [kline(f"S{number:02}USDT", 0) for number in range(40)])
    out = tmp_path / "csv"
    assert run(["export", str(tmp_path), "klines", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [str(out / "S00USDT-1m.csv"), str(out / "S01USDT-1m.csv")]
    assert lines[24:] == ["and 16 more; 40 files in all"]
    assert len(list(out.iterdir())) == 40


def test_a_series_is_put_in_order_over_parts_and_row_groups(tmp_path: Path) -> None:
    """A name with an E is no number, and a number as small as it gets has no exponent."""
    small = {"volume": Decimal("1E-18"), "quote_volume": Decimal(0), "high": Decimal("1200.50")}
    unstated = {"first_trade_id": None, "last_trade_id": None}
    first = [kline("1E5USDT", 2), kline("ETHUSDT", 3, **unstated), kline("ETHUSDT", 1)]
    store(tmp_path, first, [kline("ETHUSDT", 2, **small), kline("ETHUSDT", 0)])
    out = tmp_path / "csv"
    assert run(["export", str(tmp_path), "klines", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["1E5USDT-1m.csv", "ETHUSDT-1m.csv"]
    head, *rows = (out / "ETHUSDT-1m.csv").read_text().splitlines()
    assert head.startswith("open_time,open,high,low,close,volume,close_time,quote_volume,count,")
    assert rows == [
        "0,1,1,1,1,1,59999,1,1,1,1,0",
        "60000,1,1,1,1,1,119999,1,1,1,1,0",
        "120000,1,1200.5,1,1,0.000000000000000001,179999,0,1,1,1,0",
        "180000,1,1,1,1,1,239999,1,1,1,1,0",
    ]


def test_rows_of_klines_are_not_all_held_as_text(tmp_path: Path) -> None:
    minutes = [kline("ETHUSDT", minute) for minute in range(20_000)]
    table = pa.Table.from_pylist(minutes, schema=SCHEMA)
    (tmp_path / "klines").mkdir()
    pq.write_table(table, tmp_path / "klines" / "part-00000.parquet", row_group_size=500)
    del minutes, table
    words = ["export", str(tmp_path), "klines", "--out", str(tmp_path / "csv")]
    run(words)
    tracemalloc.start()
    try:
        run(words)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    size = (tmp_path / "csv" / "ETHUSDT-1m.csv").stat().st_size
    assert peak < size


def test_nothing_is_left_of_klines_that_could_not_be_written(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        run(["export", str(folder), "klines", "--out", str(tmp_path / "csv")])
    assert list((tmp_path / "csv").iterdir()) == []


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
