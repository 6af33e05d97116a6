"""A month's file against the sum of its days'."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from kline_harness.history.catalogue import Catalogue, Record
from kline_harness.history.layouts import DAILY, MONTHLY
from kline_harness.history.rows import RowChanges, compare_or_say
from kline_harness.nouns import counted


@dataclass(frozen=True, slots=True)
class MonthResult:
    """A month held against its days; `changes` are what the month has otherwise.

    `changes` is a sentence where the rows cannot be read.
    """

    name: str
    days: int
    changes: RowChanges | str

    def __str__(self) -> str:
        if isinstance(self.changes, str):
            return f"{self.name}: not held against its {self.days} days: {self.changes}"
        if self.changes:
            return f"{self.name}: not the sum of its {self.days} days: {self.changes}"
        return f"{self.name}: the sum of its {self.days} days, {counted(self.changes.rows, 'row')}"


def compare_months(
    catalogue: Catalogue, latest: Mapping[str, Record], urls: Collection[str]
) -> list[MonthResult]:
    """Compare each month that some URLs touch, where the month and all its days are there.

    Source: the exchange's public data repository, issues 140 and 475: months that differ.
    """
    results = []
    for record in latest.values():
        if record.period != MONTHLY or record.damaged:
            continue
        days = _days(record, latest)
        touched = {record.url, *(day.url for day in days)} & set(urls)
        if days and touched and not any(day.damaged for day in days):
            paths = [catalogue.path(day) for day in days]
            changes = compare_or_say(paths, [catalogue.path(record)])
            results.append(MonthResult(record.item.name, len(days), changes))
    return results


def _days(month: Record, latest: Mapping[str, Record]) -> list[Record]:
    """Return the records of every day of a month, none where one is not there."""
    item = month.item
    count = (item.last_day - item.first_day).days + 1
    days = [str(item.first_day + timedelta(days=n)) for n in range(count)]
    found = [latest.get(item.of(DAILY, day).url) for day in days]
    return [one for one in found if one is not None] if None not in found else []
