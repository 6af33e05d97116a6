"""A random scenario per seed: faults in the first part of the tape, and how everyone behaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from kline_harness.faults.consumers import (
    CrashedConsumer,
    LateConsumer,
    SlowConsumer,
    StalledConsumer,
)
from kline_harness.faults.disk import STEPS, DiskFull, KillDuringWrite, WriteError
from kline_harness.faults.fault import Fault
from kline_harness.faults.ticks import (
    ClockDrift,
    ClockJump,
    TickFault,
    TicksCoalesced,
    TicksMissed,
    TicksRepeated,
)
from kline_harness.faults.trades import (
    DelayTrades,
    Disconnect,
    DropTrades,
    DuplicateTrades,
    ReorderTrades,
    SentinelRows,
    ShutdownMidBurst,
    TradeFault,
    WrongTime,
    ZeroQuantity,
)
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.simulation import Fidelity
from kline_harness.storage.parquet_writer import WriterOptions
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_SECOND

FAULTS_MAX = 5
# The part of the tape in which faults strike; in the rest everything is well again.
TROUBLED_PART = (3, 5)
# How many of all seeds have a silence with missed ticks.
SILENCE_SHARE = 0.1
CONSUMERS = ("writer", "completeness", "lifecycle")
_REACHES_NS = (1, 80, 700, 4_000, 61_000, 130_000)
_RATES = (0.003, 0.03, 0.2, 1.0)
Draw = Callable[[Random], Any]


@dataclass(frozen=True, slots=True)
class Span:
    """The time of a tape: faults strike in [from_ns, heal_ns), the tape ends at `until_ns`."""

    from_ns: int
    heal_ns: int
    until_ns: int

    @staticmethod
    def of(trade_set: TradeSet) -> Span:
        """Return the span of some trades."""
        start, end = int(trade_set.tape.arrival_ns[0]), int(trade_set.tape.arrival_ns[-1]) + 1
        part, whole = TROUBLED_PART
        return Span(start, start + max(1, (end - start) * part // whole), end)

    def window(self, rng: Random) -> tuple[int, int]:
        """Draw a window in which a fault strikes."""
        length = self.heal_ns - self.from_ns
        first = self.from_ns + rng.randrange(length)
        return first, first + 1 + rng.randrange(self.heal_ns - first)


Make = Callable[[Random, Span, int], Fault]


def draw_scenario(seed: int, base: Scenario, trade_set: TradeSet) -> Scenario:
    """Return the scenario of a seed: the same on every machine."""
    rng = Random(seed)
    span = Span.of(trade_set)
    count = rng.choice((0, 1, 1, 2, 2, 3, 4, FAULTS_MAX))
    makers = rng.sample(range(len(_MAKERS)), count)
    faults = tuple(_MAKERS[maker](rng, span, place) for place, maker in enumerate(makers))
    return replace(
        base,
        seed=seed,
        faults=(*_one_crash(faults), *_silence(seed, span, count)),
        fidelity=Fidelity.TRADE if rng.randrange(400) == 0 else Fidelity.BATCH,
        clock=replace(base.clock, grace_ns=rng.choice((None, None, 0, 2 * NS_PER_SECOND))),
        channels=ChannelOptions(
            klines=rng.choice((1, 2, 4, 16, 64, 10_000)),
            life=rng.choice((2, 16, 256, 4_096)),
        ),
        writer=WriterOptions(
            buffer_rows=rng.choice((1, 3, 5_000)), part_rows=rng.choice((1, 4, 16, 250_000))
        ),
    )


def _silence(seed: int, span: Span, number: int) -> tuple[Fault, ...]:
    """Draw, now and then, a time in which neither a trade nor a tick comes.

    What was quiet in it has to be filled all at once by the first trade after it. Drawn apart, so
    that a seed's other faults are what they were before there was this one.
    """
    rng = Random(f"silence {seed}")
    if rng.random() >= SILENCE_SHARE:
        return ()
    length_ns = span.heal_ns - span.from_ns
    # A drawn window is short as a rule: this one takes most of the troubled part.
    from_ns = span.from_ns + rng.randrange(1 + length_ns // 3)
    until_ns = span.heal_ns - rng.randrange(1 + length_ns // 4)
    return (
        Disconnect(from_ns=from_ns, until_ns=until_ns, number=number),
        TicksMissed(from_ns=from_ns, until_ns=until_ns, number=number + 1),
    )


def _one_crash(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Leave out a second fault of one kind of one consumer: only the first would act."""
    kept: list[Fault] = []
    for fault in faults:
        consumer = getattr(fault, "consumer", None)
        same = [k for k in kept if type(k) is type(fault) and getattr(k, "consumer", 0) == consumer]
        if consumer is None or not same:
            kept.append(fault)
    return tuple(kept)


def _reach(rng: Random) -> int:
    return rng.choice(_REACHES_NS) * NS_PER_MILLISECOND


def _none_or_reach(rng: Random) -> int:
    return rng.choice((0, _reach(rng)))


def _one_of(*values: float) -> Draw:
    return lambda rng: rng.choice(values)


def _with_chance(chance: float) -> Draw:
    return lambda rng: rng.random() < chance


def _in_window(kind: type[TradeFault | TickFault], **draws: Draw) -> Make:
    """Return what draws a fault of a window; its other fields are drawn in the order given."""

    def make(rng: Random, span: Span, number: int) -> Fault:
        first, last = span.window(rng)
        drawn: dict[str, Any] = {name: draw(rng) for name, draw in draws.items()}
        return kind(from_ns=first, until_ns=last, number=number, **drawn)

    return make


def _shutdown(rng: Random, span: Span, number: int) -> Fault:
    return ShutdownMidBurst(at_ns=span.window(rng)[1], number=number)


def _slow(rng: Random, span: Span, number: int) -> Fault:
    service_ns = rng.choice((1_000, NS_PER_MILLISECOND, NS_PER_SECOND, 20 * NS_PER_SECOND))
    return SlowConsumer(consumer=rng.choice(CONSUMERS), service_ns=service_ns)


def _stalled(rng: Random, span: Span, number: int) -> Fault:
    first, last = span.window(rng)
    return StalledConsumer(consumer=rng.choice(CONSUMERS), from_ns=first, until_ns=last)


def _late(rng: Random, span: Span, number: int) -> Fault:
    return LateConsumer(consumer=rng.choice(CONSUMERS), at_ns=span.window(rng)[0])


def _crashed(rng: Random, span: Span, number: int) -> Fault:
    first, last = span.window(rng)
    return CrashedConsumer(consumer=rng.choice(CONSUMERS), at_ns=first, restart_ns=last)


def _disk(rng: Random, span: Span, number: int) -> Fault:
    step, first = rng.choice(STEPS), rng.randrange(4)
    kind = rng.choice((DiskFull, WriteError))
    return kind(step=step, from_commit=first, until_commit=first + 1 + rng.randrange(3))


def _kill(rng: Random, span: Span, number: int) -> Fault:
    step, first = rng.choice(STEPS), rng.randrange(4)
    power_cut = rng.random() < 0.5
    return KillDuringWrite(
        step=step, from_commit=first, until_commit=first + 1, power_cut=power_cut
    )


_RATE, _EVEN = _one_of(*_RATES), _with_chance(0.5)
_MAKERS: tuple[Make, ...] = (
    _in_window(DropTrades, rate=_RATE),
    _in_window(DuplicateTrades, after_ns=_none_or_reach, altered=_with_chance(0.3), rate=_RATE),
    _in_window(ReorderTrades, within_ns=_reach, rate=_RATE),
    _in_window(DelayTrades, by_ns=_reach, jitter_ns=_none_or_reach, rate=_RATE),
    _in_window(WrongTime, by_ns=_reach, backwards=_EVEN, rate=_one_of(*_RATES[:3])),
    _in_window(SentinelRows, rate=_RATE),
    _in_window(ZeroQuantity, rate=_RATE),
    _in_window(Disconnect),
    _shutdown,
    _in_window(TicksMissed, rate=_one_of(0.5, 1.0)),
    _in_window(TicksRepeated),
    _in_window(ClockJump, by_ns=_reach, backwards=_EVEN),
    _in_window(ClockDrift, ppm=_one_of(20, 5_000, 200_000), backwards=_EVEN),
    _in_window(TicksCoalesced),
    *(_slow, _stalled, _late, _crashed, _disk, _kill),
)
