"""The fixtures are what their papers say, and what the exchange's files would look like."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.oracle import (
    INTERVALS,
    OracleEvent,
    OracleTick,
    OracleTrade,
    feed_klines,
    klines,
    open_time,
)
from tests.real_data import (
    MS,
    archive_aggregates,
    archive_trades,
    kline_file,
    nine_fields,
    recorded_trades,
    text_lines,
)

ROOT = Path(__file__).resolve().parents[1]
DAY_FOLDER = ROOT / "fixtures" / "um-day"
STREAM_FOLDER = ROOT / "fixtures" / "um-stream"
DATE = "2024-05-15"
DAY_NS = 1_715_731_200_000 * MS
MINUTE_NS = 60_000 * MS
SYMBOLS = ("ALFAUSDT", "BRAVOUSDT")
FILE_INTERVALS = {
    interval: interval.replace("1M", "1mo") for interval in INTERVALS if interval != "1s"
}


def metadata(folder: Path) -> dict[str, Any]:
    """The papers of a fixture."""
    papers: dict[str, Any] = json.loads((folder / "metadata.json").read_text())
    return papers


def day_trades(symbol: str) -> list[OracleTrade]:
    """The archive's trades of the day."""
    return list(archive_trades(DAY_FOLDER / f"{symbol}-trades-{DATE}.zip"))


def day_aggregates(symbol: str) -> list[OracleTrade]:
    """The archive's aggregate trades of the day."""
    return list(archive_aggregates(DAY_FOLDER / f"{symbol}-aggTrades-{DATE}.zip"))


# --- papers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [DAY_FOLDER, STREAM_FOLDER], ids=lambda folder: folder.name)
def test_every_file_has_its_sha256_and_rows(folder: Path) -> None:
    papers = metadata(folder)
    assert papers["name"] == folder.name
    on_disk = {path.name for path in folder.iterdir()} - {"metadata.json"}
    assert set(papers["files"]) == on_disk
    for name, facts in papers["files"].items():
        data = (folder / name).read_bytes()
        assert facts["sha256"] == hashlib.sha256(data).hexdigest(), name
        lines = text_lines(folder / name)
        header = not lines[0][0].isdigit() and not name.endswith(".CHECKSUM")
        assert facts["rows"] == len(lines) - header, name


def test_every_zip_has_its_checksum_line() -> None:
    zips = sorted(DAY_FOLDER.glob("*.zip"))
    assert len(zips) == 2 * (2 + 15)
    for path in zips:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        line = path.with_name(path.name + ".CHECKSUM").read_text()
        assert line == f"{digest}  {path.name}\n"


def test_no_two_names_differ_by_case_alone() -> None:
    for folder in (DAY_FOLDER, STREAM_FOLDER):
        names = [path.name.lower() for path in folder.iterdir()]
        assert len(set(names)) == len(names)


def test_the_folders_stay_small() -> None:
    sizes = [
        path.stat().st_size for folder in (DAY_FOLDER, STREAM_FOLDER) for path in folder.iterdir()
    ]
    assert sum(sizes) < 3_000_000


def test_they_are_made_by_the_script() -> None:
    script = ROOT / "scripts" / "make_fixtures"
    run = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


# --- the day -----------------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("layout", ["trades", "aggregates"])
def test_both_layouts_give_the_klines_of_every_interval(symbol: str, layout: str) -> None:
    trades = day_trades(symbol) if layout == "trades" else day_aggregates(symbol)
    for interval, name in FILE_INTERVALS.items():
        official = kline_file(DAY_FOLDER / f"{symbol}-{name}-{DATE}.zip")
        ours = {row.open_time_ns: nine_fields(row) for row in klines(trades, interval)}
        assert ours == official, interval


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_day_is_whole(symbol: str) -> None:
    trades = day_trades(symbol)
    assert trades[0].time_ns == DAY_NS
    assert trades[-1].time_ns == DAY_NS + 1440 * MINUTE_NS - MS
    minutes = kline_file(DAY_FOLDER / f"{symbol}-1m-{DATE}.zip")
    assert list(minutes) == [DAY_NS + minute * MINUTE_NS for minute in range(1440)]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_aggregates_follow_the_exchange_rule(symbol: str) -> None:
    by_id = {trade.id: trade for trade in day_trades(symbol)}
    covered = []
    for aggregate in day_aggregates(symbol):
        inside = [by_id[i] for i in range(aggregate.first_id, aggregate.last_id + 1)]
        covered += [trade.id for trade in inside]
        assert {trade.price for trade in inside} == {aggregate.price}
        assert {trade.buyer_is_maker for trade in inside} == {aggregate.buyer_is_maker}
        assert sum(trade.quantity for trade in inside) == aggregate.quantity
        assert inside[0].time_ns == aggregate.time_ns
        assert inside[-1].time_ns - inside[0].time_ns < 100 * MS
        assert len({open_time("1m", trade.time_ns) for trade in inside}) == 1
    assert covered == sorted(by_id)


def test_the_fund_trade_takes_an_id_and_is_nowhere_else() -> None:
    fund_id = metadata(DAY_FOLDER)["facts"]["ALFAUSDT"]["insurance_fund_trade_id"]
    ids = [trade.id for trade in day_trades("ALFAUSDT")]
    gaps = [(before, after) for before, after in pairwise(ids) if after != before + 1]
    assert gaps == [(fund_id - 1, fund_id + 1)]
    before, after = (trade for trade in day_trades("ALFAUSDT") if abs(trade.id - fund_id) == 1)
    # Without the gap the two would be one aggregate.
    assert (before.price, before.time_ns) == (after.price, after.time_ns)
    ids = [trade.id for trade in day_trades("BRAVOUSDT")]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_facts_are_true(symbol: str) -> None:
    facts = metadata(DAY_FOLDER)["facts"][symbol]
    trades = day_trades(symbol)
    minutes = kline_file(DAY_FOLDER / f"{symbol}-1m-{DATE}.zip")
    assert facts["trades"] == len(trades)
    assert facts["aggregates"] == len(day_aggregates(symbol))
    assert facts["aggregates_split_at_a_minute"] > 0
    assert facts["quiet_minutes"] == sum(row[6] == 0 for row in minutes.values())
    assert facts["most_trades_in_one_ms"] == max(Counter(t.time_ns for t in trades).values())
    in_minute = Counter(trade.time_ns % MINUTE_NS for trade in trades)
    assert facts["trades_in_the_first_ms_of_a_minute"] == in_minute[0]
    assert facts["trades_in_the_last_ms_of_a_minute"] == in_minute[MINUTE_NS - MS]


def test_a_whole_hour_is_quiet_and_prices_come_in_both_forms() -> None:
    hours = kline_file(DAY_FOLDER / f"BRAVOUSDT-1h-{DATE}.zip")
    assert sum(row[6] == 0 for row in hours.values()) >= 1
    prices = {line.split(",")[1] for line in text_lines(DAY_FOLDER / f"ALFAUSDT-trades-{DATE}.zip")}
    assert any(price.endswith("0") and price.rstrip("0") in prices for price in prices)


# --- the recording -----------------------------------------------------------------------------


def recording() -> list[OracleTrade]:
    """The stream in receive order."""
    return list(recorded_trades(STREAM_FOLDER / "ALFAUSDT-trade-stream.txt.gz"))


def test_the_recording_is_of_the_same_day() -> None:
    of_the_day = {trade.id: trade for trade in day_trades("ALFAUSDT")}
    for trade in recording():
        if trade.kind == "MARKET":
            same = of_the_day[trade.id]
            assert (trade.price, trade.quantity) == (same.price, same.quantity)
            assert (trade.time_ns, trade.buyer_is_maker) == (same.time_ns, same.buyer_is_maker)
    day = kline_file(DAY_FOLDER / f"ALFAUSDT-1m-{DATE}.zip")
    recorded = kline_file(STREAM_FOLDER / f"ALFAUSDT-1m-{DATE}.csv")
    assert recorded.items() <= day.items()


def test_the_recording_is_whole_but_for_its_edges() -> None:
    trades = recording()
    official = kline_file(STREAM_FOLDER / f"ALFAUSDT-1m-{DATE}.csv")
    rows = {row.open_time_ns: nine_fields(row) for row in klines(trades, "1m")}
    assert list(rows) == list(official)
    wrong = [opened for opened in rows if rows[opened] != official[opened]]
    assert wrong == [min(official), max(official)]


def test_the_recording_streams_without_a_late_trade_at_a_fair_grace() -> None:
    trades = recording()
    # The receiver's offset is not known to it: the fastest message stands for no latency.
    offset_ns = min((trade.arrival_ns or 0) - trade.time_ns for trade in trades)
    assert -1_300 * MS < offset_ns < -1_290 * MS
    timed: list[tuple[int, OracleEvent]] = [
        ((trade.arrival_ns or 0) - offset_ns, trade) for trade in trades
    ]
    first_ns, last_ns = timed[0][0], timed[-1][0]
    for opened in range(open_time("1m", first_ns) + MINUTE_NS, last_ns, MINUTE_NS):
        timed.append((opened + 100 * MS, OracleTick(opened)))
    timed.sort(key=lambda pair: pair[0])
    series = feed_klines([event for _, event in timed], ["1m"])[("ALFAUSDT", "1m")]
    assert (series.late, series.duplicate, len(series.rejected)) == ([], [], 1)
    assert series.klines == klines(trades, "1m")
    assert {final.trigger for final in series.finals} == {"trade", "tick", "end"}


def test_the_recording_is_as_awkward_as_a_real_one() -> None:
    facts = metadata(STREAM_FOLDER)["facts"]
    trades = recording()
    arrivals = [trade.arrival_ns or 0 for trade in trades]
    assert arrivals == sorted(set(arrivals))
    assert all(arrival % MINUTE_NS for arrival in (arrivals[0], arrivals[-1]))
    swapped = sum(later.id < sooner.id for sooner, later in pairwise(trades))
    assert facts["received_after_a_higher_id"] == swapped > 0
    (fund,) = [trade for trade in trades if trade.kind == "INSURANCE_FUND"]
    assert fund.id == facts["insurance_fund_trade_id"]
    before = next(trade for trade in trades if trade.id == fund.id - 1)
    assert round(fund.price / before.price * 100) == 98
    assert facts["quiet_minutes"] == 1
    assert facts["most_trades_in_one_ms"] > 100
