"""Conservation: equations between counts that must balance, so that nothing vanishes silently."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kline_harness.units import format_exact
from kline_harness.verdict import Finding, Verdict

CHECK = "ledger"
# Exact amounts are whole numbers of this unit.
_AMOUNT = " in 1e-18"
_AMOUNT_SCALE = 18
NOT_CHECKED = ("whether what is counted is right: only that no trade, kline or row is uncounted",)


def law_name(law: str) -> str:
    """Return the name of a law as words, without the unit in which amounts are counted."""
    return law.removesuffix(_AMOUNT).replace("_", " ")


def amount(law: str, count: int) -> str:
    """Write a number of an equation exactly, in its own unit."""
    if not law.endswith(_AMOUNT):
        return f"{count:,}"
    whole, _, rest = format_exact(abs(count), _AMOUNT_SCALE).partition(".")
    return f"{'-' if count < 0 else ''}{int(whole):,}{f'.{rest}' if rest else ''}"


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

    @property
    def sentence(self) -> str:
        """Both sides in their unit, and what is between them."""
        law, gap = self.law, self.total - sum(self.parts.values())
        told = (f"{name} {amount(law, count)}" for name, count in self.parts.items() if count)
        kind = "unaccounted for" if gap > 0 else "too many"
        return (
            f"{law_name(law)} of {self.subject}: {amount(law, self.total)} against "
            f"{', '.join(told) or 'nothing'}; {amount(law, abs(gap))} {kind}"
        )

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
class EquationTable:
    """An equation of each law for each of many subjects, all with the same parts, in columns.

    `totals` and `counts` by part have the equations of the first subject, then the next one's. A
    part in `counts` that is missing is 0 everywhere.
    """

    laws: tuple[str, ...]
    parts: tuple[str, ...]
    subjects: list[str] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)

    def add(
        self,
        subjects: Sequence[str],
        totals: Sequence[int],
        counts: Mapping[str, Sequence[int]],
    ) -> None:
        """Add the equations of some subjects: a total of each law, and as many counts of parts."""
        before = len(self.totals)
        self.subjects += subjects
        self.totals += totals
        for part, column in counts.items():
            if part in self.counts or any(column):
                self.counts.setdefault(part, [0] * before).extend(column)
        for column in self.counts.values():
            column += [0] * (len(self.totals) - len(column))

    def __len__(self) -> int:
        return len(self.totals)

    def __iter__(self) -> Iterator[Equation]:
        return map(self.equation, range(len(self)))

    def equation(self, place: int) -> Equation:
        """Make the equation of a place: laws run fastest, then subjects."""
        counts = {
            part: self.counts[part][place] if part in self.counts else 0 for part in self.parts
        }
        subject, law = divmod(place, len(self.laws))
        return Equation(self.laws[law], self.subjects[subject], self.totals[place], counts)

    def balanced(self) -> list[bool]:
        """Tell of each equation whether its sides are equal."""
        if not self.counts:
            return [total == 0 for total in self.totals]
        sums = map(sum, zip(*self.counts.values(), strict=True))
        return [total == of_parts for total, of_parts in zip(self.totals, sums, strict=True)]


class Ledger:
    """The equations of a run, in their order; those of many subjects as tables."""

    def __init__(self, equations: Iterable[Equation] = ()) -> None:
        self.blocks: list[EquationTable | list[Equation]] = []
        self.extend(equations)

    def extend(self, equations: Iterable[Equation]) -> None:
        """Add equations."""
        if isinstance(equations, Ledger):
            self.blocks += equations.blocks
        elif isinstance(equations, EquationTable):
            self.blocks.append(equations)
        elif self.blocks and isinstance(self.blocks[-1], list):
            self.blocks[-1] += equations
        else:
            self.blocks.append(list(equations))

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __iter__(self) -> Iterator[Equation]:
        for block in self.blocks:
            yield from block

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


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


def trade_equations(accounts: Mapping[str, TradeAccount]) -> EquationTable:
    """Return, per symbol and interval, received = applied + late + duplicate + rejected + unmapped.

    Counts are rows of the tape: raw trades or aggregate trades as the source gives them.
    """
    parts = ("applied", "late", "duplicate", "rejected", "unmapped")
    table = EquationTable(("trades received",), parts)
    for symbol, account in accounts.items():
        size = len(account.series)
        counts = {
            "applied": [series.applied for series in account.series.values()],
            "late": [len(series.late) for series in account.series.values()],
            "duplicate": [len(account.duplicate)] * size,
            "rejected": [sum(len(ids) for ids in account.rejected.values())] * size,
            "unmapped": [len(account.unmapped)] * size,
        }
        subjects = [f"{symbol} {interval}" for interval in account.series]
        table.add(subjects, [account.received] * size, counts)
    return table


def judge(equations: Iterable[Equation]) -> Verdict:
    """Return the ledger's verdict: any equation that does not balance is an error."""
    ledger = Ledger(equations)
    findings = []
    for block in ledger.blocks:
        if isinstance(block, EquationTable):
            places = [place for place, is_equal in enumerate(block.balanced()) if not is_equal]
            wrong = [block.equation(place) for place in places]
        else:
            wrong = [equation for equation in block if not equation.balanced]
        findings += [
            Finding(CHECK, "unbalanced", evidence={**one.to_dict(), "sentence": one.sentence})
            for one in wrong
        ]
    counts = {"equations": len(ledger), "balanced": len(ledger) - len(findings)}
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)
