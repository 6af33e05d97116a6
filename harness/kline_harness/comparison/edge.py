"""Klines that reach out of the time the trades cover: partial, and provably a part."""

from __future__ import annotations

from collections.abc import Iterator

from kline_harness.comparison.case import Case, State
from kline_harness.comparison.rest import Missing, possible_rest


class Edge:
    """A kline of which only a part was recorded: the rest can be trades outside the recording.

    The open may differ only where time before our first trade was not recorded, the close only
    where time after our last one was not.
    """

    name = "edge"

    def applies(self, case: Case) -> bool:
        """Tell whether the kline reaches out of the recorded time."""
        return not case.kline.whole and case.kline.theirs is not None

    def undo(self, case: Case, state: State) -> Iterator[State]:
        """Yield a settled state where the rest is possible."""
        kline, coverage = case.kline, case.context.coverage
        part = state.part(case)
        first_ns = kline.close_time_ns if part is None else part["first_ns"]
        last_ns = kline.open_time_ns if part is None else part["last_ns"]
        windows = [list(window) for window in coverage.windows if _near(window, case)]
        missing = Missing(
            first=not _covered(coverage.windows, kline.open_time_ns, first_ns),
            last=not _covered(coverage.windows, last_ns, kline.close_time_ns),
        )
        rest = possible_rest(case, state, missing)
        if rest is not None:
            recorded = {"recorded_trades": 0 if part is None else part["count"]}
            evidence = {"covered_ns": windows, **recorded, **rest}
            yield state.after(self.name, evidence, settled={"rest_possible": True})


def _near(window: tuple[int, int], case: Case) -> bool:
    return window[0] < case.kline.close_time_ns and window[1] > case.kline.open_time_ns


def _covered(windows: tuple[tuple[int, int], ...], start_ns: int, end_ns: int) -> bool:
    return any(start <= start_ns and end_ns <= end for start, end in windows)


class QuietLeftOut:
    """A quiet kline of ours that a source made from trades leaves out.

    Only for sources without trade counts: the exchange's own files have a row for every quiet
    interval, so one that is missing there needs another reason.
    """

    name = "quiet_left_out"

    def applies(self, case: Case) -> bool:
        """Tell whether a source without counts has no row."""
        return case.kline.theirs is None and "count" not in case.kline.compared

    def undo(self, case: Case, state: State) -> Iterator[State]:
        """Yield a settled state where nothing was traded."""
        if state.part(case) is None:
            evidence = {"our_count": 0, "source_has_counts": False}
            yield state.after(self.name, evidence, settled={"absent": True})
