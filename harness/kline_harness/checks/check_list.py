"""The list of a run's checks: each with an id of its own, what it needs, and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kline_harness.errors import HarnessError, own_code
from kline_harness.interfaces import Check
from kline_harness.verdict import Verdict

_DELIVERED = "what was delivered to it"
# The harness's own checks by id, with what each looks at: no consumer's or subject's verdict can
# stand under one of these ids.
NEEDS = {
    "channels": "what was carried",
    "clock": "the ticks of the feed",
    "comparison": "the exchange's klines",
    "completeness": _DELIVERED,
    "continuity": "trade ids and stored klines",
    "delivery": "what was published and delivered",
    "exactness": "the exact aggregator on the same feed",
    "expectations": "the stored table",
    "faults": "a control run without each fault",
    "feed": "the trades of the feed, and those read",
    "files": "files of trades",
    "ledger": "every count of the run",
    "lifecycle": _DELIVERED,
    "reception": "recordings",
    "reference": "the feed and the finals",
    "stored": "what was delivered to the writer, and the table",
    "subject": "what the aggregator gave",
    "trades": "the aggregator's accounts",
    "writer": _DELIVERED,
}
CHECK_IDS = frozenset(NEEDS)


@dataclass(frozen=True, slots=True)
class Question:
    """A check whose verdict a function gives once the run is over."""

    id: str
    needs: str
    answer: Callable[[], Verdict]

    def verdict(self) -> Verdict:
        """Return the verdict."""
        return self.answer()


def question(check: str, answer: Callable[[], Verdict]) -> Question:
    """Return one of the harness's own checks; `NEEDS` says what it looks at."""
    return Question(check, NEEDS[check], answer)


def of_consumer(name: str, answer: Callable[[], Verdict]) -> Question:
    """Return the check that a consumer is, under its name."""
    return Question(name, _DELIVERED, answer)


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
        with own_code():
            verdict = check.verdict()
    except HarnessError:
        raise
    except Exception as error:  # a check that crashes is unknown, not a dead run
        return Verdict.crashed(check.id, error)
    if verdict.check != check.id:
        raise ValueError(f"the check {check.id} answered as {verdict.check}")
    return replace(verdict, needs=check.needs)
