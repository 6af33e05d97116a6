"""A random scenario per seed: faults in the first part of the tape, and how everyone behaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from harness.consumers.parquet_writer import WriterOptions
from harness.replay.market import Market
from harness.replay.scenario import Scenario
from harness.simulation.designs import ChannelOptions
from harness.simulation.faults.catalogue import Fault
from harness.simulation.faults.consumers import (
    CrashedConsumer,
    LateConsumer,
    SlowConsumer,
    StalledConsumer,
)
from harness.simulation.faults.disk import STEPS, DiskFull, KillDuringWrite, WriteError
from harness.simulation.faults.ticks import (
    ClockDrift,
    ClockJump,
    TicksCoalesced,
    TicksMissed,
    TicksRepeated,
)
from harness.simulation.faults.trades import (
    DelayTrades,
    Disconnect,
    DropTrades,
    DuplicateTrades,
    ReorderTrades,
    SentinelRows,
    WrongTime,
    ZeroQuantity,
)
from harness.simulation.simulation import Fidelity
from harness.units import NS_PER_MILLISECOND, NS_PER_SECOND

FAULTS_MAX = 5
# The part of the tape in which faults strike; in the rest everything is well again.
TROUBLED_PART = (3, 5)
CONSUMERS = ("writer", "completeness", "lifecycle")
_REACHES_NS = (1, 80, 700, 4_000, 61_000, 130_000)
_RATES = (0.003, 0.03, 0.2, 1.0)


@dataclass(frozen=True, slots=True)
class Span:
    """The time of a tape: faults strike in [from_ns, heal_ns), the tape ends at `until_ns`."""

    from_ns: int
    heal_ns: int
    until_ns: int

    @staticmethod
    def of(market: Market) -> Span:
        """Return the span of a market."""
        start, end = int(market.tape.arrival_ns[0]), int(market.tape.arrival_ns[-1]) + 1
        part, whole = TROUBLED_PART
        return Span(start, start + max(1, (end - start) * part // whole), end)

    def window(self, random: Random) -> tuple[int, int]:
        """Draw a window in which a fault strikes."""
        length = self.heal_ns - self.from_ns
        first = self.from_ns + random.randrange(length)
        return first, first + 1 + random.randrange(self.heal_ns - first)


def draw_scenario(seed: int, base: Scenario, market: Market) -> Scenario:
    """Return the scenario of a seed: the same on every machine."""
    random = Random(seed)
    span = Span.of(market)
    count = random.choice((0, 1, 1, 2, 2, 3, 4, FAULTS_MAX))
    makers = random.sample(range(len(_MAKERS)), count)
    faults = tuple(_MAKERS[maker](random, span, place) for place, maker in enumerate(makers))
    return replace(
        base,
        seed=seed,
        faults=_one_crash(faults),
        fidelity=Fidelity.TRADE if random.randrange(400) == 0 else Fidelity.BATCH,
        clock=replace(base.clock, grace_ns=random.choice((None, None, 0, 2 * NS_PER_SECOND))),
        channels=ChannelOptions(
            klines=random.choice((1, 2, 4, 16, 64, 10_000)),
            life=random.choice((2, 16, 256, 4_096)),
        ),
        writer=WriterOptions(
            buffer_rows=random.choice((1, 3, 5_000)), part_rows=random.choice((1, 4, 16, 250_000))
        ),
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


def _reach(random: Random) -> int:
    return random.choice(_REACHES_NS) * NS_PER_MILLISECOND


def _drop(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return DropTrades(from_ns=first, until_ns=last, rate=random.choice(_RATES), number=number)


def _duplicate(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    after_ns, altered = random.choice((0, _reach(random))), random.random() < 0.3
    rate = random.choice(_RATES)
    return DuplicateTrades(
        from_ns=first, until_ns=last, rate=rate, number=number, after_ns=after_ns, altered=altered
    )


def _reorder(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    within_ns, rate = _reach(random), random.choice(_RATES)
    return ReorderTrades(
        from_ns=first, until_ns=last, rate=rate, number=number, within_ns=within_ns
    )


def _delay(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    by_ns, jitter_ns = _reach(random), random.choice((0, _reach(random)))
    rate = random.choice(_RATES)
    return DelayTrades(
        from_ns=first, until_ns=last, rate=rate, number=number, by_ns=by_ns, jitter_ns=jitter_ns
    )


def _wrong_time(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    by_ns, backwards = _reach(random), random.random() < 0.5
    rate = random.choice(_RATES[:3])
    return WrongTime(
        from_ns=first, until_ns=last, rate=rate, number=number, by_ns=by_ns, backwards=backwards
    )


def _sentinel(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return SentinelRows(from_ns=first, until_ns=last, rate=random.choice(_RATES), number=number)


def _zero(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return ZeroQuantity(from_ns=first, until_ns=last, rate=random.choice(_RATES), number=number)


def _disconnect(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return Disconnect(from_ns=first, until_ns=last, number=number)


def _ticks_missed(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return TicksMissed(from_ns=first, until_ns=last, rate=random.choice((0.5, 1.0)), number=number)


def _ticks_repeated(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return TicksRepeated(from_ns=first, until_ns=last, number=number)


def _jump(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    by_ns, backwards = _reach(random), random.random() < 0.5
    return ClockJump(from_ns=first, until_ns=last, by_ns=by_ns, backwards=backwards, number=number)


def _drift(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    ppm, backwards = random.choice((20, 5_000, 200_000)), random.random() < 0.5
    return ClockDrift(from_ns=first, until_ns=last, ppm=ppm, backwards=backwards, number=number)


def _coalesced(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return TicksCoalesced(from_ns=first, until_ns=last, number=number)


def _slow(random: Random, span: Span, number: int) -> Fault:
    service_ns = random.choice((1_000, NS_PER_MILLISECOND, NS_PER_SECOND, 20 * NS_PER_SECOND))
    return SlowConsumer(consumer=random.choice(CONSUMERS), service_ns=service_ns)


def _stalled(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return StalledConsumer(consumer=random.choice(CONSUMERS), from_ns=first, until_ns=last)


def _late(random: Random, span: Span, number: int) -> Fault:
    return LateConsumer(consumer=random.choice(CONSUMERS), at_ns=span.window(random)[0])


def _crashed(random: Random, span: Span, number: int) -> Fault:
    first, last = span.window(random)
    return CrashedConsumer(consumer=random.choice(CONSUMERS), at_ns=first, restart_ns=last)


def _disk(random: Random, span: Span, number: int) -> Fault:
    step, first = random.choice(STEPS), random.randrange(4)
    kind = random.choice((DiskFull, WriteError))
    return kind(step=step, from_commit=first, until_commit=first + 1 + random.randrange(3))


def _kill(random: Random, span: Span, number: int) -> Fault:
    step, first = random.choice(STEPS), random.randrange(4)
    power_cut = random.random() < 0.5
    return KillDuringWrite(
        step=step, from_commit=first, until_commit=first + 1, power_cut=power_cut
    )


_MAKERS: tuple[Callable[[Random, Span, int], Fault], ...] = (
    *(_drop, _duplicate, _reorder, _delay, _wrong_time, _sentinel, _zero, _disconnect),
    *(_ticks_missed, _ticks_repeated, _jump, _drift, _coalesced),
    *(_slow, _stalled, _late, _crashed, _disk, _kill),
)
