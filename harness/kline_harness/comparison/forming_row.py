"""Rows of kline files that were saved while the kline was still forming."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kline_harness.comparison.case import Case, State, within
from kline_harness.comparison.recompute import total
from kline_harness.units import Int64Array


class FormingRow:
    """The exchange's row is exactly the kline of the first trades by id; proof is equality.

    The count says how many trades those are; at least one and not all.

    Source: kline files whose last row does not add up to the next higher interval.
    """

    name = "forming_row"

    def applies(self, case: Case) -> bool:
        """Tell whether theirs counts fewer trades than ours, but some."""
        ours, theirs = case.kline.ours, case.kline.theirs
        if ours is None or theirs is None or "count" not in theirs:
            return False
        return 0 < int(theirs["count"]) < int(ours["count"])

    def undo(self, case: Case, state: State) -> Iterator[State]:
        """Yield the state of the first trades that have the exchange's count."""
        theirs, whole = case.kline.theirs, state.part(case)
        if theirs is None or whole is None or int(theirs["count"]) >= whole["count"]:
            return
        inside = np.flatnonzero(state.included & within(state.rows, case.kline))
        inside = inside[np.argsort(state.rows.trade_id[inside], kind="stable")]
        cells = case.evidence
        first, stop = np.searchsorted(
            cells.cell_opens, (case.kline.open_time_ns, case.kline.close_time_ns)
        ).tolist()
        if state.ordinary is None:
            stop = first
        found = _cut(case, state, inside, (first, stop), int(theirs["count"]))
        if found is None:
            return
        taken, cut = found
        included = state.included & ~within(state.rows, case.kline)
        included[taken] = True
        last = taken[-1] if len(taken) else None
        evidence = {
            "trades_in_row": int(theirs["count"]),
            "trades_in_kline": whole["count"],
            "saved_after_id": None if last is None else int(state.rows.trade_id[last]),
            "saved_at_ns": None if last is None else int(state.rows.event_time_ns[last]),
        }
        ordinary = total(cells.cells, first, cut)
        yield state.after(self.name, evidence, included=included, ordinary=ordinary)


def _cut(
    case: Case, state: State, inside: Int64Array, cells: tuple[int, int], count: int
) -> tuple[Int64Array, int] | None:
    """Return the single trades and the end of the cells that make up the first `count`.

    Single trades go before a cell when all of their ids do.
    """
    sums, (first, stop) = case.evidence.cells, cells
    rows = state.rows
    raw = rows.first_id[inside] >= 0
    sizes = np.where(raw, rows.last_id[inside] - rows.first_id[inside] + 1, 1)
    ids = np.concatenate([rows.trade_id[inside], sums["open_id"][first:stop]])
    sizes = np.concatenate([sizes, sums["count"][first:stop]])
    order = np.argsort(ids, kind="stable")
    reached = np.cumsum(sizes[order])
    place = int(np.searchsorted(reached, count))
    if place >= len(order) or reached[place] != count:
        return None
    taken = order[: place + 1]
    cut = first + int(np.count_nonzero(taken >= len(inside)))
    cut_ids = sums["close_id"][first:cut]
    last = taken[-1]
    last_id = int(ids[last]) if last < len(inside) else int(sums["close_id"][cut - 1])
    if len(cut_ids) and int(cut_ids.max()) > last_id:
        return None
    singles: Int64Array = inside[taken[taken < len(inside)]]
    return singles, cut
