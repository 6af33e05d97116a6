"""What state each kline was in before each of its events.

`OneSeries.step` has the rule, one event after the other. A series of the regular pattern (the next
kline opens when the one before is final, then come only its own events) is answered by columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kline_harness.checks.life_events import Events
from kline_harness.checks.life_table import AFTER_CODES, LEGAL, KlineState
from kline_harness.checks.series import NONE, starts_of
from kline_harness.ranges import IntSet
from kline_harness.units import BoolArray, Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class Histories:
    """Per event: what was known of its kline and series before it.

    `before` is the kline's `KlineState`; `since` the position of its first known event, -1 if
    unknown; `expected_open_ns` the close time of the series' latest kline where the event makes
    a kline known that was not, else -1.
    """

    before: NDArray[np.int8]
    since: Int64Array
    expected_open_ns: Int64Array


@dataclass(slots=True)
class OneSeries:
    """The klines of one series, met one event at a time.

    `latest_ns` is the latest kline's open time, `state` and `since` are that kline's. Klines
    from `run_start_ns` up to it are final, as are those in `final`; `older` are the others that
    opened before it. `lost` means that events were missed: klines not met yet may be anything.
    So may, for good, those that opened before `unsure_before_ns` and are in neither.
    """

    latest_ns: int = NONE
    latest_close_ns: int = NONE
    state: int = KlineState.ABSENT
    since: int = NONE
    run_start_ns: int = NONE
    lost: bool = False
    losses: int = 0
    unsure_before_ns: int = NONE
    final: IntSet = field(default_factory=IntSet)
    older: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def step(self, open_ns: int, close_ns: int, after: int, position: int) -> tuple[int, int, int]:
        """Take an event that leaves its kline in state `after`.

        Returns (before, since, expected open time) as in `Histories`.
        """
        if open_ns > self.latest_ns:
            before: int = KlineState.UNKNOWN if self.lost else KlineState.ABSENT
            expected = NONE if self.lost else self.latest_close_ns
            if self.lost and self.losses:
                self.unsure_before_ns = open_ns
            self._move_to(open_ns, close_ns)
            self.state, self.since, self.lost = after, position, False
            return before, position, expected
        if open_ns == self.latest_ns:
            before, self.lost = self.state, False
            if before != KlineState.FINAL:
                self.state = after
            if self.since == NONE:
                self.since = position
            return before, self.since, NONE
        return self._step_older(open_ns, close_ns, after, position)

    def _move_to(self, open_ns: int, close_ns: int) -> None:
        is_final = self.state == KlineState.FINAL
        if self.latest_ns != NONE and not (is_final and open_ns == self.latest_close_ns):
            end_ns = self.latest_close_ns if is_final else self.latest_ns
            if end_ns > self.run_start_ns:
                self.final.add_range(self.run_start_ns, end_ns)
            if self.state not in (KlineState.FINAL, KlineState.UNKNOWN):
                self.older[self.latest_ns] = (self.state, self.since, self.latest_close_ns)
            self.run_start_ns = open_ns
        elif self.latest_ns == NONE:
            self.run_start_ns = open_ns
        self.latest_ns, self.latest_close_ns = open_ns, close_ns

    def _step_older(
        self, open_ns: int, close_ns: int, after: int, position: int
    ) -> tuple[int, int, int]:
        if open_ns >= self.run_start_ns or open_ns in self.final:
            return KlineState.FINAL, NONE, NONE
        unmet = KlineState.UNKNOWN if open_ns < self.unsure_before_ns else KlineState.ABSENT
        before, since, _ = self.older.pop(open_ns, (unmet, position, NONE))
        if after == KlineState.FINAL:
            self.final.add_range(open_ns, close_ns)
        else:
            self.older[open_ns] = (after, since, close_ns)
        return before, since, self.latest_close_ns if before == KlineState.ABSENT else NONE

    def lose_events(self) -> None:
        """From here on events are missing: what was open may be anything."""
        self.lost = True
        if self.state != KlineState.FINAL:
            self.state, self.since = KlineState.UNKNOWN, NONE
        self.unsure_before_ns = max(self.unsure_before_ns, self.latest_ns)
        self.older.clear()


class LifeSeries:
    """The series of a stream, as arrays by series key; irregular ones have more in `_odd`.

    `one_by_one` takes every series through `OneSeries.step`, for tests and for reading.
    """

    def __init__(self, *, lost: bool = False, one_by_one: bool = False) -> None:
        self._one_by_one = one_by_one
        self._lost_before = lost
        self._latest_ns: Int64Array = np.empty(0, dtype=np.int64)
        self._latest_close_ns = self._since = self._run_start_ns = self._latest_ns
        self._state: NDArray[np.int8] = np.empty(0, dtype=np.int8)
        self._lost: BoolArray = np.empty(0, dtype=np.bool_)
        self._losses = 0
        self._odd: dict[int, OneSeries] = {}

    def lose_events(self) -> None:
        """Events were missed, of any series.

        Series of `_odd` learn of it in `_load`: each is asked for before its next event, and
        there are as many as series, however often a slow consumer loses events.
        """
        self._losses += 1
        self._lost_before = True
        self._lost[:] = True
        unsure = self._state != KlineState.FINAL
        self._state[unsure], self._since[unsure] = KlineState.UNKNOWN, NONE

    def open_klines(self) -> list[tuple[int, int, int, int]]:
        """Return (key, open time, close time, since) of every kline known to be open."""
        is_open = (self._state == KlineState.PROVISIONAL) | (self._state == KlineState.LIVE)
        keys = np.flatnonzero(is_open)
        columns = (keys, self._latest_ns[keys], self._latest_close_ns[keys], self._since[keys])
        rows = list(zip(*(column.tolist() for column in columns), strict=True))
        for key, series in self._odd.items():
            if series.losses == self._losses:
                known = series.older.items()
                rows += [(key, at_ns, close_ns, since) for at_ns, (_, since, close_ns) in known]
        return sorted(rows)

    def follow(self, events: Events) -> Histories:
        """Take a block of events sorted by series and tell what was known before each."""
        self._grow(int(events.key.max()) + 1 if len(events) else 0)
        first = starts_of(events.key)
        histories, regular = self._by_columns(events, first)
        irregular = np.ones(len(events), dtype=np.bool_)
        if not self._one_by_one:
            odd_keys = np.unique(events.key[~regular])
            irregular = np.isin(events.key, odd_keys)
        self._keep_latest(events, histories, ~irregular, first)
        rows = np.flatnonzero(irregular)
        if len(rows):
            self._by_events(events, histories, rows)
        return histories

    def _grow(self, size: int) -> None:
        missing = size - len(self._state)
        if missing <= 0:
            return
        nothing = np.full(missing, NONE, dtype=np.int64)
        self._latest_ns = np.append(self._latest_ns, nothing)
        self._latest_close_ns = np.append(self._latest_close_ns, nothing)
        self._since = np.append(self._since, nothing)
        self._run_start_ns = np.append(self._run_start_ns, nothing)
        self._state = np.append(self._state, np.zeros(missing, dtype=np.int8))
        self._lost = np.append(self._lost, np.full(missing, self._lost_before, dtype=np.bool_))

    def _by_columns(self, events: Events, first: BoolArray) -> tuple[Histories, BoolArray]:
        """Answer as if all series were regular, and mark the events for which that holds."""
        key, opened = events.key, events.opened
        state = np.where(first, self._state[key], np.roll(AFTER_CODES[events.life], 1))
        latest = np.where(first, self._latest_ns[key], np.roll(events.open_ns, 1))
        end = np.where(first, self._latest_close_ns[key], np.roll(events.close_ns, 1))
        before = np.where(opened, KlineState.ABSENT, state).astype(np.int8)
        begins = (state == KlineState.ABSENT) | (
            (state == KlineState.FINAL) & (events.open_ns == end)
        )
        in_step = np.where(opened, begins, events.open_ns == latest)
        regular = in_step & LEGAL[before, events.life, events.trigger] & ~self._lost[key]
        rows = np.arange(len(events))
        start_row = np.maximum.accumulate(np.where(first, rows, 0))
        open_row = np.maximum.accumulate(np.where(opened, rows, NONE))
        since = np.where(open_row >= start_row, events.position[open_row], self._since[key])
        return Histories(before, since, np.where(opened, end, NONE)), regular

    def _keep_latest(
        self, events: Events, histories: Histories, rows: BoolArray, first: BoolArray
    ) -> None:
        new = rows & first & (self._latest_ns[events.key] == NONE)
        self._run_start_ns[events.key[new]] = events.open_ns[new]
        last = np.flatnonzero(rows & np.append(first[1:], True)[: len(first)])
        key = events.key[last]
        self._latest_ns[key] = events.open_ns[last]
        self._latest_close_ns[key] = events.close_ns[last]
        self._state[key] = AFTER_CODES[events.life[last]]
        self._since[key] = histories.since[last]

    def _by_events(self, events: Events, histories: Histories, rows: NDArray[np.intp]) -> None:
        columns = (events.open_ns, events.close_ns, AFTER_CODES[events.life], events.position)
        starts = np.flatnonzero(starts_of(events.key[rows]))
        ends = np.append(starts[1:], len(rows))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            some = rows[start:end]
            series = self._load(int(events.key[some[0]]))
            values = (column[some].tolist() for column in columns)
            answers = [series.step(*event) for event in zip(*values, strict=True)]
            before, since, expected = zip(*answers, strict=True)
            histories.before[some] = before
            histories.since[some] = since
            histories.expected_open_ns[some] = expected
            self._store(int(events.key[some[0]]), series)

    def _load(self, key: int) -> OneSeries:
        series = self._odd.setdefault(key, OneSeries())
        series.latest_ns = int(self._latest_ns[key])
        series.latest_close_ns = int(self._latest_close_ns[key])
        series.state = int(self._state[key])
        series.since = int(self._since[key])
        series.run_start_ns = int(self._run_start_ns[key])
        series.lost = bool(self._lost[key])
        if series.losses < self._losses:
            series.losses = self._losses
            series.lose_events()
        return series

    def _store(self, key: int, series: OneSeries) -> None:
        self._latest_ns[key] = series.latest_ns
        self._latest_close_ns[key] = series.latest_close_ns
        self._state[key] = series.state
        self._since[key] = series.since
        self._run_start_ns[key] = series.run_start_ns
        self._lost[key] = series.lost
