"""A store seen several times: rows that were over and were changed or taken away later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa

from kline_harness.checks.finding_log import FindingLog
from kline_harness.comparison.compare import text_of
from kline_harness.comparison.series_rows import opens_ns
from kline_harness.exchange.collected import CollectedSeries
from kline_harness.kline import FIELDS
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "overwritten"
NOT_CHECKED = "what was overwritten: a table shows only the last; --snapshot gives earlier copies"

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """A store as it was at some time: its series by symbol and interval."""

    name: str
    series: Mapping[Key, CollectedSeries]


def overwritten(snapshots: Sequence[StoreSnapshot], truth: Mapping[Key, pa.Table]) -> Verdict:
    """Hold each snapshot to the one after it; the last is the store that is judged.

    A row counts as over where the same snapshot has a later row of its series. A right row that
    was made wrong or is gone is an error; one that was wrong and was changed is a notice.
    """
    log, compared = FindingLog(CHECK), 0
    for before, after in pairwise(snapshots):
        for key, series in before.series.items():
            rows = _over(series)
            compared += len(rows)
            later = after.series.get(key)
            now = {} if later is None else _rows(later.table, later.stated)
            right = _rows(truth[key], FIELDS) if key in truth else {}
            for finding in _changed(before, after, series, rows, now, right):
                log.add(finding.open_time_ns or 0, finding)
    counts = {"snapshots": len(snapshots), "rows": compared, **log.counts}
    return Verdict.of(CHECK, counts, log.findings(), ("rows that came and went between two",))


def _over(series: CollectedSeries) -> dict[int, dict[str, Any]]:
    rows = _rows(series.table, series.stated)
    # What still stands as forming follows the last of the rows that are over.
    if rows and not series.forming:
        del rows[max(rows)]
    return rows


def _rows(table: pa.Table, names: Sequence[str]) -> dict[int, dict[str, Any]]:
    opens = opens_ns(table).tolist()
    columns = {name: table[name].to_pylist() for name in names}
    return {
        open_ns: {name: columns[name][row] for name in names} for row, open_ns in enumerate(opens)
    }


def _changed(
    before: StoreSnapshot,
    after: StoreSnapshot,
    series: CollectedSeries,
    rows: Mapping[int, Mapping[str, Any]],
    now: Mapping[int, Mapping[str, Any]],
    right: Mapping[int, Mapping[str, Any]],
) -> Iterator[Finding]:
    for open_ns, old in rows.items():
        new = now.get(open_ns)
        names = [n for n in FIELDS if n in old and (new is None or n in new)]
        if new is not None and all(old[n] == new[n] for n in names):
            continue
        true = right.get(open_ns)
        was_right = true is not None and all(old[n] == true[n] for n in names)
        kind = "gone" if new is None else "overwritten" if was_right else "corrected_later"
        error = new is None or was_right
        evidence: dict[str, Any] = {"snapshot": before.name, "later": after.name}
        for name in names:
            if new is not None and old[name] != new[name]:
                evidence[name] = text_of(name, old[name])
                evidence[f"{name}_later"] = text_of(name, new[name])
        severity = Severity.ERROR if error else Severity.NOTICE
        yield Finding(CHECK, kind, severity, *series.key, open_ns, evidence=evidence)
