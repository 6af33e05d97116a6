"""Runs every mutant in its setting, and tells which checks found it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache

from kline_harness.faults.consumers import LateConsumer, StalledConsumer
from kline_harness.faults.disk import DiskFull
from kline_harness.faults.fault import Fault
from kline_harness.faults.trades import DelayTrades, DuplicateTrades, ReorderTrades
from kline_harness.interval import parse_intervals
from kline_harness.replay.assembly import NONE
from kline_harness.replay.memory_run import MemoryRun, run_in_memory
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.clock import ClockOptions
from kline_harness.storage.parquet_writer import WriterOptions
from kline_harness.units import NS_PER_DAY, NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND

from tests.mutants.registry import Mutant
from tests.mutants.stage import MINUTES, START_NS, days, minutes

Sign = tuple[str, str, str | None, str | None, int | None, int | None]


def killers(mutant: Mutant) -> list[str]:
    """The checks that find a mutant: what they find without it does not count."""
    scenario, trade_set = _setting(mutant.setting)
    found = signs(run_in_memory(scenario, trade_set, mutant.parts)) - signs(_sound(mutant.setting))
    return sorted({check for check, *_ in found})


def signs(memory_run: MemoryRun) -> Counter[Sign]:
    """Return what a run found, without the numbers."""
    return Counter(
        (f.check, f.kind, f.symbol, f.interval, f.open_time_ns, f.at_ns)
        for f in memory_run.findings
    )


@cache
def _sound(setting: str) -> MemoryRun:
    return run_in_memory(*_setting(setting), NONE)


@cache
def _setting(name: str) -> tuple[Scenario, TradeSet]:
    if name == "calendar":
        scenario = Scenario(
            intervals=parse_intervals("1d,1w,1M"), clock=ClockOptions(period_ns=NS_PER_DAY)
        )
        return scenario, TradeSet(days())
    scenario = Scenario(intervals=parse_intervals("1m,3m,5m"), seed=1)
    end_ns = START_NS + MINUTES * NS_PER_MINUTE
    return _SETTINGS[name](scenario), TradeSet(minutes(), until_ns=end_ns)


def _with(*faults: Fault) -> _Change:
    return _Change(faults)


@dataclass(frozen=True, slots=True)
class _Change:
    """What a setting changes of the plain one."""

    faults: tuple[Fault, ...] = ()
    channels: ChannelOptions = field(default_factory=ChannelOptions)
    writer: WriterOptions = field(default_factory=WriterOptions)

    def __call__(self, scenario: Scenario) -> Scenario:
        return replace(scenario, faults=self.faults, channels=self.channels, writer=self.writer)


def _at(minute: int, second: int = 30) -> int:
    return START_NS + minute * NS_PER_MINUTE + second * NS_PER_SECOND


_STALLED = tuple(
    StalledConsumer(consumer=name, from_ns=_at(2), until_ns=_at(8))
    for name in ("writer", "completeness")
)
_SETTINGS = {
    "plain": _Change(),
    "late": _with(DelayTrades(rate=0.15, by_ns=70 * NS_PER_SECOND)),
    "duplicates": _with(DuplicateTrades(rate=0.15)),
    "reordered": _with(ReorderTrades(rate=0.6, within_ns=100 * NS_PER_MILLISECOND)),
    "late_consumer": _with(LateConsumer(consumer="completeness", at_ns=_at(5))),
    "lagging": _Change(_STALLED, ChannelOptions(klines=4)),
    "buffered": _Change(writer=WriterOptions(flush_period_ns=NS_PER_DAY)),
    "disk": _Change((DiskFull(from_commit=1, until_commit=2),), writer=WriterOptions(part_rows=8)),
}
