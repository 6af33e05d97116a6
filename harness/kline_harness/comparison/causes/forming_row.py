"""Rows of kline files that were saved while the kline was still forming."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis, within
from kline_harness.comparison.recompute import total
from kline_harness.comparison.retention import BORDER_NS
from kline_harness.kline import PRICE_FIELDS
from kline_harness.tape import Tape
from kline_harness.units import Int64Array

# How many lost trades a row saved while forming is looked for with.
_LOST_MAX = 20


class FormingRow:
    """The exchange's row is exactly the kline of the first trades by id; proof is equality.

    The count says how many trades those are, and not all. Of none the row is flat at the close
    before, which is only consistent: flat is flat. A file is saved once: the
    row is the last one of its file. Where others follow, as when the file was added to later,
    the same is made by an exchange's kline that lacks its last trades: it is in doubt, and no
    more than one row of a file is believed to be so. In doubt too where the file is named for a
    time that ends no sooner than the row: an archive is made when its day is over. A quiet row
    that follows at the close of the whole kline says that the exchange had it whole, and so does
    a second row of its time.

    Source: kline files whose last row does not add up to the next higher interval.
    """

    name = "forming_row"
    meaning = "the exchange's row was saved before its kline was over"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether theirs counts fewer trades than ours, but some."""
        ours, theirs, row = case.kline.ours, case.kline.theirs, case.context.row
        if ours is None or theirs is None or row.repeated:
            return False
        if "count" not in theirs or "count" not in ours:
            return False
        # With lost trades, or a split, the last row can count as many as ours.
        return row.last or 0 < int(theirs["count"]) < int(ours["count"])

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield the states of the first trades: as many as theirs, or up to an agreed one."""
        theirs, whole = case.kline.theirs, state.part(case)
        if theirs is None or whole is None:
            return
        if int(theirs["count"]) == 0:
            if _flat_at_close_before(case):
                evidence = {"trades_in_row": 0, "trades_in_kline": whole["count"]}
                settled = {"flat_at_close_before": True}
                doubt = state.doubt or _doubt(case)
                yield state.after(self.name, evidence, settled=settled, doubt=doubt)
            return
        order = _Order.of(case, state)
        count, places = int(theirs["count"]), [order.of_count(int(theirs["count"]))]
        if case.context.row.last:
            # Of the trades in the row we may lack as many as ids are missing.
            lost = min(sum(gap.missing for gap in case.gaps), _LOST_MAX)
            places += [order.of_count(count - less) for less in range(1, lost + 1)]
            places += [order.of_id(after) for after in case.context.agreed.saved_after]
        for place in dict.fromkeys(place for place in places if place is not None):
            found = order.cut(place)
            if found is not None:
                yield from self._saved(case, state, *found)

    def _saved(
        self, case: DifferingKline, state: Hypothesis, taken: Int64Array, cells: tuple[int, int]
    ) -> Iterator[Hypothesis]:
        """Yield the state of some single trades and of cells, if the row can have been that."""
        if _known_whole(case):
            return
        included = state.included & ~within(state.rows, case.kline)
        included[taken] = True
        ids = state.rows.trade_id
        last = taken[-1] if len(taken) else None
        if last is not None and cells[1] > cells[0]:
            closed = int(case.evidence.cells["close_id"][cells[0] : cells[1]].max())
            last = last if int(ids[last]) > closed else None
        ordinary = None if state.ordinary is None else total(case.evidence.cells, *cells)
        whole = state.part(case)
        made = replace(state, included=included, ordinary=ordinary)
        part, theirs = made.part(case), case.kline.theirs
        if whole is None or part is None or part["count"] >= whole["count"] or theirs is None:
            return
        evidence = {
            "trades_in_row": int(theirs["count"]),
            "trades_in_kline": whole["count"],
            "saved_after_id": None if last is None else int(ids[last]),
            "saved_at_ns": None if last is None else int(state.rows.event_time_ns[last]),
        }
        yield made.after(self.name, evidence, doubt=state.doubt or _doubt(case))


def _doubt(case: DifferingKline) -> str | None:
    """Return why a file is hardly one that was saved while the row was forming."""
    if not case.context.row.last:
        return "other rows follow it in its file"
    return "its file is named for a time that was over" if case.context.row.claimed else None


def _flat_at_close_before(case: DifferingKline) -> bool:
    """Tell whether the row is that of no trade: at the close of the one before it."""
    theirs, close = case.kline.theirs, case.context.previous_close
    if theirs is None or close is None:
        return False
    return all(theirs[n] == (close if n in PRICE_FIELDS else 0) for n in case.kline.compared)


def _known_whole(case: DifferingKline) -> bool:
    """Tell whether the row after it is quiet, at another close than that of the row."""
    following, theirs = case.context.row.following, case.kline.theirs
    if following is None or theirs is None or following.get("count") != 0:
        return False
    return following["close"] != theirs["close"]


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """The single trades inside a kline and its cells, in order of their ids.

    Single trades go before a cell when all of their ids do. `order` are places in both, the
    single trades first; `reached` is how many raw trades there are up to each.
    """

    case: DifferingKline
    singles: Int64Array
    first: int
    stop: int
    ids: Int64Array
    order: Int64Array
    reached: Int64Array
    rows: Tape

    @staticmethod
    def of(case: DifferingKline, state: Hypothesis) -> _Order:
        """Put the trades of a state in order."""
        rows, sums = state.rows, case.evidence.cells
        singles = np.flatnonzero(state.included & within(rows, case.kline))
        singles = singles[np.argsort(rows.trade_id[singles], kind="stable")]
        window = (case.kline.open_time_ns, case.kline.close_time_ns)
        first, stop = np.searchsorted(case.evidence.cell_opens, window).tolist()
        stop = first if state.ordinary is None else stop
        raw = rows.first_id[singles] >= 0
        sizes = np.where(raw, rows.last_id[singles] - rows.first_id[singles] + 1, 1)
        sizes = np.concatenate([sizes, sums["count"][first:stop]])
        ids = np.concatenate([rows.trade_id[singles], sums["open_id"][first:stop]])
        order = np.argsort(ids, kind="stable")
        return _Order(case, singles, first, stop, ids, order, np.cumsum(sizes[order]), rows)

    def of_count(self, count: int) -> int | None:
        """Return the place up to which there are exactly so many raw trades."""
        place = int(np.searchsorted(self.reached, count))
        there = count > 0 and place < len(self.order) and self.reached[place] == count
        return place if there else None

    def of_id(self, trade_id: int) -> int | None:
        """Return the place of the last trade up to an id."""
        place = int(np.searchsorted(self.ids[self.order], trade_id, side="right")) - 1
        return place if place >= 0 else None

    def cut(self, place: int) -> tuple[Int64Array, tuple[int, int]] | None:
        """Return the single trades up to a place and the range of cells, if nothing is split."""
        sums, split = self.case.evidence.cells, len(self.singles)
        taken = self.order[: place + 1]
        cut = self.first + int(np.count_nonzero(taken >= split))
        times = self.rows.event_time_ns[self.singles]
        begun = np.concatenate([times, sums["first_ns"][self.first : self.stop]])[self.order]
        ended = np.concatenate([times, sums["last_ns"][self.first : self.stop]])[self.order]
        if np.any(begun[place + 1 :] < ended[: place + 1].max() - BORDER_NS):
            # What was traded before the row was saved is in it.
            return None
        closed = np.concatenate([self.ids[:split], sums["close_id"][self.first : self.stop]])
        if np.any(self.ids[self.order][place + 1 :] < closed[taken].max()):
            return None
        singles: Int64Array = self.singles[taken[taken < split]]
        return singles, (self.first, cut)
