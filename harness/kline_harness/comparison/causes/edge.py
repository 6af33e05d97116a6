"""Klines that reach out of the time the trades cover: what we lack can be trades outside."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from kline_harness.comparison.coverage import BUSIER, exceeds_rest
from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis
from kline_harness.comparison.recompute import Part
from kline_harness.comparison.unrecorded import (
    UnrecordedTrades,
    far_prices,
    unrecorded_values,
)
from kline_harness.units import to_decimal


class Edge:
    """A kline of which only a part was recorded: what we lack can be trades outside the recording.

    The open may differ only where time before our first trade was not recorded, the close only
    where time after our last one was not. It is in doubt where the excess is more than ten times
    what the busiest kline seen would have in the time that was not recorded, where its prices are
    ten times as far from those seen as these from each other, and between files
    whose source states no trade ids: nothing else would tell that a part of them is absent.
    """

    name = "edge"
    meaning = "trades lie outside of the recorded time"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether the kline reaches out of the recorded time."""
        return not case.kline.whole and case.kline.theirs is not None

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield a settled state where the excess is possible."""
        part, windows = state.part(case), case.context.coverage.windows
        excess = unrecorded_values(case, state, unrecorded(case, part))
        if excess is not None:
            near = [list(window) for window in windows if _near(window, case)]
            recorded = {"recorded_trades": 0 if part is None else part["count"]}
            evidence = {"covered_ns": near, **recorded, **excess}
            settled = {"rest_possible": True}
            doubt = doubt_of(case, state, excess) or _between_files(case)
            yield state.after(self.name, evidence, settled=settled, doubt=state.doubt or doubt)


def unrecorded(case: DifferingKline, part: Part | None) -> UnrecordedTrades:
    """Return where trades can lack because time was not recorded."""
    kline, windows = case.kline, case.context.coverage.windows
    first_ns = kline.close_time_ns if part is None else part["first_ns"]
    last_ns = kline.open_time_ns if part is None else part["last_ns"]
    return UnrecordedTrades(
        first=not _covered(windows, kline.open_time_ns, first_ns),
        last=not _covered(windows, last_ns, kline.close_time_ns),
    )


def doubt_of(case: DifferingKline, state: Hypothesis, excess: dict[str, str]) -> str | None:
    """Return why an excess is more than the time that was not recorded can be believed to hold."""
    kline, part = case.kline, state.part(case)
    length_ns = kline.close_time_ns - kline.open_time_ns
    covered_ns = sum(
        min(end, kline.close_time_ns) - max(start, kline.open_time_ns)
        for start, end in case.context.coverage.windows
        if _near((start, end), case)
    )
    for name in ("count", "volume"):
        if f"unrecorded_{name}" not in excess:
            continue
        seen = [most] if (most := case.context.busiest.get(name)) is not None else []
        if part is not None and covered_ns > 0:
            scale = 0 if name == "count" else case.instrument.quantity_scale
            seen.append(to_decimal(part[name], scale) * length_ns / covered_ns)
        if not seen:
            return f"nothing tells how much {name} the time that was not recorded can hold"
        surplus = Decimal(excess[f"unrecorded_{name}"])
        if exceeds_rest(surplus, max(seen), length_ns, covered_ns):
            return (
                f"more {name} than {BUSIER} times the busiest kline seen, for the time at the edge"
            )
    return far_prices(case, state)


def _between_files(case: DifferingKline) -> str | None:
    """Say that trades lack between two files without ids, where the kline reaches there."""
    if case.evidence.plan.ids_stated:
        return None
    windows = case.context.coverage.windows
    holes = [(one[1], other[0]) for one, other in pairwise(windows)]
    if not any(_near(hole, case) for hole in holes):
        return None
    return "trades lack between two files, whose source states no ids to tell that nothing is lost"


def _near(window: tuple[int, int], case: DifferingKline) -> bool:
    return window[0] < case.kline.close_time_ns and window[1] > case.kline.open_time_ns


def _covered(windows: tuple[tuple[int, int], ...], start_ns: int, end_ns: int) -> bool:
    return any(start <= start_ns and end_ns <= end for start, end in windows)
