"""The list of a run's checks: each with an id of its own, what it needs, and its verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from kline_harness.errors import HarnessError, own_code
from kline_harness.interfaces import Check
from kline_harness.verdict import Verdict

_DELIVERED = "what was delivered to it"


class About(NamedTuple):
    """What a check looks at, and what it does, as a sentence."""

    needs: str
    does: str


# The harness's own checks by id: no consumer's or subject's verdict can stand under one of these.
CHECKS = {
    "ledger": About(
        "every count of the run",
        "Balances every count of the run, from the rows of the files to the rows on disk.",
    ),
    "trades": About(
        "the aggregator's accounts",
        "Holds what became of every trade to the aggregator's own account of it.",
    ),
    "continuity": About(
        "trade ids and stored klines",
        "Looks for trade ids that no trade has, and for klines without trades over them.",
    ),
    "files": About(
        "files of trades",
        "Looks for rows outside of the time that a file's name claims, and for silent edges.",
    ),
    "reception": About(
        "recordings",
        "Measures the clock offset and the latencies of each recording.",
    ),
    "writer": About(
        _DELIVERED,
        "Follows the stored rows through flushes, failures and restarts of the writer.",
    ),
    "completeness": About(
        _DELIVERED,
        "Holds the finals, as they were delivered, to come once each, in steps of one interval, "
        "plausible, flat where nothing traded, and adding up to longer ones.",
    ),
    "lifecycle": About(
        _DELIVERED,
        "Holds each kline to the legal transitions of its states, and measures how late it is "
        "final.",
    ),
    "comparison": About(
        "the exchange's klines",
        "Compares every kline with the exchange's in every field that both state.",
    ),
    "channels": About(
        "what was carried",
        "Counts what each consumer of a channel received and what it missed.",
    ),
    "clock": About(
        "the ticks of the feed",
        "Holds the ticks to come at each whole period, in order.",
    ),
    "feed": About(
        "the trades of the feed, and those read",
        "Looks for trades that are missing, doubled or out of order as they arrive.",
    ),
    "faults": About(
        "a control run without each fault",
        "Tells by a control run which faults had an effect, and which check found each.",
    ),
    "delivery": About(
        "what was published and delivered",
        "Holds what was delivered to a consumer to what was published.",
    ),
    "stored": About(
        "what was delivered to the writer, and the table",
        "Holds the rows on disk to the finals that were delivered to the writer.",
    ),
    "subject": About(
        "what the aggregator gave",
        "Holds what the aggregator gave to the rules for aggregators.",
    ),
    "exactness": About(
        "the exact aggregator on the same feed",
        "Holds every final to the exact aggregator's on the same feed, in nine fields.",
    ),
    "reference": About(
        "the feed and the finals",
        "Holds the exact aggregator's klines to the exchange's, beside those of another.",
    ),
    "expectations": About(
        "the stored table",
        "Judges the stored table again by the rules as Great Expectations states them.",
    ),
}
CHECK_IDS = frozenset(CHECKS)


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
    """Return one of the harness's own checks; `CHECKS` says what it looks at."""
    return Question(check, CHECKS[check].needs, answer)


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
