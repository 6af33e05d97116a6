"""Each cause believed too easily: a user's run tells the difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from kline_harness.comparison.causes import straddling_aggregate
from kline_harness.comparison.causes.registry import CAUSES, MEANINGS
from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis
from kline_harness.interval import parse_intervals
from kline_harness.replay import Audit, Scenario
from kline_harness.replay import replay as run
from kline_harness.simulation.trade_filter import Outage

from tests.comparison.story import NS, START, SYMBOL, as_market, trades
from tests.comparison.test_causes import DAY, ROUNDED
from tests.oracle import OracleKline, OracleTrade, klines
from tests.replay.recordings import write_klines, write_recording
from tests.replays import ROOT, replay

Files = tuple[Path, list[Path]]
UNIT = Decimal("0.001")


def recorded(folder: Path, listed: Sequence[OracleTrade], *files: Sequence[OracleKline]) -> Files:
    """Write a recording and files of one-minute klines."""
    stream = write_recording(folder / f"{SYMBOL}-trade-stream.txt", listed)
    frames = [folder / f"{number}" / f"{SYMBOL}-1m.csv" for number in range(len(files))]
    for frame, rows in zip(frames, files, strict=True):
        frame.parent.mkdir(parents=True)
        write_klines(frame, rows)
    return stream, frames


def more(rows: Sequence[OracleKline], number: int, **by: Decimal | int) -> list[OracleKline]:
    """Add something to the fields of one kline."""
    changed = list(rows)
    values = {name: getattr(rows[number], name) + value for name, value in by.items()}
    changed[number] = replace(rows[number], **values)
    return changed


def a_late_trade(folder: Path) -> Files:
    listed = trades("1 100x1, 59.9 101x2 at=64, 65 100x1, 130 99x1, 190 99x1")
    return recorded(folder, listed, more(klines(listed, "1m"), 0, volume=UNIT))


def a_fund_trade(folder: Path) -> Files:
    listed = trades("1 100x1, 2 80x5 fund, 3 101x1, 61 100x1, 62 100x2")
    return recorded(folder, listed, more(klines(as_market(listed), "1m"), 0, volume=UNIT))


def aggregates(folder: Path, *odd: str) -> Files:
    """Write aggregates with rows that are no trades, and klines that are off by a unit."""
    rows = ["agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"]
    listed = trades("1 100x1, 3 101x1, 61 100x1, 62 101x2")
    for number, trade in enumerate(listed):
        rows.append(
            f"{2 * trade.id},{trade.price},{trade.quantity},{trade.id},{trade.id},"
            f"{trade.time_ns // 1_000_000},false"
        )
        rows += [row.format(time=trade.time_ns // 1_000_000 + 1) for row in odd if not number]
    path = folder / f"{SYMBOL}-aggTrades.csv"
    path.write_text("\n".join(rows) + "\n")
    frame = write_klines(folder / f"{SYMBOL}-1m.csv", more(klines(listed, "1m"), 0, volume=UNIT))
    return path, [frame]


def a_sentinel_row(folder: Path) -> Files:
    return aggregates(folder, "3,0,0,-1,-1,{time},false")


def a_row_without_quantity(folder: Path) -> Files:
    return aggregates(folder, "3,90,0,9,9,{time},false")


def a_row_with_a_hole(folder: Path) -> Files:
    listed = trades(DAY)
    return recorded(folder, listed, klines([t for t in listed if t.id != 7], "1m"))


def quotes_far_off(folder: Path) -> Files:
    unit = Decimal("0.00000001")
    listed = trades(ROUNDED)
    stated = [replace(t, quote_quantity=t.quote.quantize(unit, ROUND_HALF_UP)) for t in listed]
    return recorded(folder, listed, more(klines(stated, "1m"), 0, quote_volume=unit * 9))


def two_files(folder: Path) -> Files:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    return recorded(folder, listed, more(rows, 1, volume=UNIT), rows)


def a_part_that_is_more_than_the_whole(folder: Path) -> Files:
    listed = trades(DAY)
    return recorded(folder, listed[1:], more(klines(listed, "1m"), 0, volume=-Decimal(2)))


def more_trades_than_ids(folder: Path) -> Files:
    listed = trades(DAY)
    kept = [trade for trade in listed if trade.id != 5]
    return recorded(folder, kept, more(klines(listed, "1m"), 1, count=1))


def a_row_left_out(folder: Path) -> Files:
    listed = trades(DAY)
    rows = klines(listed, "1m")
    return recorded(folder, listed, [rows[0], rows[2]])


def a_row_left_out_without_counts(folder: Path) -> Files:
    stream, (frame,) = a_row_left_out(folder)
    lines = [line.split(",") for line in frame.read_text().splitlines()]
    frame.write_text("\n".join(",".join(line[:6]) for line in lines) + "\n")
    return stream, [frame]


def fifty_trades_in_one(folder: Path) -> Files:
    given = ROOT / "fixtures" / "cases" / "false-valid" / "fv14"
    (tape,), (frame,) = given.glob("*aggTrades*"), given.glob("*-1m-*")
    return tape, [frame]


RUNS: dict[str, Callable[[Path], Files]] = {
    "late_trade": a_late_trade,
    "fund_trade": a_fund_trade,
    "sentinel_row": a_sentinel_row,
    "zero_quantity": a_row_without_quantity,
    "forming_row": a_row_with_a_hole,
    "quote_rounding": quotes_far_off,
    "revised_archive": two_files,
    "edge": a_part_that_is_more_than_the_whole,
    "missing_trade_ids": more_trades_than_ids,
    "halt": a_row_left_out,
    "quiet_left_out": a_row_left_out_without_counts,
    "straddling_aggregate": fifty_trades_in_one,
}
_ORDER = ("valid", "unknown", "invalid")


def believe(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a cause explain whatever it can be one of."""

    def undo(_: object, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        yield state.after(name, {}, settled={"believed": True})

    if name == straddling_aggregate.NAME:
        monkeypatch.setattr(straddling_aggregate, "_can_move", lambda *_: True)
    for cause in CAUSES:
        if cause.name == name:
            monkeypatch.setattr(type(cause), "undo", undo)


def test_every_cause_has_a_mutant() -> None:
    without = sorted(set(MEANINGS) - set(RUNS) - {"injected_fault"})
    assert not without, f"a run for each is to be added to RUNS here: {without}"
    assert set(RUNS) <= set(MEANINGS)


@pytest.mark.parametrize("name", RUNS)
def test_a_cause_believed_too_easily_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tape, frames = RUNS[name](tmp_path)
    words: list[str | Path] = [tape, "--klines", *frames, "--intervals", "1m", "--audit", "off"]
    right = replay(tmp_path / "right", *words)
    assert right.check("comparison")["verdict"] != "valid", right.output
    assert f"proved_{name}" not in {f["kind"] for f in right.findings()}
    believe(name, monkeypatch)
    mutant = replay(tmp_path / "mutant", *words)
    told = [ran.check("comparison")["verdict"] for ran in (mutant, right)]
    assert _ORDER.index(told[0]) < _ORDER.index(told[1]), mutant.output


def test_a_fault_believed_too_easily_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = trades("1 100x1, 30 101x1, 61 100x1, 80 102x1, 119 99x1, 125 100x1, 150 101x2")
    rows = more(klines(listed, "1m"), 1, volume=UNIT)
    stream, frames = recorded(tmp_path, listed, rows)
    scenario = Scenario(
        intervals=parse_intervals("1m"),
        audit=Audit.OFF,
        outages=(Outage(START + 70 * NS, START + 100 * NS),),
    )

    def unexplained(folder: str) -> int:
        out = tmp_path / folder
        outcome = run(scenario, [stream], frames, out, command="", report=False)
        assert outcome.comparison is not None
        return sum(difference.proof is None for difference in outcome.comparison.differences)

    assert unexplained("right") == 1
    believe("injected_fault", monkeypatch)
    assert unexplained("mutant") == 0
