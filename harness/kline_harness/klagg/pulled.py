"""The answers to pulls, in order; those that a loop logged are made when they are looked at."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from kline_harness.klagg.fold_loop import FIRST_AMOUNT
from kline_harness.klagg.numbers import Factors, Numbers
from kline_harness.klagg.records import BarRecord, PullAnswer
from kline_harness.units import Int64Array

T = TypeVar("T")


class _Made(Sequence[T]):
    """A sequence whose items are made one by one."""

    def _make(self, place: int) -> T:
        raise NotImplementedError

    def __iter__(self) -> Iterator[T]:
        return map(self._make, range(len(self)))

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> list[T]: ...
    def __getitem__(self, place: int | slice) -> T | list[T]:
        places = range(len(self))[place]
        return self._make(places) if isinstance(places, int) else [self._make(k) for k in places]


@dataclass(frozen=True, slots=True)
class LogKey:
    """What the words of a log mean: names and factors by symbol index, texts by period."""

    names: tuple[str, ...]
    intervals: tuple[str, ...]
    numbers: Numbers
    factors: Mapping[int, Factors]


class LoggedRecords(_Made[BarRecord]):
    """Records that a loop logged, a row of words each."""

    def __init__(self, words: Int64Array, key: LogKey) -> None:
        self._words = words
        self._key = key

    def __len__(self) -> int:
        return len(self._words)

    def __iter__(self) -> Iterator[BarRecord]:
        key, numbers = self._key, self._key.numbers
        amounts: NDArray[Any] = self._words[:, FIRST_AMOUNT:]
        if numbers.has_floats:
            amounts = amounts.view(np.float64)
        heads = self._words[:, :FIRST_AMOUNT].tolist()
        for (number, open_ns, count), lane in zip(heads, amounts.tolist(), strict=True):
            index, place = divmod(number, len(key.intervals))
            held = numbers.from_lane(lane, key.factors[index])
            series = key.names[index], key.intervals[place]
            yield BarRecord(*series, open_ns, count, is_final=False, amounts=held, numbers=numbers)

    def _make(self, place: int) -> BarRecord:
        return next(iter(LoggedRecords(self._words[place : place + 1], self._key)))


class LoggedAnswers(_Made[PullAnswer]):
    """Answers to pulls of deltas that a loop logged: their instants, ends of records, records."""

    def __init__(self, at_ns: Int64Array, ends: Int64Array, log: Int64Array, key: LogKey) -> None:
        self._at_ns = at_ns
        self._ends = ends
        self._log = log
        self._key = key

    def __len__(self) -> int:
        return len(self._ends)

    def _make(self, place: int) -> PullAnswer:
        start = int(self._ends[place - 1]) if place else 0
        words = self._log[start : int(self._ends[place])]
        records = LoggedRecords(words, self._key) if len(words) else ()
        return PullAnswer(int(self._at_ns[place]), "deltas", records)


class PullLog(_Made[PullAnswer]):
    """Every answer so far."""

    def __init__(self) -> None:
        self._parts: list[Sequence[PullAnswer]] = []
        self._starts: list[int] = []
        self._answers = 0

    def __len__(self) -> int:
        return self._answers

    def __iter__(self) -> Iterator[PullAnswer]:
        return chain.from_iterable(self._parts)

    def append(self, answers: Sequence[PullAnswer]) -> None:
        """Take the next answers."""
        self._parts.append(answers)
        self._starts.append(self._answers)
        self._answers += len(answers)

    def _make(self, place: int) -> PullAnswer:
        part = bisect_right(self._starts, place) - 1
        return self._parts[part][place - self._starts[part]]
