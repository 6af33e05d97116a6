"""Consumers served many instants at once see what those see that are woken for each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.columns import Rows
from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.kline import Emission, KlineBatch, LifeBatch
from kline_harness.simulation.bulk_delivery import TimedBatch
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.simulation import Simulation
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX

START_NS = 1_000


@dataclass
class Diary:
    """A consumer that writes down every call; `limit` is how many values fill its buffer."""

    name: str
    timer_period_ns: int | None
    limit: int | None
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    _held: list[int] = field(default_factory=list)

    def take(self, now_ns: int, rows: Rows[Any]) -> None:
        table = rows.table()
        for value in table.at_ns.tolist():
            # Without a limit the instant of a delivery says nothing.
            self._held.append(value)
            if self.limit is not None and len(self._held) == self.limit:
                self.calls.append(("full", now_ns, *self._held))
                self._held = []

    def on_lag(self, now_ns: int, missed: int) -> None:
        self.calls.append(("lag", now_ns, missed, *self._held))
        self._held = []

    def on_timer(self, now_ns: int) -> None:
        self.calls.append(("timer", now_ns, *self._held))
        self._held = []

    def rows_until_flush(self) -> int | None:
        return None

    def on_close(self, now_ns: int) -> None:
        self.calls.append(("close", now_ns, *self._held))


class PatientDiary(Diary):
    """The same, and it says how many values may come at once."""

    def rows_until_flush(self) -> int:
        return INT64_MAX if self.limit is None else self.limit - len(self._held)


@dataclass
class Scripted:
    """An aggregator that publishes what it is told to, an emission for each slice."""

    emissions: list[Emission]
    last: Emission
    finished_at_ns: int | None = None

    def advance(self, feed: FeedSlice) -> Emission:
        return self.emissions.pop(0)

    def finish(self, at_ns: int) -> Emission:
        self.finished_at_ns = at_ns
        return self.last

    def accounts(self) -> dict[str, Any]:
        return {}


def batch(kind: Any, at_ns: list[int]) -> Any:
    columns = {name: np.zeros(len(at_ns), dtype=np.int64) for name in kind.column_names()}
    return kind.build((), columns | {"at_ns": np.array(at_ns, dtype=np.int64)})


def emission(klines: list[int], events: list[int]) -> Emission:
    return Emission(batch(KlineBatch, klines), batch(LifeBatch, events))


INSTANTS = st.lists(st.integers(START_NS, START_NS + 60), max_size=14)


@st.composite
def scripts(draw: st.DrawFn) -> tuple[list[tuple[list[int], list[int]]], int]:
    """Emissions one after the other, which may meet at an instant; and where the feed ends."""
    count = draw(st.integers(1, 4))
    parts = []
    for _ in range(2):
        instants = sorted(draw(INSTANTS))
        cuts = sorted(draw(st.tuples(*[st.integers(0, len(instants))] * (count - 1))))
        edges = [0, *cuts, len(instants)]
        parts.append([instants[a:b] for a, b in itertools.pairwise(edges)])
    return list(zip(*parts, strict=True)), START_NS + draw(st.integers(0, 70))


LISTENERS = st.lists(
    st.tuples(
        st.booleans(), st.sampled_from([None, 1, 7, 20, 100]), st.sampled_from([None, 1, 3, 5])
    ),
    max_size=3,
)


def ran(
    made: type[Diary],
    script: list[tuple[list[int], list[int]]],
    end_ns: int,
    listeners: list[tuple[bool, int | None, int | None]],
    options: ChannelOptions,
) -> tuple[Any, ...]:
    *first, last = [emission(*each) for each in script]
    aggregator = Scripted(first, last)
    slices = [FeedSlice(Tape.empty(), (Tick(START_NS, START_NS),), (0,)) for _ in first]
    slices = slices or [FeedSlice(Tape.empty(), (Tick(START_NS, START_NS),), (0,))]
    if not first:
        aggregator.emissions = [emission([], [])]
    simulation = Simulation(aggregator, slices, options)
    diaries = []
    for number, (is_life, period_ns, limit) in enumerate(listeners):
        diary = made(f"consumer {number}", period_ns, limit)
        diaries.append(diary)
        listen = simulation.listen_to_life if is_life else simulation.listen_to_klines
        listen(diary, diary.take, ListenerOptions())
    records = simulation.run(lambda: end_ns)
    told: list[tuple[Any, ...]] = []
    for record in records:
        told.append((record.name, record.capacity, record.published, record.sent, record.unsent))
        for one in record.consumers:
            lost = [value for rows in one.lost for value in rows.table().at_ns.tolist()]
            columns = [c.tolist() for pair in (one.depths, one.stalled, one.lags) for c in pair]
            told.append((one.name, one.delivered, one.lagged, one.lag_events, one.depth_peak, lost))
            told.append((one.unread, one.after_leaving, one.connected, *columns))
    return [diary.calls for diary in diaries], told, simulation.work.batches, aggregator


@settings(max_examples=400, deadline=None)
@given(scripts(), LISTENERS, st.sampled_from([1, 2, 4, 64]), st.booleans())
def test_calm_consumers_see_the_same(
    script: tuple[list[tuple[list[int], list[int]]], int],
    listeners: list[tuple[bool, int | None, int | None]],
    capacity: int,
    life_published: bool,
) -> None:
    options = ChannelOptions(klines=capacity, life=capacity, life_published=life_published)
    calm = ran(PatientDiary, *script, listeners, options)
    woken = ran(Diary, *script, listeners, options)
    assert calm[:3] == woken[:3]
    assert calm[3].finished_at_ns == woken[3].finished_at_ns


def test_a_stretch_counts_the_values_of_each_instant() -> None:
    table = batch(KlineBatch, [5, 5, 7, 9, 9, 9])
    stretch = TimedBatch.of(table, table.at_ns)
    assert (stretch.instants.tolist(), stretch.ends.tolist()) == ([5, 7, 9], [2, 3, 6])
    middle = stretch.cut(1, 3)
    assert (middle.instants.tolist(), middle.ends.tolist()) == ([7, 9], [1, 4])
    assert [len(rows) for rows in middle.pieces] == [4]
    more = batch(KlineBatch, [9, 12])
    joined = middle.then(TimedBatch.of(more, more.at_ns))
    assert (joined.instants.tolist(), joined.ends.tolist()) == ([7, 9, 12], [1, 5, 6])
