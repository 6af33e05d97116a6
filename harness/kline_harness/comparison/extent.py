"""What a comparison leaves out, and why: klines and fields that only one side states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kline_harness.comparison.coverage import Coverage
from kline_harness.run_rows import NotComparedRow
from kline_harness.units import BoolArray, Int64Array, utc_text
from kline_harness.verdict import Finding, Severity

CLOSE_TIME = "close_time"
OURS, EXCHANGE = "ours", "exchange"
# Reasons that leave a comparison undecided: nobody has seen the other side of these klines.
_DOUBTS = {
    "nothing_compared": "no kline of the file has one of ours beside it",
    "beyond_trades": "after or before the time that ours cover",
    "after_failure": "due after the aggregator had failed",
    "cut_short": "the file ends before the time that its name claims",
    "begins_late": "the file begins after the start of the time that its name claims",
    "beyond_klines": "the exchange's files do not have them",
    "not_recorded": "the recording does not have them, which may not have received them",
    "symbol_without_klines": "no klines of this symbol were given, while others' were",
    "differ_too": "they differ as well, and causes were tried for the first ones only",
    "columns_not_read": "columns of the file with names that are not known",
}
_NOTICES = {
    "outside": "outside of the time that the trades' files name, or were recorded in",
    "next_to_edge": "in the minute before or after those that ours reach",
    "quiet_beyond": "nothing was traded in them, and ours cover no time so far",
    "partial": "the trades cover them only in part",
    "interval_without_klines": "no klines of this interval were given",
    "fields_of_one_side": "fields that only one side states",
    "columns_unknown": "columns of the file with names that are not known",
}
REASONS = _DOUBTS | _NOTICES


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Klines or fields of one series that were not compared, and why.

    `reason` is a name of `REASONS`; `klines` how many, of the `side` that has them, from
    `first_ns` to `last_ns` (open times). `names` are the fields or columns, where it is about
    them; `detail` says the nearest reason that is known, as a sentence's part.
    """

    symbol: str
    interval: str
    side: str
    reason: str
    klines: int = 0
    first_ns: int | None = None
    last_ns: int | None = None
    names: tuple[str, ...] = ()
    source: str = ""
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether it is a finding; else it is only counted, as it was not asked for."""
        return self.is_doubt or bool(self.names)

    @property
    def is_doubt(self) -> bool:
        """Whether it leaves the comparison unknown."""
        return self.reason in _DOUBTS

    def finding(self, check: str) -> Finding:
        """Return it as a finding of the comparison."""
        evidence: dict[str, Any] = {"sentence": self.sentence(), "side": self.side}
        if self.klines:
            evidence["klines"] = self.klines
        if self.last_ns is not None:
            evidence["last_open_time_ns"] = self.last_ns
        if self.names:
            evidence["names"] = list(self.names)
        evidence |= {k: v for k, v in (("source", self.source), ("detail", self.detail)) if v}
        severity = Severity.DOUBT if self.is_doubt else Severity.NOTICE
        return Finding(
            check,
            self.reason,
            severity,
            self.symbol,
            self.interval,
            self.first_ns,
            evidence=evidence,
        )

    def sentence(self) -> str:
        """Say what was not compared, and why."""
        whose = "ours" if self.side == OURS else "the exchange's"
        what = f"{self.klines:,} of {whose} not compared"
        if self.names:
            what = f"{', '.join(self.names)} of {whose} not compared"
        source = f" [{self.source}]" if self.source else ""
        return f"{what}: {self.why()}{source}"

    def why(self) -> str:
        """Say why alone, the same for every series and file that it holds for."""
        return f"{REASONS[self.reason]} ({self.detail})" if self.detail else REASONS[self.reason]

    def to_dict(self) -> NotComparedRow:
        """Return it as a row of run.json."""
        return {
            "symbol": self.symbol,
            "interval": self.interval,
            "side": self.side,
            "reason": self.reason,
            "why": self.why(),
            "klines": self.klines,
            "first_open_time_ns": self.first_ns,
            "last_open_time_ns": self.last_ns,
            "names": list(self.names),
            "source": self.source,
            "detail": self.detail,
            "sentence": self.sentence(),
        }


def left_out(
    series: tuple[str, str],
    side: str,
    reason: str,
    opens: Int64Array,
    source: str = "",
    detail: str = "",
) -> Iterable[NotCompared]:
    """Yield the klines with some open times as not compared; nothing where there are none."""
    if len(opens):
        times = int(opens.min()), int(opens.max())
        yield NotCompared(*series, side, reason, len(opens), *times, source=source, detail=detail)


def unreached(
    series: tuple[str, str],
    source: str,
    times: tuple[Int64Array, Int64Array],
    quiet: BoolArray,
    coverage: Coverage,
) -> Iterable[NotCompared]:
    """Yield klines of the exchange that the trades do not reach, by reason.

    `times` are their open and close times. Those in which nothing was traded are as the trades
    say: there are none.
    """
    opens, closes = times
    due = coverage.due(closes)
    not_meant = coverage.not_meant(opens, closes) & due
    quiet = quiet & due & ~not_meant
    near = coverage.near(opens, closes) & due & ~quiet & ~not_meant
    for reason, some in (
        ("after_failure", ~due),
        ("outside", not_meant),
        ("quiet_beyond", quiet),
        ("next_to_edge", near),
        ("beyond_trades", due & ~not_meant & ~quiet & ~near),
    ):
        yield from left_out(series, EXCHANGE, reason, opens[some], source=source)


def one_sided(
    series: tuple[str, str], fields: Mapping[str, Sequence[str]], among: Sequence[str]
) -> Iterable[NotCompared]:
    """Yield the fields that only one side states; `fields` are those of each side."""
    for side, other in ((OURS, EXCHANGE), (EXCHANGE, OURS)):
        names = tuple(n for n in among if n in fields[side] and n not in fields[other])
        if names:
            yield NotCompared(*series, side, "fields_of_one_side", names=names)


def period(opens: Int64Array) -> str:
    """Write the first and the last of some open times."""
    if len(opens) == 0:
        return "none"
    return f"{utc_text(int(opens.min()))} to {utc_text(int(opens.max()))}"
