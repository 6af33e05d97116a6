"""Our klines against the exchange's: exact in every field, every kline in one class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.arrow import int64_of, take_rows, texts_of, unequal
from kline_harness.comparison.coverage import Coverage
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS
from kline_harness.units import NS_PER_MICROSECOND, Int64Array
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "comparison"
_NO_ROWS = np.empty(0, dtype=np.intp)
NOT_CHECKED = (
    "klines outside of the time that the exchange's files cover",
    "fields that an exchange file does not have",
)


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
class Reference:
    """The exchange's klines of one symbol and interval: a table with our schema's columns.

    `fields` are those of the nine fields that the source has; only they are compared.
    """

    symbol: str
    interval: Interval
    table: pa.Table
    fields: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a difference is no defect: the cause, and the evidence that it explains all of it.

    `consistent` is set where the cause can have made the difference, but equality with the
    cause undone was not seen.
    """

    cause: str
    evidence: Mapping[str, Any]
    consistent: bool = False

    @property
    def klass(self) -> Class:
        """Return the class of the difference that it explains."""
        return Class.CONSISTENT if self.consistent else Class.PROVED


@dataclass(frozen=True, slots=True)
class Difference:
    """A kline that is not identical: both sides in exact decimals, None where there is none.

    `published_ns` is the virtual instant at which ours was published. `trades` are those in its
    time as data, where no proof tells of them.
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

    @property
    def klass(self) -> Class:
        """Return the class: that of the explanation, if any, else what the two sides say."""
        if self.proof is not None:
            return self.proof.klass
        if self.ours is None:
            return Class.MISSING
        return Class.EXTRA if self.theirs is None else Class.UNEXPLAINED


@dataclass(frozen=True, slots=True)
class SeriesResult:
    """The counts of one symbol and interval.

    `identical` klines are equal in every compared field; `outside` klines of the exchange lie
    wholly outside of the time the trades cover, `uncompared` ones of ours outside of its file.
    """

    symbol: str
    interval: Interval
    source: str
    identical: int
    outside: int
    uncompared: int
    differences: tuple[Difference, ...]

    def count(self, klass: Class) -> int:
        """Return how many klines are of a class."""
        if klass is Class.IDENTICAL:
            return self.identical
        return sum(difference.klass is klass for difference in self.differences)

    def field_counts(self) -> dict[str, int]:
        """Return, per field, in how many klines it differs."""
        names = [name for difference in self.differences for name in difference.fields]
        return {name: names.count(name) for name in FIELDS if name in names}

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data for JSON."""
        return {
            "symbol": self.symbol,
            "interval": self.interval.text,
            "source": self.source,
            **{klass.value: self.count(klass) for klass in Class},
            "outside": self.outside,
            "uncompared": self.uncompared,
            "fields": self.field_counts(),
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result over all series."""

    series: tuple[SeriesResult, ...] = ()

    @property
    def differences(self) -> list[Difference]:
        """Return every difference, series by series in order of time."""
        return [difference for result in self.series for difference in result.differences]

    def count(self, klass: Class) -> int:
        """Return how many klines are of a class, over all series."""
        return sum(result.count(klass) for result in self.series)

    def verdict(self) -> Verdict:
        """Judge: only identical, proved and consistent klines are valid."""
        counts = {klass.value: self.count(klass) for klass in Class}
        counts["outside"] = sum(result.outside for result in self.series)
        return Verdict.of(CHECK, counts, map(_finding, self.differences), NOT_CHECKED)


@dataclass(slots=True)
class Stored:
    """Our finals by series: row numbers of the table, sorted by open time."""

    table: pa.Table
    rows: dict[tuple[str, str], NDArray[np.intp]] = field(default_factory=dict)
    _integers: dict[str, Int64Array] = field(default_factory=dict)

    @staticmethod
    def of(table: pa.Table) -> Stored:
        """Index a table of finals."""
        if table.num_rows == 0:
            return Stored(table)
        table = table.combine_chunks()
        names, codes = zip(*(texts_of(table[name]) for name in ("symbol", "interval")), strict=True)
        opens = opens_ns(table)
        order = np.lexsort((opens, codes[1], codes[0]))
        key = codes[0][order].astype(np.int64) * len(names[1]) + codes[1][order]
        starts = np.flatnonzero(np.diff(key, prepend=-1)).tolist()
        stored = Stored(table)
        for start, stop in zip(starts, [*starts[1:], len(key)], strict=True):
            symbol, interval = divmod(int(key[start]), len(names[1]))
            stored.rows[names[0][symbol], names[1][interval]] = order[start:stop]
        return stored

    def series(self, symbol: str, interval: str) -> pa.Table:
        """Return one series' finals by open time; none when there is no such series."""
        rows = self.rows.get((symbol, interval))
        return self.table.slice(0, 0) if rows is None else take_rows(self.table, rows)

    def integers(self, symbol: str, interval: str, name: str) -> Int64Array:
        """Return a column of integers or times of one series, by open time; times in us."""
        values = self._integers.get(name)
        if values is None:
            values = self._integers[name] = int64_of(self.table[name])
        chosen: Int64Array = values[self.rows.get((symbol, interval), _NO_ROWS)]
        return chosen


def compare(
    ours: Stored, references: Iterable[Reference], coverage: Mapping[str, Coverage]
) -> Comparison:
    """Put every kline of every reference, and ours of the same time, into a class."""
    results = [
        _compare_series(
            ours.series(reference.symbol, reference.interval.text),
            reference,
            coverage.get(reference.symbol, Coverage(())),
        )
        for reference in references
    ]
    return Comparison(tuple(results))


def _compare_series(mine: pa.Table, reference: Reference, coverage: Coverage) -> SeriesResult:
    interval = reference.interval
    theirs = reference.table
    our_opens, their_opens = opens_ns(mine), opens_ns(theirs)
    _, our_rows, their_rows = np.intersect1d(our_opens, their_opens, return_indices=True)
    unequal = _unequal_fields(
        take_rows(mine, our_rows), take_rows(theirs, their_rows), reference.fields
    )
    differing = np.flatnonzero(np.any(list(unequal.values()), axis=0)) if unequal else our_rows[:0]
    touched = coverage.touched(their_opens, interval.close_times_ns(their_opens))
    missing = np.setdiff1d(np.flatnonzero(touched), their_rows)
    first, last = (their_opens.min(), their_opens.max()) if len(their_opens) else (1, 0)
    inside = (our_opens >= first) & (our_opens <= last)
    extra = np.setdiff1d(np.flatnonzero(inside), our_rows)
    pairs: list[tuple[int | None, int | None, tuple[str, ...]]] = [
        (
            int(our_rows[k]),
            int(their_rows[k]),
            tuple(name for name in reference.fields if unequal[name][k]),
        )
        for k in differing
    ]
    pairs += [(None, int(row), ()) for row in missing] + [(int(row), None, ()) for row in extra]
    found = [_difference(mine, reference, coverage, *pair) for pair in pairs]
    return SeriesResult(
        reference.symbol,
        interval,
        reference.source,
        identical=len(our_rows) - len(differing),
        outside=int(np.count_nonzero(~touched)) - int(np.count_nonzero(~touched[their_rows])),
        uncompared=int(np.count_nonzero(~inside)),
        differences=tuple(sorted(found, key=lambda difference: difference.open_time_ns)),
    )


def _unequal_fields(
    mine: pa.Table, theirs: pa.Table, fields: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    return {name: unequal(mine[name], theirs[name]) for name in fields}


def _difference(
    mine: pa.Table,
    reference: Reference,
    coverage: Coverage,
    our_row: int | None,
    their_row: int | None,
    fields: tuple[str, ...],
) -> Difference:
    table, row = (reference.table, their_row) if their_row is not None else (mine, our_row)
    open_ns = int(opens_ns(table.slice(row, 1))[0])
    close_ns = reference.interval.close_time_ns(open_ns)
    whole = coverage.whole(np.array([open_ns]), np.array([close_ns]))
    return Difference(
        reference.symbol,
        reference.interval,
        open_ns,
        close_ns,
        _values(mine, our_row, FIELDS),
        _values(reference.table, their_row, reference.fields),
        fields,
        reference.fields,
        bool(whole[0]),
        reference.source,
        None if our_row is None else mine["finalized_at"][our_row].value,
    )


def _values(
    table: pa.Table, row: int | None, fields: Sequence[str]
) -> dict[str, Decimal | int] | None:
    if row is None:
        return None
    return {name: table[name][row].as_py() for name in fields}


def opens_ns(table: pa.Table) -> Int64Array:
    """Return the open times of a table of klines, in nanoseconds."""
    return int64_of(table["open_time"]) * NS_PER_MICROSECOND


def _finding(difference: Difference) -> Finding:
    proof, klass = difference.proof, difference.klass.value
    evidence: dict[str, Any] = {"source": difference.source, "fields": list(difference.fields)}
    for name in difference.fields:
        for side, values in (("ours", difference.ours), ("theirs", difference.theirs)):
            if values is not None:
                evidence[f"{side}_{name}"] = plain(values[name])
    if proof is not None:
        evidence["cause"] = proof.cause
    return Finding(
        CHECK,
        klass if proof is None else f"{klass}_{proof.cause}",
        Severity.ERROR if proof is None else Severity.NOTICE,
        difference.symbol,
        difference.interval.text,
        difference.open_time_ns,
        evidence=evidence,
    )


def plain(value: Decimal | int) -> str:
    """Write an exact number as plain decimal text without trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
