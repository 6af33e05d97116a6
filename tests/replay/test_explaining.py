"""A whole replay with late trades, an outage and lost ids: told, counted and proved."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from kline_harness.archives import open_trades
from kline_harness.columns import concat
from kline_harness.interval import parse_intervals
from kline_harness.replay import Audit, Scenario
from kline_harness.replay import replay as run
from kline_harness.simulation.feed import received
from kline_harness.simulation.trade_filter import Outage

from tests.comparison.reprove import reprove
from tests.comparison.story import MINUTE, NS, START, SYMBOL, trades
from tests.oracle import OracleTrade, klines
from tests.replay.recordings import write_klines, write_recording
from tests.replays import Ran, replay

# The clock ticks 100 ms and twice the mean latency after each minute; trade 4 comes later.
LISTED = trades(
    "1 100x1, 20 101x2 sell, 59 99x1, 59.5 104x3 at=64, 61 100x1, 80 102x3, 119 100x1 sell,"
    "125 103x1, 150 104x2, 200 101x1, 260 102x1, 299 100x1, 301 101x1, 330 100x1"
)


def files(folder: Path, recorded: list[OracleTrade]) -> list[Path]:
    """Write a recording, and the exchange's klines of everything that happened."""
    out = [write_recording(folder / f"{SYMBOL}-trade-stream.txt", recorded)]
    for interval in ("1m", "5m"):
        rows = klines([*LISTED, *(t for t in recorded if t.id == 0)], interval)
        out.append(write_klines(folder / f"{SYMBOL}-{interval}-2024-05-15.csv", rows))
    return out


def differences(ran: Ran) -> dict[tuple[str, int], str | None]:
    rows = pq.read_table(ran.folder / "differences.parquet").to_pylist()
    return {
        (row["interval"], int(row["open_time"].timestamp()) - START // NS): row["cause"]
        for row in rows
    }


def test_a_late_trade_from_arrival_to_proof(tmp_path: Path) -> None:
    stream, *exchange = files(tmp_path, LISTED)
    ran = replay(tmp_path / "run", stream, "--klines", *exchange, "--intervals", "1m,5m")
    assert (ran.exit_code, ran.run["verdict"]) == (0, "valid"), ran.output
    found = differences(ran)
    assert found["1m", 0] == "late_trade"
    assert ("5m", 0) not in found
    findings = ran.findings()
    (late,) = (f for f in findings if f["kind"] == "late")
    (told,) = late["evidence"]["first_trades"]
    assert (told["id"], told["price"], told["quantity"]) == (4, "104", "3")
    published_ns = _published_ns(ran)
    arrived_ns = START + 64 * NS
    assert late["evidence"]["lateness_ns"] == [arrived_ns - published_ns]
    # The five minutes have the trade, their first minute does not: told, not held against it.
    (apart,) = (f for f in findings if f["kind"] == "cross_interval_late")
    assert apart["severity"] == "notice"
    assert apart["evidence"]["first_trades"] == [told]
    assert ran.check("completeness")["counts"]["cross_interval_mismatch"] == 0
    tape = received("", concat(list(open_trades(stream).chunks())))[0]
    for row in pq.read_table(ran.folder / "differences.parquet").to_pylist():
        assert reprove(row, tape)


def _published_ns(ran: Ran) -> int:
    (part,) = sorted((ran.folder / "klines").glob("*.parquet"))[:1]
    table = pq.read_table(part)
    rows = zip(
        table["interval"].to_pylist(),
        table["open_time"].cast("int64").to_pylist(),
        table["finalized_at"].cast("int64").to_pylist(),
        strict=True,
    )
    at_ns: int = next(at for name, opened, at in rows if (name, opened) == ("1m", START // 1000))
    return at_ns


def test_an_outage_is_an_injected_fault(tmp_path: Path) -> None:
    calm = [t for t in LISTED if t.id != 4] + trades("59.5 104x3", first_id=4)
    stream, *exchange = files(tmp_path, calm)
    scenario = Scenario(
        intervals=parse_intervals("1m,5m"),
        audit=Audit.OFF,
        outages=(Outage(START + 70 * NS, START + 100 * NS),),
    )
    outcome = run(scenario, [stream], exchange, tmp_path / "run", command="", report=False)
    assert outcome.comparison is not None
    found = {
        (d.interval.text, (d.open_time_ns - START) // MINUTE): d.proof.cause if d.proof else None
        for d in outcome.comparison.differences
    }
    assert found["1m", 1] == "injected_fault"
    assert found["5m", 0] == "injected_fault"


def test_lost_ids_make_a_doubt_and_an_explanation(tmp_path: Path) -> None:
    early = trades("0 100x1", first_id=0)
    stream, *exchange = files(tmp_path, [*early, *(t for t in LISTED if t.id not in (4, 6))])
    ran = replay(tmp_path / "run", stream, "--klines", *exchange, "--audit", "off")
    # 6 of the 19 traded were not seen: that is more than the rest can vouch for.
    assert (ran.exit_code, ran.run["verdict"]) == (3, "unknown"), ran.output
    assert "3 klines, 29 % of the volume rest on what is consistent but was not seen" in ran.output
    found = differences(ran)
    assert found == {
        ("1m", 0): "missing_trade_ids",
        ("1m", 60): "missing_trade_ids",
        ("5m", 0): "missing_trade_ids",
    }
    (gaps,) = (f for f in ran.findings() if f["kind"] == "missing_trade_ids")
    # A recording of raw trades holds every id: these are known to be lost.
    assert (gaps["severity"], gaps["evidence"]["missing_ids"]) == ("doubt", 2)


def test_a_lost_stretch_is_an_error_though_the_series_looks_perfect(tmp_path: Path) -> None:
    stream, *_ = files(tmp_path, [t for t in LISTED if not 5 <= t.id <= 9])
    ran = replay(tmp_path / "run", stream, "--intervals", "1m", "--audit", "off")
    assert (ran.exit_code, ran.run["verdict"]) == (1, "invalid")
    assert ran.check("continuity")["findings"] == {"missing_trade_ids": 1, "lost_stretch": 1}


def test_an_unexplained_difference_tells_the_trades_in_its_time(tmp_path: Path) -> None:
    stream, minutes, _ = files(tmp_path, [t for t in LISTED if t.id != 4])
    rows = minutes.read_text().splitlines()
    # The exchange's second minute gets another high: no cause makes that.
    wrong = [
        row.replace(",102,", ",102.5,", 1) if place == 2 else row for place, row in enumerate(rows)
    ]
    assert wrong != rows
    minutes.write_text("\n".join(wrong) + "\n")
    ran = replay(
        tmp_path / "run", stream, "--klines", minutes, "--intervals", "1m", "--audit", "off"
    )
    assert (ran.exit_code, ran.run["verdict"]) == (1, "invalid"), ran.output
    found = pq.read_table(ran.folder / "differences.parquet").to_pylist()
    (row,) = (row for row in found if row["class"] == "unexplained")
    assert (row["cause"], row["proof"]) == (None, None)
    told = json.loads(row["trades"])
    assert (told["trades"], told["applied"]) == (3, 3)
    assert [trade["id"] for trade in told["listed"]] == [5, 6, 7]
    assert [trade["price"] for trade in told["listed"]] == ["100", "102", "100"]
    assert all(row["trades"] is None for row in found if row["class"] == "proved")


def test_a_halt_is_told_beside_its_explanations(tmp_path: Path) -> None:
    recorded = trades("1 100x1, 250 101x1, 301 100x1")
    stream = write_recording(tmp_path / f"{SYMBOL}-trade-stream.txt", recorded)
    rows = klines(recorded, "1m")
    exchange = write_klines(tmp_path / f"{SYMBOL}-1m-2024-05-15.csv", [rows[0], *rows[4:]])
    words = ("--klines", exchange, "--intervals", "1m,3m", "--audit", "off")
    ran = replay(tmp_path / "run", stream, *words)
    times = {"from_ns": START + MINUTE, "until_ns": START + 4 * MINUTE}
    assert ran.run["stretches"] == [{"symbol": SYMBOL, "why": "halted", **times}]
    assert [differences(ran)["1m", 60 * n] for n in (1, 2, 3)] == ["halt"] * 3
