"""Klines against klines, without a replay: files or run folders against the exchange's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from kline_harness.aggregators.roll_up import roll_up_klines
from kline_harness.archives import ExchangeKlines, read_klines
from kline_harness.arrow import int64_of
from kline_harness.comparison.compare import Comparison, Reference, SeriesResult, Stored, compare
from kline_harness.comparison.coverage import Coverage
from kline_harness.errors import UsageError
from kline_harness.kline import KlineBatch
from kline_harness.storage.dataset import KlineDataset
from kline_harness.storage.kline_table import to_arrow
from kline_harness.units import NS_PER_MICROSECOND


def compare_files(
    ours: Sequence[Path], klines: Sequence[Path], symbol: str | None = None
) -> Comparison:
    """Compare our klines (kline files or run folders) with the exchange's.

    An interval that ours lack is rolled up from the longest of ours that divides it; only klines
    of which we have every part are compared then.

    Raises UserError when a file cannot be read or an interval cannot be made.
    """
    folders = [path for path in ours if path.is_dir()]
    files = [read_klines(path, symbol=symbol) for path in ours if not path.is_dir()]
    theirs = [read_klines(path, symbol=symbol) for path in klines]
    tables = [_dataset(folder) for folder in folders] + [to_arrow(one.batch) for one in files]
    stored = Stored.of(pa.concat_tables(tables).unify_dictionaries())
    made = [
        _make(one, files) for one in theirs if (one.symbol, one.interval.text) not in stored.rows
    ]
    if made:
        tables += [to_arrow(batch) for batch in made]
        stored = Stored.of(pa.concat_tables(tables).unify_dictionaries())
    results: list[SeriesResult] = []
    for one in theirs:
        name = Path(one.info.path).name
        reference = Reference(one.symbol, one.interval, to_arrow(one.batch), one.fields, name)
        results += compare(stored, [reference], {one.symbol: _coverage(stored, one)}).series
    return Comparison(tuple(results))


def _dataset(folder: Path) -> pa.Table:
    inner = folder / "klines"
    dataset = KlineDataset(inner if inner.is_dir() else folder)
    if not dataset.parts():
        raise UsageError(f"{folder}: expected a run folder with klines, found no part-*.parquet")
    return dataset.read()


def _make(wanted: ExchangeKlines, files: Sequence[ExchangeKlines]) -> KlineBatch:
    children = [
        one
        for one in files
        if one.symbol == wanted.symbol and one.interval.refines(wanted.interval)
    ]
    if not children:
        raise UsageError(
            f"{wanted.info.path}: expected {wanted.symbol} {wanted.interval} klines of ours, or "
            "shorter ones to make them of, found none"
        )
    longest = max(children, key=lambda one: one.interval.length_ns or 0)
    return roll_up_klines(longest.batch, wanted.interval)


def _coverage(stored: Stored, one: ExchangeKlines) -> Coverage:
    """Cover the time from our first to our last kline of the series."""
    table = stored.series(one.symbol, one.interval.text)
    if table.num_rows == 0:
        return Coverage(())
    opens = int64_of(table["open_time"]) * NS_PER_MICROSECOND
    last = np.array([opens.max()])
    return Coverage(((int(opens.min()), int(one.interval.close_times_ns(last)[0])),))
