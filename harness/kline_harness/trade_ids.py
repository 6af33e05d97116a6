"""Which raw trade ids were seen, as runs: what lies between two runs is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kline_harness.columns import Instrument, grouped
from kline_harness.id_rule import IdRule
from kline_harness.tape import Tape
from kline_harness.units import BoolArray, Int64Array

# Columns of runs: ids [first_id, last_id], the times of those two trades, and the numbers of the
# rows that they stand in: the same ids in raw trades, the aggregates' own in aggregates.
_COLUMNS = ("first_id", "last_id", "first_ns", "last_ns", "first_row", "last_row")
# No id is next to this one.
_NO_RUN = -2


@dataclass(frozen=True, slots=True)
class Gap:
    """Raw ids that no trade has, between two that were seen.

    The missing trades, if there were any, happened between `from_ns` and `to_ns`: the times of
    the trades `after_id` and `before_id`.
    """

    after_id: int
    before_id: int
    from_ns: int
    to_ns: int

    @property
    def missing(self) -> int:
        """Return how many ids are missing."""
        return self.before_id - self.after_id - 1

    def to_dict(self) -> dict[str, Any]:
        """Return the gap as plain data for JSON."""
        return {
            "after_id": self.after_id,
            "before_id": self.before_id,
            "missing": self.missing,
            "from_ns": self.from_ns,
            "to_ns": self.to_ns,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """All gaps of one symbol as columns, in order of ids; see `Gap`.

    `after_row` and `before_row` are the numbers of the rows that the ids around a gap stand in: of
    aggregates their own.
    """

    after_id: Int64Array
    before_id: Int64Array
    from_ns: Int64Array
    to_ns: Int64Array
    after_row: Int64Array
    before_row: Int64Array

    def __len__(self) -> int:
        return len(self.after_id)

    @property
    def missing(self) -> int:
        """Return how many ids are missing in all."""
        return int((self.before_id - self.after_id - 1).sum())

    def touching(self, start_ns: int, end_ns: int) -> list[Gap]:
        """Return the gaps whose missing trades can lie in [start, end)."""
        low, high = np.minimum(self.from_ns, self.to_ns), np.maximum(self.from_ns, self.to_ns)
        return self.take(np.flatnonzero((low < end_ns) & (high >= start_ns)))

    def take(self, rows: NDArray[np.intp]) -> list[Gap]:
        """Return some gaps one by one."""
        columns = (self.after_id, self.before_id, self.from_ns, self.to_ns)
        parts = [column[rows].tolist() for column in columns]
        return [Gap(*row) for row in zip(*parts, strict=True)]

    def explained_by(self, rule: IdRule) -> BoolArray:
        """Mark the gaps that a source of this rule makes without a trade being lost.

        A fund trade takes one id and no aggregate's number: where that is missing as well, an
        aggregate was lost.
        """
        if rule in (IdRule.EVERY_ID, IdRule.UNKNOWN):
            return np.full(len(self), rule is IdRule.UNKNOWN)
        raw = (self.after_row == self.after_id) & (self.before_row == self.before_id)
        whole = self.before_row - self.after_row == 1
        single = self.before_id - self.after_id == 2
        explained: BoolArray = single & (whole | raw if rule is IdRule.FUND_TRADES else whole)
        return explained

    def first(self, count: int) -> list[Gap]:
        """Return up to `count` gaps as objects, the lowest ids first."""
        return self.take(np.arange(min(count, len(self))))


class IdRuns:
    """The raw ids of one symbol, in whatever order they come; only runs are kept.

    Sentinel rows have no raw ids and are skipped; trades of every other kind use theirs up, be
    they part of a kline or not.
    """

    def __init__(self) -> None:
        self._runs: NDArray[np.int64] = np.empty((len(_COLUMNS), 0), dtype=np.int64)

    def add(
        self, rows: Int64Array, first_id: Int64Array, last_id: Int64Array, times_ns: Int64Array
    ) -> None:
        """Take trades by the numbers of their rows; each covers the raw ids first to last."""
        if np.any(first_id < 0):
            known = first_id >= 0
            rows, times_ns = rows[known], times_ns[known]
            first_id, last_id = first_id[known], last_id[known]
        if len(first_id) == 0:
            return
        if np.array_equal(first_id[1:], last_id[:-1] + 1) and np.all(last_id >= first_id):
            # One run, as most chunks are: its ends say it all.
            ends = (first_id[0], last_id[-1], times_ns[0], times_ns[-1], rows[0], rows[-1])
            fresh = np.array(ends, dtype=np.int64).reshape(-1, 1)
        else:
            fresh = _joined(np.stack([first_id, last_id, times_ns, times_ns, rows, rows]))
        self._join(fresh)

    def add_rising(self, fresh: NDArray[np.int64]) -> None:
        """Take runs, as columns (see `_COLUMNS`) that rise and do not touch."""
        held = self._runs
        if held.shape[1] == 0 or fresh[0, 0] > held[1, -1] + 1:
            self._runs = np.concatenate([held, fresh], axis=1)
        elif fresh[0, 0] == held[1, -1] + 1:
            self._runs = np.concatenate([held, fresh[:, 1:]], axis=1)
            self._runs[1::2, held.shape[1] - 1] = fresh[1::2, 0]
        else:
            self._join(fresh)

    def end(self) -> NDArray[np.int64] | None:
        """Return the id, time and row that the highest run ends with, None without a run."""
        return self._runs[1::2, -1] if self._runs.shape[1] else None

    def end_at(self, end: NDArray[np.int64]) -> None:
        """Let the highest run end with another id, time and row: it has gone on."""
        self._runs[1::2, -1] = end

    def _join(self, fresh: NDArray[np.int64]) -> None:
        # Runs behind the new ids are settled as long as nothing reaches back to them.
        held = self._runs
        back = int(np.searchsorted(held[1], fresh[0, 0] - 1))
        self._runs = np.concatenate(
            [held[:, :back], _joined(np.concatenate([held[:, back:], fresh], axis=1))], axis=1
        )

    def gaps(self) -> Gaps:
        """Return every gap in order of ids."""
        runs = self._runs
        ids, times = (runs[1, :-1], runs[0, 1:]), (runs[3, :-1], runs[2, 1:])
        return Gaps(*ids, *times, runs[5, :-1], runs[4, 1:])

    def count(self) -> int:
        """Return how many ids were seen."""
        return int((self._runs[1] - self._runs[0] + 1).sum())

    def span(self, start_ns: int, end_ns: int) -> bool:
        """Tell whether contiguous ids begin before [start, end) and go on after it."""
        runs = self._runs
        return bool(np.any((runs[2] < start_ns) & (runs[3] >= end_ns)))


def _joined(runs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort runs by id and join those that touch or overlap."""
    first, last = runs[0], runs[1]
    if np.any(first[1:] < first[:-1]):
        runs = runs[:, np.lexsort((last, first))]
        first, last = runs[0], runs[1]
    reach = np.maximum.accumulate(last)
    starts = np.flatnonzero(np.append(True, first[1:] > reach[:-1] + 1))
    stops = np.append(starts[1:], len(first)) - 1
    ends = reach[stops]
    # The time of a run's last id: of the row that holds it.
    holders = stops
    if not np.array_equal(last[stops], ends):
        rows = np.arange(len(first))
        best = np.where(last == np.repeat(ends, stops - starts + 1), rows, -1)
        holders = np.maximum.reduceat(best, starts)
    low, high = runs[:, starts], runs[:, holders]
    return np.stack([first[starts], ends, low[2], high[3], low[4], high[5]])


class IdBook:
    """The id runs of every symbol of a tape, filled chunk by chunk."""

    def __init__(self) -> None:
        self._runs: dict[str, IdRuns] = {}
        # By code of these instruments, where each symbol's highest run ends: id, time and row.
        # The runs themselves lag behind it (`_settle`) where they are not `_settled`.
        self._instruments: tuple[Instrument, ...] = ()
        self._ends: NDArray[np.int64] = np.empty((3, 0), dtype=np.int64)
        self._settled = True

    @property
    def runs(self) -> dict[str, IdRuns]:
        """Return the runs of each symbol."""
        # Asked for once for each symbol: not all of them anew each time.
        if not self._settled:
            self._settle(range(len(self._instruments)))
            self._settled = True
        return self._runs

    def _settle(self, codes: Iterable[int]) -> None:
        """Let the highest runs of some symbols end where they do by now."""
        for code in codes:
            if self._ends[0, code] != _NO_RUN:
                self._runs[self._instruments[code].symbol].end_at(self._ends[:, code])

    def _note_end(self, code: int) -> None:
        runs = self._runs.get(self._instruments[code].symbol)
        if runs is not None and (end := runs.end()) is not None:
            self._ends[:, code] = end

    def add(self, tape: Tape) -> None:
        """Take the next chunk."""
        symbols = grouped(tape)
        if tape.instruments != self._instruments:
            self._settle(range(len(self._instruments)))
            self._instruments = tape.instruments
            self._ends = np.full((3, len(tape.instruments)), _NO_RUN, dtype=np.int64)
            for code in range(len(tape.instruments)):
                self._note_end(code)
        if not symbols.codes:
            return
        self._settled = False
        trades, starts = symbols.table, symbols.starts
        first_id, last_id, times_ns = trades.first_id, trades.last_id, trades.event_time_ns
        numbers = trades.trade_id
        # Trades whose ids go on where those of the one before end are one run.
        new = np.ones(len(trades), dtype=np.bool_)
        new[1:] = first_id[1:] != last_id[:-1] + 1
        new[starts] = True
        heads = np.flatnonzero(new)
        tails = np.append(heads[1:], len(trades)) - 1
        runs = np.stack(
            [
                *(first_id[heads], last_id[tails]),
                *(times_ns[heads], times_ns[tails]),
                *(numbers[heads], numbers[tails]),
            ]
        )
        rising = np.ones(len(heads), dtype=np.bool_)
        rising[1:] = runs[0, 1:] > runs[1, :-1]
        rising[np.searchsorted(heads, starts)] = True
        plain = np.logical_and.reduceat((last_id >= first_id) & (first_id >= 0), starts)
        bounds = np.searchsorted(heads, starts)
        plain &= np.logical_and.reduceat(rising, bounds)
        codes = np.array(symbols.codes)
        # One run that goes on where the highest one ended, as nearly always.
        goes_on = plain & (np.diff(bounds, append=len(heads)) == 1)
        goes_on &= runs[0, bounds] == self._ends[0, codes] + 1
        self._ends[:, codes[goes_on]] = runs[1::2, bounds[goes_on]]
        ends, rows = np.append(bounds[1:], len(heads)), np.append(starts, len(trades))
        for place in np.flatnonzero(~goes_on).tolist():
            code = symbols.codes[place]
            self._settle((code,))
            mine = self._runs.setdefault(trades.instruments[code].symbol, IdRuns())
            if plain[place]:
                mine.add_rising(runs[:, bounds[place] : ends[place]])
            else:
                part = slice(rows[place], rows[place + 1])
                mine.add(numbers[part], first_id[part], last_id[part], times_ns[part])
            self._note_end(code)
