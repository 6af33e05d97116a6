"""What reaches the aggregator's loop beside trades: ticks, pulls and commands, in its order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kline_harness.interfaces import (
    AddSymbol,
    Command,
    Pull,
    Pulls,
    RemoveSymbol,
    Signal,
    Tick,
)
from kline_harness.simulation.clock import Clock, ClockOptions
from kline_harness.units import Int64Array, Window


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """When the aggregator's loop is `busy` elsewhere.

    What arrives in such a window waits for its end: trades first, then the last of the ticks
    (the clock's signal keeps only its latest value), then pulls and commands.
    """

    busy: tuple[Window, ...] = ()

    def processed_ns(self, instant_ns: int) -> int:
        """Return when what arrives at an instant is processed."""
        for window in self.busy:
            if instant_ns in window:
                return window.until_ns
        return instant_ns

    def cutoff_ns(self, instant_ns: int) -> int:
        """Return before which instant arrives what is processed before another."""
        for window in self.busy:
            if window.from_ns < instant_ns <= window.until_ns:
                return window.from_ns
        return instant_ns

    def processed(self, arrivals_ns: Int64Array) -> Int64Array:
        """Return, for arrivals as a column, when each is processed."""
        moved = arrivals_ns
        for window in self.busy:
            inside = (arrivals_ns >= window.from_ns) & (arrivals_ns < window.until_ns)
            if inside.any():
                moved = np.where(inside, np.int64(window.until_ns), moved)
        return moved


@dataclass(frozen=True, slots=True)
class ScriptedCommand:
    """A command at an instant: a symbol to `add` or one to `remove`.

    `stated` is what it says of an added symbol beside, in terms of the subject's own.
    """

    at_ns: int
    add: str | None = None
    remove: str | None = None
    stated: Any = field(default=None, metadata={"in_file": False})

    def __post_init__(self) -> None:
        if (self.add is None) == (self.remove is None):
            raise ValueError("expected a symbol either to add or to remove")

    def command(self) -> Command:
        """Return the command itself."""
        if self.add is None:
            assert self.remove is not None
            return RemoveSymbol(self.at_ns, self.remove)
        return AddSymbol(self.at_ns, self.add, self.stated)


@dataclass(frozen=True, slots=True)
class SignalOptions:
    """What there is beside trades."""

    clock: ClockOptions = field(default_factory=ClockOptions)
    loop: LoopOptions = field(default_factory=LoopOptions)
    commands: tuple[ScriptedCommand, ...] = ()
    pulls: Pulls = field(default_factory=Pulls)


# Pulls that may be made in one piece.
_PULLS = 1 << 16


class Signals:
    """Hands out signals in processing order: by instant, then tick, snapshot, deltas, command.

    `coalesced` ticks were overwritten by a later one before the loop looked.
    """

    def __init__(self, options: SignalOptions, start_ns: int, delay_ns: int) -> None:
        self.coalesced = 0
        self._options = options
        self._loop = options.loop
        self._clock = Clock(options.clock, start_ns, delay_ns)
        self._next_pull_ns = start_ns
        commands = [scripted.command() for scripted in options.commands]
        self._commands = sorted(commands, key=lambda command: command.at_ns)

    @property
    def missed(self) -> int:
        """Return how many ticks never came."""
        return self._clock.missed

    def cuts_before(self, instant_ns: int, span_ns: int) -> Iterator[int]:
        """Yield instants before another at which to cut what comes, each `span_ns` further on.

        One that holds no tick is left out, and so none is yielded of a short time.
        """
        span_ns = max(span_ns, self._options.clock.period_ns)
        if self._options.pulls.period_ns is not None:
            span_ns = min(span_ns, _PULLS * self._options.pulls.period_ns)
        cut_ns = self._clock.next_ns + span_ns
        while cut_ns < instant_ns:
            yield cut_ns
            cut_ns += span_ns

    def before(self, instant_ns: int) -> list[Signal]:
        """Return what is processed strictly before an instant and was not handed out yet."""
        cutoff_ns = self._loop.cutoff_ns(instant_ns)
        return self._ordered(self._clock.before(cutoff_ns), cutoff_ns)

    def rest(self, end_ns: int, until_ns: int | None) -> list[Signal]:
        """Return what is left until the end of the feed, the clock's last boundary included."""
        ticks = self._clock.before(end_ns + 1)
        if until_ns is not None:
            ticks += self._clock.through(until_ns)
        end_ns = max([end_ns, until_ns or 0, *(tick.at_ns for tick in ticks[-1:])])
        return self._ordered(ticks, end_ns + 1)

    def _ordered(self, ticks: Sequence[Tick], cutoff_ns: int) -> list[Signal]:
        commands = [command for command in self._commands if command.at_ns < cutoff_ns]
        self._commands = self._commands[len(commands) :]
        pulls = self._pulls_before(cutoff_ns)
        if not (commands or pulls or self._loop.busy or self._options.pulls.snapshots):
            return list(ticks)
        kept = self._latest(ticks)
        signals: list[Signal] = [*kept]
        if self._options.pulls.snapshots:
            signals += [Pull(tick.at_ns, True, tick.at_ns) for tick in kept]
        signals += [replace(s, at_ns=self._loop.processed_ns(s.at_ns)) for s in (*pulls, *commands)]
        return sorted(signals, key=processing_order)

    def _latest(self, ticks: Sequence[Tick]) -> list[Tick]:
        """Move ticks to when they are processed; of several at one instant the last is left."""
        kept: dict[int, Tick] = {}
        for tick in ticks:
            at_ns = self._loop.processed_ns(tick.at_ns)
            self.coalesced += at_ns in kept
            kept[at_ns] = Tick(at_ns, tick.time_ns)
        return list(kept.values())

    def _pulls_before(self, cutoff_ns: int) -> list[Pull]:
        pulls: list[Pull] = []
        period_ns = self._options.pulls.period_ns
        while period_ns is not None and self._next_pull_ns < cutoff_ns:
            pulls.append(Pull(self._next_pull_ns, False, self._next_pull_ns))
            self._next_pull_ns += period_ns
        return pulls


def processing_order(signal: Signal) -> tuple[int, int]:
    """Return what signals are sorted by: their instant, then tick, full pull, pull, command."""
    if isinstance(signal, Tick):
        return signal.at_ns, 0
    if isinstance(signal, Pull):
        return signal.at_ns, 1 if signal.full else 2
    return signal.at_ns, 3
