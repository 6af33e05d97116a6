"""How a subject in a process of its own is treated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kline_harness.errors import UsageError
from kline_harness.units import NS_PER_HOUR, NS_PER_SECOND

_UNSYNCED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """The limits of a subject, and what it is told.

    `answer_ns` is how long it may take for one answer, on the clock of the wall; `unsynced_max`
    how many messages may be on their way to it; `options` are given to it as they are.
    """

    answer_ns: int = 30 * NS_PER_SECOND
    unsynced_max: int = 64
    options: Mapping[str, str | int | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.answer_ns <= NS_PER_HOUR:
            raise UsageError("answer: expected more than nothing and at most an hour")
        if not 1 <= self.unsynced_max <= _UNSYNCED_MAX:
            raise UsageError(f"unsynced_max: expected 1 to {_UNSYNCED_MAX:,}")

    @property
    def answer_s(self) -> float:
        """Return the same in seconds, as timers take it."""
        return self.answer_ns / NS_PER_SECOND
