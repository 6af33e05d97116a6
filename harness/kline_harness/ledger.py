"""Conservation: equations between counts that must balance, so that nothing vanishes silently."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kline_harness.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Equation:
    """One conservation law over a subject (a symbol and interval, or a consumer).

    Balanced when `total` equals the sum of the `parts`.
    """

    law: str
    subject: str
    total: int
    parts: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Tell whether both sides are equal."""
        return self.total == sum(self.parts.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the equation as a JSON object."""
        return {
            "law": self.law,
            "subject": self.subject,
            "total": self.total,
            "parts": dict(self.parts),
            "balanced": self.balanced,
        }


@dataclass(slots=True)
class SeriesAccount:
    """What became of one symbol's trades in one interval.

    `applied` trades are part of a kline, of which `open` lie in klines not final yet and
    `discarded` in klines thrown away; `late` are ids of trades whose kline was already final.
    """

    applied: int = 0
    open: int = 0
    discarded: int = 0
    late: list[int] = field(default_factory=list)


@dataclass(slots=True)
class TradeAccount:
    """What became of one symbol's trades: ids by class, counted once for all intervals."""

    received: int = 0
    duplicate: list[int] = field(default_factory=list)
    unmapped: list[int] = field(default_factory=list)
    rejected: dict[str, list[int]] = field(default_factory=dict)
    series: dict[str, SeriesAccount] = field(default_factory=dict)

    def ids(self, group: str, interval: str | None = None) -> list[int]:
        """Return the ids of a class: ``late`` of an interval, ``duplicate``, ``rejected_...``."""
        if group == "late":
            return self.series[str(interval)].late
        if group.startswith("rejected_"):
            return self.rejected[group.removeprefix("rejected_")]
        return self.duplicate if group == "duplicate" else self.unmapped


def trade_equations(accounts: Mapping[str, TradeAccount]) -> Iterable[Equation]:
    """Yield, per symbol and interval, received = applied + late + duplicate + rejected + unmapped.

    Counts are rows of the tape: raw trades or aggregate trades as the source gives them.
    """
    for symbol, account in accounts.items():
        for interval, series in account.series.items():
            parts = {
                "applied": series.applied,
                "late": len(series.late),
                "duplicate": len(account.duplicate),
                "rejected": sum(len(ids) for ids in account.rejected.values()),
                "unmapped": len(account.unmapped),
            }
            yield Equation("trades received", f"{symbol} {interval}", account.received, parts)


def judge(equations: Iterable[Equation]) -> Verdict:
    """Return the ledger's verdict: any equation that does not balance is an error."""
    checked = list(equations)
    findings = [
        Finding("ledger", "unbalanced", evidence=equation.to_dict())
        for equation in checked
        if not equation.balanced
    ]
    counts = {"equations": len(checked), "balanced": len(checked) - len(findings)}
    return Verdict.of("ledger", counts, findings)
