"""Two sides of klines, whatever they come in, against each other, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.archives import read_klines
from kline_harness.errors import InputError, UsageError
from kline_harness.gate.canonical import days_of, fields_of
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.results import KlineTable
from kline_harness.storage.dataset import KlineDataset

# symbol, interval, open time, and which of several with the same three
_Key: TypeAlias = tuple[str, str, str, int]
_Rows: TypeAlias = dict[_Key, dict[str, str]]


def difference(
    ours: Any, theirs: Any, shown: int, names: tuple[str, str] = ("ours", "theirs")
) -> str:
    """Return what differs, a line per field; empty when both sides are identical.

    Only fields that both sides have are compared. No more than `shown` lines are written out,
    which call the two sides by `names`.

    Raises InputError or UsageError for a side that holds no klines.
    """
    mine, yours = dict(_rows(ours)), dict(_rows(theirs))
    lines = list(_lines(mine, yours, names))
    if not lines:
        return ""
    hidden = len(lines) - shown
    lines = lines[:shown] + ([f"  and {hidden:,} more"] if hidden > 0 else [])
    return "\n".join(
        [f"klines are not identical: {len(mine):,} {names[0]}, {len(yours):,} {names[1]}", *lines]
    )


def _lines(mine: _Rows, yours: _Rows, names: tuple[str, str]) -> Iterator[str]:
    for key in sorted(mine.keys() | yours.keys()):
        symbol, interval, open_time, nth = key
        place = f"  {symbol} {interval} {open_time}" + (f" (copy {nth + 1})" if nth else "")
        left, right = mine.get(key), yours.get(key)
        if left is None or right is None:
            yield f"{place}: only in {names[left is None]}"
            continue
        for name in FIELDS:
            if name in left and name in right and left[name] != right[name]:
                yield f"{place} {name}: {names[0]} {left[name]}, {names[1]} {right[name]}"


def _rows(side: Any) -> Iterator[tuple[_Key, dict[str, str]]]:
    seen: dict[tuple[str, str, str], int] = {}
    for table, names in _tables(side):
        for lines in days_of(table).values():
            for line in lines:
                symbol, interval, open_time, _ = line.split(",", 3)
                nth = seen.get((symbol, interval, open_time), 0)
                seen[symbol, interval, open_time] = nth + 1
                fields = fields_of(line)
                yield (
                    (symbol, interval, open_time, nth),
                    {name: fields[name] for name in names},
                )


def _tables(side: Any) -> Iterator[tuple[pa.Table, tuple[str, ...]]]:
    """Yield the tables of a side with the fields that they have."""
    if isinstance(side, pa.Table):
        yield side, FIELDS
    elif isinstance(side, KlineBatch | KlineTable):
        yield side.to_arrow(), FIELDS
    elif isinstance(directory := getattr(side, "directory", None), Path):  # of a replay
        yield from _tables(directory)
    elif isinstance(side, str | Path):
        yield _of_path(Path(side))
    elif isinstance(side, list | tuple):
        for part in side:
            yield from _tables(part)
    else:
        raise UsageError(f"expected klines or a path to them, found {type(side).__name__}")


def _of_path(path: Path) -> tuple[pa.Table, tuple[str, ...]]:
    if not path.is_dir():
        if path.suffix == ".parquet":
            return pq.read_table(path, partitioning=None), FIELDS
        klines = read_klines(path)
        return klines.batch.to_arrow(), klines.fields
    for folder in (path / "klines", path):
        dataset = KlineDataset(folder)
        if dataset.parts():
            return dataset.read(), FIELDS
    raise InputError(path, "a run folder or a dataset of klines", "no part-*.parquet in it")
