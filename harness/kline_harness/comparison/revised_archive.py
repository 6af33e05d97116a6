"""Official files that differ among themselves: published again, or daily against monthly."""

from __future__ import annotations

from collections.abc import Iterator

from kline_harness.comparison.case import Case, State, equal, texts

_DOUBT = "nothing tells which of the two files is the later one"


class RevisedArchive:
    """Another file of the exchange, given for the same kline, says what we say.

    It is in doubt: no file tells when it was made, and only the later one of two is right.

    Only a file with every field that is compared can speak, and only if it has trade counts, as
    the exchange's own files do.

    Source: the exchange's public data repository, "Updates" and issues 140 and 475.
    """

    name = "revised_archive"

    def applies(self, case: Case) -> bool:
        """Tell whether another file has the kline."""
        return bool(case.context.alternatives) and "count" in case.kline.compared

    def undo(self, case: Case, state: State) -> Iterator[State]:
        """Yield a settled state for the first file that agrees."""
        values = state.values(case)
        for source, theirs in case.context.alternatives:
            if not set(case.kline.compared) <= set(theirs):
                continue
            if equal(values, theirs, tuple(theirs)):
                evidence = {"file": source, "kline": texts(theirs)}
                settled = {"equal_to_file": source}
                yield state.after(self.name, evidence, settled=settled, doubt=_DOUBT)
                return
