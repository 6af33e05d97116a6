"""The list of a run's checks: each with an id of its own, what it needs, and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kline_harness.errors import HarnessError
from kline_harness.interfaces import Check
from kline_harness.verdict import Verdict

# The ids of the harness's own checks: no consumer's or subject's verdict can stand under one.
CHECK_IDS = frozenset(
    {
        "channels",
        "clock",
        "comparison",
        "completeness",
        "continuity",
        "delivery",
        "exactness",
        "expectations",
        "faults",
        "feed",
        "files",
        "ledger",
        "lifecycle",
        "reception",
        "reference",
        "stored",
        "subject",
        "trades",
        "writer",
    }
)


@dataclass(frozen=True, slots=True)
class Question:
    """A check whose verdict a function gives once the run is over."""

    id: str
    needs: str
    answer: Callable[[], Verdict]

    def verdict(self) -> Verdict:
        """Return the verdict."""
        return self.answer()


class CheckList:
    """Every check of a run, in the order of the run folder.

    Raises ValueError where two have one id, or a check answers under another one.
    """

    def __init__(self, checks: Sequence[Check]) -> None:
        ids = [check.id for check in checks]
        twice = sorted({one for one in ids if ids.count(one) > 1})
        if twice:
            raise ValueError(f"expected one check of each id, found two of {', '.join(twice)}")
        self._checks = tuple(checks)

    def verdicts(self) -> Iterator[Verdict]:
        """Ask one check after the other; one that crashes is unknown, and the next is asked."""
        return (answer(check) for check in self._checks)


def answer(check: Check) -> Verdict:
    """Ask one check.

    Raises ValueError where it answers under another id.
    """
    try:
        verdict = check.verdict()
    except HarnessError:
        raise
    except Exception as error:  # a check that crashes is unknown, not a dead run
        return Verdict.crashed(check.id, error)
    if verdict.check != check.id:
        raise ValueError(f"the check {check.id} answered as {verdict.check}")
    return replace(verdict, needs=check.needs)
