"""The rows of a store put in classes: judged, not over yet, stored twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kline_harness.comparison.extent import CLOSE_TIME
from kline_harness.comparison.series_rows import opens_ns
from kline_harness.exchange.stores import StoreContent, StoredSeries
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS
from kline_harness.replay.references import table_of
from kline_harness.units import NS_PER_DAY
from kline_harness.verdict import Finding, Severity

CHECK = "store"
_SHOWN = 100
FLOATS = (
    "the store keeps them as floats: the shortest decimal text that reads back as the same float "
    "is taken for what was written, which it is unless it was computed"
)


@dataclass(slots=True)
class CollectedSeries:
    """One symbol and interval of a store.

    `table` has the rows judged, by open time, each once; `stated` are the fields that every table
    of the series states. `forming` rows were not over at the end of the run, `doubled` ones stand
    again, equal or not.
    """

    symbol: str
    interval: Interval
    table: pa.Table
    stated: tuple[str, ...]
    floats: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    forming: int = 0
    doubled: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, str]:
        """The symbol and the interval as text."""
        return self.symbol, self.interval.text


def collect_series(
    content: StoreContent, as_of_ns: int, rebase_days: int
) -> dict[tuple[str, str], CollectedSeries]:
    """Put the rows of a store in classes, as of a virtual instant, with the rebase undone.

    Where a rebase has moved trades into other klines there is nothing to undo: see `served_by`.
    """
    groups: dict[tuple[str, str], list[StoredSeries]] = {}
    for one in content.series:
        groups.setdefault(one.key, []).append(one)
    found = {}
    for key, group in sorted(groups.items()):
        as_served = served_by(group[0].klines.interval, rebase_days)
        back = as_served - rebase_days * NS_PER_DAY
        found[key] = _collected([moved(one, back) for one in group], as_of_ns + as_served)
    return found


def served_by(interval: Interval, rebase_days: int) -> int:
    """Return by how much klines of an interval are judged later than the files' own times.

    Moved by whole days, trades stay together in every kline of up to a day; in one of three days
    or a week only if as many days or weeks were moved; in one of a month never. Those others are
    what the service was served at the times at which it was served: there they are judged.
    """
    moved_ns, length_ns = rebase_days * NS_PER_DAY, interval.length_ns
    return 0 if length_ns is not None and moved_ns % length_ns == 0 else moved_ns


def moved(series: StoredSeries, by_ns: int) -> StoredSeries:
    """Return a series with its times moved."""
    if by_ns == 0:
        return series
    klines = series.klines
    return replace(series, klines=replace(klines, rows=klines.rows.moved(by_ns)))


def _collected(group: Sequence[StoredSeries], as_of_ns: int) -> CollectedSeries:
    first = group[0].klines
    interval, stated = first.interval, [*FIELDS, CLOSE_TIME]
    for one in group:
        has = (*one.klines.fields, CLOSE_TIME) if one.klines.closes_stated else one.klines.fields
        stated = [name for name in stated if name in has]
    whole = pa.concat_tables([table_of(one.klines) for one in group]).unify_dictionaries()
    opens = opens_ns(whole)
    over = interval.close_times_ns(opens) <= as_of_ns
    rows = np.flatnonzero(over)
    rows = rows[np.argsort(opens[rows], kind="stable")]
    # Of rows with one open time the last one written is what the store says.
    last = np.append(opens[rows][1:] != opens[rows][:-1], True) if len(rows) else rows > 0
    found = CollectedSeries(
        first.symbol,
        interval,
        whole.take(pa.array(rows[last])),
        tuple(stated),
        tuple(dict.fromkeys(name for one in group for name in one.floats)),
        tuple(dict.fromkeys(name for one in group for name in one.unread)),
        tuple(dict.fromkeys(one.place for one in group)),
        int(np.count_nonzero(~over)),
        int(np.count_nonzero(~last)),
    )
    found.findings += _doubled(found, whole, rows, opens)
    return found


def _doubled(
    series: CollectedSeries, whole: pa.Table, rows: NDArray[Any], opens: NDArray[Any]
) -> Iterator[Finding]:
    """Yield the rows that stand twice: an error where they do not say the same."""
    if series.doubled == 0:
        return
    again: dict[int, list[dict[str, Any]]] = {}
    for row in rows.tolist():
        again.setdefault(int(opens[row]), []).append(values(whole, row, series.stated))
    for open_ns, found in again.items():
        if len(found) == 1:
            continue
        same = all(one == found[0] for one in found)
        kind, severity = (
            ("doubled_row", Severity.NOTICE)
            if same
            else (
                "doubled_row_differs",
                Severity.ERROR,
            )
        )
        yield Finding(
            CHECK,
            kind,
            severity,
            *series.key,
            open_ns,
            evidence={"rows": len(found), "place": ", ".join(series.places)},
        )


def values(table: pa.Table, row: int, names: Iterable[str]) -> dict[str, Any]:
    """Return some fields of a row: exact decimals, integers, and times as Arrow's."""
    return {name: table[name][row].as_py() for name in names}


def store_findings(content: StoreContent, series: Iterable[CollectedSeries]) -> Iterator[Finding]:
    """Yield the findings of a store that need no comparison."""
    for bad in content.bad[:_SHOWN]:
        evidence = {
            "place": bad.place,
            "row": bad.row,
            "column": bad.column,
            "expected": bad.expected,
            "found": bad.found,
        }
        yield Finding(CHECK, "no_kline", evidence=evidence)
    if content.bad[_SHOWN:]:
        evidence = {"rows": len(content.bad) - _SHOWN}
        yield Finding(CHECK, "no_kline_more", evidence=evidence)
    for name, rows in sorted(content.foreign.items()):
        evidence = {"rows": rows, "sentence": f"{name}: no such symbol was served"}
        yield Finding(CHECK, "not_served", Severity.NOTICE, evidence=evidence)
    for name, why in content.not_read:
        evidence = {"sentence": f"the table {name} was not read: {why}"}
        yield Finding(CHECK, "table_not_read", Severity.NOTICE, evidence=evidence)
    for one in series:
        yield from one.findings
        if one.forming:
            yield _notice(one, "forming", {"rows": one.forming, "sentence": "not over at the end"})
        if one.floats:
            yield _notice(one, "floats", {"names": list(one.floats), "sentence": FLOATS})
        if one.unread:
            sentence = "columns with names that are not known were not read"
            yield _notice(
                one, "columns_not_read", {"names": list(one.unread), "sentence": sentence}
            )


def _notice(one: CollectedSeries, kind: str, evidence: dict[str, Any]) -> Finding:
    return Finding(CHECK, kind, Severity.NOTICE, *one.key, evidence=evidence)
