"""Faults by severity, and the defect zoo: what really happened, each with its public issue.

Issues are of binance/binance-public-data unless another project is named; "dbv" are threads of
the exchange's developer forum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kline_harness.faults.consumers import SlowConsumer, StalledConsumer
from kline_harness.faults.disk import KillDuringWrite, WriteError
from kline_harness.faults.fault import Fault
from kline_harness.faults.ticks import ClockJump, TicksMissed
from kline_harness.faults.trades import (
    DelayTrades,
    Disconnect,
    DropTrades,
    DuplicateTrades,
    ReorderTrades,
    SentinelRows,
    WrongTime,
    ZeroQuantity,
)
from kline_harness.units import NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND

Make = Callable[[int], tuple[Fault, ...]]


@dataclass(frozen=True, slots=True)
class Preset:
    """A named set of faults; `make` takes the instant from which its windows count."""

    name: str
    what: str
    issue: str
    make: Make


def no_faults(start_ns: int = 0) -> tuple[Fault, ...]:
    """Return no faults."""
    return ()


def measured_latency(start_ns: int = 0) -> tuple[Fault, ...]:
    """Return the latency measured on recorded streams: median 2 ms, 2 % from 100 to 214 ms.

    Source: spot streams of 2024-08-08, 9,757 trades; p50 2 ms, p99 205 ms, largest 214 ms.
    """
    ms = NS_PER_MILLISECOND
    return (
        DelayTrades(rate=1.0, by_ns=ms, jitter_ns=2 * ms),
        DelayTrades(rate=0.02, by_ns=100 * ms, jitter_ns=114 * ms),
    )


def lossy(start_ns: int = 0) -> tuple[Fault, ...]:
    """Return a poor connection: late, doubled and lost trades, a missed tick now and then."""
    return (
        *measured_latency(start_ns),
        DropTrades(rate=0.0005),
        DuplicateTrades(rate=0.001),
        ReorderTrades(rate=0.01, within_ns=NS_PER_SECOND),
        TicksMissed(rate=0.01),
    )


def hostile(start_ns: int = 0) -> tuple[Fault, ...]:
    """Return everything at once, at rates that nobody should have to live with."""
    return (
        *lossy(start_ns),
        DropTrades(rate=0.01),
        DelayTrades(rate=0.02, by_ns=30 * NS_PER_SECOND, jitter_ns=60 * NS_PER_SECOND),
        WrongTime(rate=0.002, by_ns=NS_PER_MINUTE),
        WrongTime(rate=0.002, by_ns=NS_PER_MINUTE, backwards=True),
        SentinelRows(rate=0.005),
        TicksMissed(rate=0.1),
        SlowConsumer(consumer="writer", service_ns=5 * NS_PER_MILLISECOND),
        WriteError(from_commit=1, until_commit=2),
        KillDuringWrite(from_commit=3, until_commit=4, step="rename"),
    )


def _hours(first: float, last: float) -> Make:
    def make(start_ns: int) -> tuple[Fault, ...]:
        times = (int(hours * NS_PER_HOUR) + start_ns for hours in (first, last))
        from_ns, until_ns = times
        return (Disconnect(from_ns=from_ns, until_ns=until_ns),)

    return make


def _always(*faults: Fault) -> Make:
    return lambda start_ns: faults


def _stalled(start_ns: int) -> tuple[Fault, ...]:
    first, last = start_ns + NS_PER_HOUR, start_ns + 20 * NS_PER_HOUR
    return (StalledConsumer(consumer="writer", from_ns=first, until_ns=last),)


_ZOO = (
    Preset("missing_ids", "a range of ids is missing", "#378", _hours(3, 3.05)),
    Preset("missing_hours", "hours of trades are missing", "#458, #161", _hours(5, 9)),
    Preset("day_stops_at_0929", "the file stops at 09:29", "#354", _hours(9 + 29 / 60, 24)),
    Preset("day_stops_at_0736", "the file stops at 07:36", "#413", _hours(7 + 36 / 60, 24)),
    Preset("outage_35_minutes", "a hole of 35 minutes", "#153", _hours(11, 11 + 35 / 60)),
    Preset("lost_on_reconnect", "thousands of ids lost at a reconnect", "dbv 5652", _hours(12, 13)),
    Preset(
        "rows_out_of_order",
        "rows interleaved, not sorted",
        "#12, #288, #293",
        _always(ReorderTrades(rate=0.05, within_ns=5 * NS_PER_SECOND)),
    ),
    Preset(
        "id_greater_time_smaller",
        "a higher id has an earlier time",
        "ccxt #8329",
        _always(WrongTime(rate=0.002, by_ns=150 * NS_PER_MILLISECOND, backwards=True)),
    ),
    Preset(
        "same_id_in_two_files",
        "the same id twice",
        "#353",
        _always(DuplicateTrades(rate=0.002)),
    ),
    Preset(
        "archive_is_not_stream",
        "the same id with other content",
        "ccxt #28672",
        _always(DuplicateTrades(rate=0.002, altered=True)),
    ),
    Preset(
        "zero_quantity",
        "38 % of rows have quantity 0",
        "#342",
        _always(ZeroQuantity(rate=0.38)),
    ),
    Preset(
        "sentinel_rows",
        "rows marked invalid: price 0, quantity 0, ids -1",
        "binance-spot-api-docs CHANGELOG 2022-04-12",
        _always(SentinelRows(rate=0.002)),
    ),
    Preset(
        "event_two_seconds_late",
        "events up to 2 s after their trade",
        "dbv 5652",
        _always(DelayTrades(rate=0.01, by_ns=500 * NS_PER_MILLISECOND, jitter_ns=1_500_000_000)),
    ),
    Preset(
        "recorder_clock_behind",
        "the receiver's clock is 1.27 s behind",
        "hftbacktest examples 2024-08-08",
        _always(ClockJump(by_ns=1_270 * NS_PER_MILLISECOND, backwards=True)),
    ),
    Preset("writer_ignores_time", "a consumer lags and nobody notices", "kerosene #68", _stalled),
)
_SEVERITIES = tuple(
    Preset(make.__name__, (make.__doc__ or "").split("\n")[0].removeprefix("Return "), "", make)
    for make in (no_faults, measured_latency, lossy, hostile)
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in (*_SEVERITIES, *_ZOO)}
