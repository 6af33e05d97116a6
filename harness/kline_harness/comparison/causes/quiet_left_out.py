"""Quiet klines that a source made from trades leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis


class QuietLeftOut:
    """A quiet kline of ours that a source made from trades leaves out.

    Only for sources without trade counts, and exchanges that document it: the others' own files
    have a row for every quiet interval, so one that is missing there needs another reason. And
    only for files that have no row of a quiet interval at all.
    """

    name = "quiet_left_out"
    meaning = "the source leaves quiet klines out"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether a source that leaves quiet klines out has no row."""
        has_counts = "count" in case.kline.compared
        habit = not case.context.states_quiet and (case.context.omits_quiet or not has_counts)
        return habit and case.kline.theirs is None

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield a settled state where nothing was traded."""
        if state.part(case) is None:
            has_counts = "count" in case.kline.compared
            evidence = {"our_count": 0, "source_has_counts": has_counts}
            yield state.after(self.name, evidence, settled={"absent": True})
