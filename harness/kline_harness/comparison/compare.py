"""What a comparison with the exchange's klines has on both sides, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any

from kline_harness.comparison.extent import CLOSE_TIME, NotCompared
from kline_harness.comparison.series_rows import SeriesRows
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS
from kline_harness.run_rows import ComparedRow, ComparisonRows
from kline_harness.units import decimal_text, utc_text
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "comparison"
NOT_CHECKED = ("whether the exchange's own klines are right",)


class Class(Enum):
    """What a kline is against the exchange's. None of a valid run is of the last three.

    * proved: unequal, and equal in every compared field with a cause undone.
    * consistent: unequal, and a cause can have made the difference, but what it rests on was
      not seen: trades that nobody recorded, a rounding within its bound.
    """

    IDENTICAL = "identical"
    PROVED = "proved"
    CONSISTENT = "consistent"
    UNEXPLAINED = "unexplained"
    MISSING = "missing"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class ReferenceKlines:
    """The exchange's klines of one symbol and interval, in the order of their file.

    `fields` are those of the nine fields that the source has; only they are compared. With
    `closes` the rows' close times are the source's own, else the interval's. `unread` are the
    names of its columns that nobody could read; `claimed` is the time [start, end) that its name
    claims, in nanoseconds; `written_at` is when its file says that it was written, as text that
    sorts by time; those that are `is_recorded` were received, and what was not is not there.
    Of a source that `omits_quiet` it is documented that it has no rows of quiet klines.
    """

    symbol: str
    interval: Interval
    rows: SeriesRows
    fields: tuple[str, ...]
    source: str
    closes: bool = False
    unread: tuple[str, ...] = ()
    claimed: tuple[int, int] | None = None
    written_at: str | None = None
    is_recorded: bool = False
    omits_quiet: bool = False

    @property
    def series(self) -> tuple[str, str]:
        """The symbol and the interval as text."""
        return self.symbol, self.interval.text

    @property
    def stated(self) -> tuple[str, ...]:
        """The fields that the source states, the close time among them."""
        return (*self.fields, CLOSE_TIME) if self.closes else self.fields


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a difference is no defect: the cause, and the evidence that it explains all of it.

    `consistent` is set where the cause can have made the difference, but equality with the
    cause undone was not seen; `doubt` says what is lacking where that leaves the run unknown.
    """

    cause: str
    evidence: Mapping[str, Any]
    consistent: bool = False
    doubt: str | None = None

    @property
    def category(self) -> Class:
        """Return the class of the difference that it explains."""
        return Class.CONSISTENT if self.consistent else Class.PROVED


@dataclass(frozen=True, slots=True)
class Difference:
    """A kline that is not identical: both sides in exact decimals, None where there is none.

    `published_ns` is the virtual instant at which ours was published; where ours is None all the
    same, it was published and not stored. `trades` are those in its time as data, where no proof
    tells of them; `repeated` is a further row of ours of a kline that both sides have.
    """

    symbol: str
    interval: Interval
    open_time_ns: int
    close_time_ns: int
    ours: Mapping[str, Decimal | int] | None
    theirs: Mapping[str, Decimal | int] | None
    fields: tuple[str, ...]
    compared: tuple[str, ...]
    whole: bool
    source: str
    published_ns: int | None = None
    proof: Proof | None = None
    trades: Mapping[str, Any] | None = None
    repeated: bool = False

    @property
    def not_stored(self) -> bool:
        """Tell whether ours was published, and is missing because it was not stored."""
        return self.ours is None and self.published_ns is not None

    @property
    def category(self) -> Class:
        """Return the class: that of the explanation, if any, else what the two sides say."""
        if self.proof is not None:
            return self.proof.category
        if self.ours is None:
            return Class.MISSING
        return Class.EXTRA if self.theirs is None else Class.UNEXPLAINED


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """The counts of one symbol and interval.

    `identical` klines are equal in every compared field; `outside` klines of the exchange lie
    wholly outside of the time the trades cover, `uncompared` ones of ours outside of its file.
    `compared` are the fields that both sides state; `diagnosis` says what one change would make
    the two sides equal, where there is one.
    `volume` is the exchange's of the compared klines, None where it states none.
    """

    symbol: str
    interval: Interval
    source: str
    identical: int
    outside: int
    uncompared: int
    differences: tuple[Difference, ...]
    compared: tuple[str, ...] = ()
    diagnosis: str = ""
    volume: Decimal | None = None

    def count(self, category: Class) -> int:
        """Return how many klines are of a class."""
        if category is Class.IDENTICAL:
            return self.identical
        return sum(difference.category is category for difference in self.differences)

    def field_counts(self) -> dict[str, int]:
        """Return, per field, in how many klines it differs."""
        names = [name for difference in self.differences for name in difference.fields]
        return {name: names.count(name) for name in (*FIELDS, CLOSE_TIME) if name in names}

    @property
    def paired(self) -> int:
        """How many klines both sides have."""
        return self.identical + sum(bool(difference.fields) for difference in self.differences)

    def to_dict(self) -> ComparedRow:
        """Return the counts as a row of run.json."""
        return {
            "symbol": self.symbol,
            "interval": self.interval.text,
            "source": self.source,
            "identical": self.identical,
            "proved": self.count(Class.PROVED),
            "consistent": self.count(Class.CONSISTENT),
            "unexplained": self.count(Class.UNEXPLAINED),
            "missing": self.count(Class.MISSING),
            "extra": self.count(Class.EXTRA),
            "outside": self.outside,
            "uncompared": self.uncompared,
            "compared_fields": list(self.compared),
            "fields": self.field_counts(),
            "diagnosis": self.diagnosis,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result over all series, and what was not compared.

    `notes` are findings about more than one kline.
    """

    series: tuple[SeriesResult, ...] = ()
    not_compared: tuple[NotCompared, ...] = ()
    notes: tuple[Finding, ...] = ()

    @property
    def differences(self) -> list[Difference]:
        """Return every difference, series by series in order of time."""
        return [difference for result in self.series for difference in result.differences]

    def count(self, category: Class) -> int:
        """Return how many klines are of a class, over all series."""
        return sum(result.count(category) for result in self.series)

    def to_dict(self) -> ComparisonRows:
        """Return the counts of every series, and what was not compared, as run.json has them."""
        return {
            "series": [result.to_dict() for result in self.series],
            "not_compared": [one.to_dict() for one in self.not_compared],
        }

    def verdict(self) -> Verdict:
        """Judge: valid are identical, proved and consistent klines, if no doubt is left."""
        counts = {category.value: self.count(category) for category in Class}
        counts["outside"] = sum(result.outside for result in self.series)
        findings = [
            *(_diagnosis(result) for result in self.series if result.diagnosis),
            *(one.finding(CHECK) for one in self.not_compared if one.is_finding),
            *map(_finding, self.differences),
            *self.notes,
        ]
        return Verdict.of(CHECK, counts, findings, (*NOT_CHECKED, *_left_out(self.not_compared)))


def _left_out(rows: Iterable[NotCompared]) -> Iterator[str]:
    """Say what was not compared, all series that lack the same for the same reason at once."""
    groups: dict[tuple[str, tuple[str, ...], str], list[NotCompared]] = {}
    for one in rows:
        groups.setdefault((one.side, one.names, one.why()), []).append(one)
    for found in groups.values():
        first = found[0]
        series, sources = (
            {(one.symbol, one.interval) for one in found},
            {one.source for one in found},
        )
        more = f" and {len(series) - 1:,} more series" if len(series) > 1 else ""
        source = first.source if len(sources) == 1 else ""
        whole = replace(first, klines=sum(one.klines for one in found), source=source)
        yield f"{first.symbol} {first.interval}{more}: {whole.sentence()}"


def _diagnosis(result: SeriesResult) -> Finding:
    evidence = {"sentence": result.diagnosis, "source": result.source}
    return Finding(
        CHECK,
        "diagnosis",
        Severity.NOTICE,
        result.symbol,
        result.interval.text,
        evidence=evidence,
    )


def _finding(difference: Difference) -> Finding:
    proof, category = difference.proof, difference.category.value
    severity = Severity.ERROR
    evidence: dict[str, Any] = {"source": difference.source, "fields": list(difference.fields)}
    for name in difference.fields:
        for side, values in (("ours", difference.ours), ("theirs", difference.theirs)):
            if values is not None:
                evidence[f"{side}_{name}"] = text_of(name, values[name])
    if proof is not None:
        evidence |= {"class": category, "cause": proof.cause}
        severity = Severity.NOTICE if proof.doubt is None else Severity.DOUBT
        evidence |= {} if proof.doubt is None else {"doubt": proof.doubt}
    if difference.repeated:
        evidence["repeated"] = True
    if difference.not_stored:
        category, evidence["published_ns"] = "not_stored", difference.published_ns
    return Finding(
        CHECK,
        category if proof is None else f"{category}_{proof.cause}",
        severity,
        difference.symbol,
        difference.interval.text,
        difference.open_time_ns,
        evidence=evidence,
    )


def text_of(name: str, value: Decimal | int) -> str:
    """Write a field's value: exact decimal text; a close time in UTC."""
    return utc_text(int(value)) if name == CLOSE_TIME else decimal_text(value)
