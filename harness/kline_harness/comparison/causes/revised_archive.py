"""Official files that differ among themselves: published again, or daily against monthly."""

from __future__ import annotations

from collections.abc import Iterator

from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis, equal, texts

_DOUBT = "nothing tells which of the two files is the later one"


class RevisedArchive:
    """Another file of the exchange, given for the same kline, says what we say.

    Only the later one of two is right: one that was written earlier explains nothing, and where
    nothing tells which is the later, it is in doubt.

    Only a file with every field that is compared can speak, and only if it has trade counts, as
    the exchange's own files do.

    Source: the exchange's public data repository, "Updates" and issues 140 and 475.
    """

    name = "revised_archive"
    meaning = "another, later file of the exchange says what ours says"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether another file has the kline."""
        return bool(case.context.alternatives) and "count" in case.kline.compared

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield a settled state for the first file that agrees."""
        values = state.values(case)
        for other in sorted(case.context.alternatives, key=lambda one: one.later is None):
            if other.later is False or not set(case.kline.compared) <= set(other.values):
                continue
            stated = case.kline.compared if case.kline.ours is None else case.kline.ours
            if equal(values, other.values, [name for name in other.values if name in stated]):
                evidence = {
                    "file": other.source,
                    "later": other.later,
                    "kline": texts(other.values),
                }
                settled = {"equal_to_file": other.source}
                doubt = state.doubt or (None if other.later else _DOUBT)
                yield state.after(self.name, evidence, settled=settled, doubt=doubt)
                return
