"""What the suite answers about stored klines, who can be asked, and the verdict on an answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "expectations"
NOT_CHECKED = (
    "klines that were published and not stored: that is the ledger's part",
    "a higher kline of which not every lower kline is stored",
)
# One JSON object: what `run` returns, or {"crashed": reason}.
Answer: TypeAlias = dict[str, Any]


class Expectations(Protocol):
    """Whoever holds stored klines to the suite: a worker of one run, or this process for many."""

    def result(self, directory: Path, contract_size: Decimal | None = None) -> Answer:
        """Return what the suite says of a stored dataset; a crash is an answer too.

        `contract_size` is what a contract is worth, if it was given.
        """
        ...


# Entered when a run begins, asked at its end, left when it is over.
MakeExpectations: TypeAlias = Callable[[], AbstractContextManager[Expectations]]


def crashed(reason: str) -> Answer:
    """Return the answer of a suite that did not get to its end."""
    return {"crashed": reason}


def verdict_of(answer: Answer) -> Verdict:
    """Judge an answer: each expectation not met is an error, a crash leaves the check unknown."""
    if "crashed" in answer:
        evidence = {"error": answer["crashed"]}
        crash = Finding(CHECK, "check_crashed", Severity.DOUBT, evidence=evidence)
        return Verdict.of(CHECK, {}, [crash], NOT_CHECKED)
    entries = answer["expectations"]
    unmet = [entry for entry in entries if not entry["success"]]
    counts = {
        "rows": answer["rows"],
        "expectations": len(entries),
        "met": len(entries) - len(unmet),
    }
    counts |= {entry["name"]: entry["unexpected_count"] for entry in unmet}
    not_checked = (*NOT_CHECKED, *answer["not_checked"])
    return Verdict.of(CHECK, counts, [_finding(entry) for entry in unmet], not_checked)


def _finding(entry: dict[str, Any]) -> Finding:
    """Return an unmet expectation with the first row that does not meet it."""
    row = entry["unexpected_rows"][0] if entry["unexpected_rows"] else {}
    evidence = {"rule": entry["rule"], "unexpected_count": entry["unexpected_count"], **row}
    open_time_us = evidence.pop("open_time_us", None)
    return Finding(
        CHECK,
        entry["name"],
        symbol=evidence.pop("symbol", None),
        interval=evidence.pop("interval", None),
        open_time_ns=None if open_time_us is None else open_time_us * 1_000,
        evidence=evidence,
    )
