"""The candles of a page as exact text: our klines of the symbols shown, cut to a size budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kline_harness.arrow import take_rows
from kline_harness.report.coverage import compared_windows
from kline_harness.report.differences import CLASSES, DifferenceRow, plain_decimal
from kline_harness.report.evidence import script_json
from kline_harness.report.klines import interval_order, read_table, text_codes, times_ns
from kline_harness.run_record import RunRecord
from kline_harness.units import NS_PER_SECOND, Int64Array

_VALUES = ("open", "high", "low", "close", "volume", "count")
# Some 40 bytes each: a seventh of the page's budget.
_ROWS = 5_000
# Of differences that stand on another page; some 25 bytes each.
MARKS = 4_000
MARK_BYTES = 25
# What is drawn around a differing kline of a series that is too long to be drawn whole.
_AROUND = 30


@dataclass(frozen=True, slots=True)
class _Stored:
    """The klines of one series by open time; `table` has their values."""

    key: tuple[str, str]
    open_time_ns: Int64Array
    table: pa.Table


def candle_series(
    klines: Path,
    symbols: Sequence[str],
    differences: Sequence[DifferenceRow],
    run: RunRecord,
) -> list[dict[str, Any]]:
    """Return the candles as a JSON list: a series for each symbol and interval.

    A series has its `symbol` and `interval`, `total` klines, the `window` [from, to) in seconds in
    which the exchange's klines are equal where no difference is named, and `runs` of rows: the
    first open time in seconds, the step, and a text for each kline with its six values,
    ``=`` for one equal to the value before. What is too long is cut to what lies around
    differing klines.
    """
    series = _series(klines, symbols)
    known = {one.key for one in series}
    windows = compared_windows(run)
    differing: dict[tuple[str, str], list[int]] = {}
    for row in differences:
        if row.symbol in symbols:
            differing.setdefault((row.symbol, row.interval), []).append(row.open_time_ns)
    left, charts = _ROWS, []
    # Long intervals are few klines: what they leave is for the short ones.
    for place, one in enumerate(sorted(series, key=lambda one: len(one.open_time_ns))):
        chosen = _chosen(one, differing.get(one.key, ()), left // (len(series) - place))
        left -= len(chosen)
        charts.append(_encoded(one, chosen, windows.get(one.key)))
    for key in differing.keys() - known:
        window = _seconds(windows.get(key))
        charts.append(
            {"symbol": key[0], "interval": key[1], "total": 0, "window": window, "runs": []}
        )
    charts.sort(key=lambda row: (symbols.index(row["symbol"]), interval_order(row["interval"])))
    return charts


def candle_block(
    series: Sequence[Mapping[str, Any]], differences: Sequence[DifferenceRow], first: int
) -> str:
    """Return the JSON text of candles and of the differences that a page does not hold itself.

    Those are numbered from `first`; each is [open time in seconds, class, number] in `more` of its
    series.
    """
    more: dict[tuple[str, str], list[list[int]]] = {}
    for number, row in enumerate(differences[:MARKS], start=first):
        if row.kind in CLASSES:
            mark = [row.open_time_ns // NS_PER_SECOND, CLASSES.index(row.kind), number]
            more.setdefault((row.symbol, row.interval), []).append(mark)
    charts = [{**one, "more": more.get((one["symbol"], one["interval"]), [])} for one in series]
    return script_json({"series": charts})


def _series(klines: Path, symbols: Sequence[str]) -> list[_Stored]:
    found: dict[tuple[str, str], list[pa.Table]] = {}
    for part in sorted(klines.glob("part-*.parquet")):
        table = read_table(part, ["symbol", "interval", "open_time", *_VALUES])
        symbol_codes, symbol_names = text_codes(table["symbol"])
        interval_codes, interval_names = text_codes(table["interval"])
        for symbol in symbols:
            if symbol not in symbol_names:
                continue
            own = symbol_codes == symbol_names.index(symbol)
            for code in np.unique(interval_codes[own]).tolist():
                rows = np.flatnonzero(own & (interval_codes == code))
                key = symbol, interval_names[code]
                found.setdefault(key, []).append(take_rows(table, rows))
    return [_Stored(key, *_in_order(pa.concat_tables(found[key]))) for key in found]


def _in_order(table: pa.Table) -> tuple[Int64Array, pa.Table]:
    opens = times_ns(table["open_time"])
    order = np.argsort(opens, kind="stable")
    return opens[order], take_rows(table, order)


def _chosen(one: _Stored, differing: Iterable[int], limit: int) -> Int64Array:
    """Choose the klines to be shown: all, or those around the differing ones, at most `limit`."""
    count = len(one.open_time_ns)
    if count <= limit:
        return np.arange(count)
    around: dict[int, None] = {}
    for open_ns in differing:
        middle = int(np.searchsorted(one.open_time_ns, open_ns))
        near = range(max(0, middle - _AROUND), min(count, middle + _AROUND + 1))
        around |= dict.fromkeys(near)
        if len(around) >= limit:
            break
    # Where none differs, or few, the beginning is as good as any part.
    around |= dict.fromkeys(range(limit - len(around)))
    return np.array(sorted(list(around)[:limit]), dtype=np.int64)


def _encoded(one: _Stored, chosen: Int64Array, window: tuple[int, int] | None) -> dict[str, Any]:
    table = take_rows(one.table, chosen)
    columns = [
        [plain_decimal(text) for text in table[name].cast(pa.string()).to_pylist()]
        for name in _VALUES
    ]
    opens = (one.open_time_ns[chosen] // NS_PER_SECOND).tolist()
    texts = [_text(values) for values in zip(*columns, strict=True)]
    return {
        "symbol": one.key[0],
        "interval": one.key[1],
        "total": len(one.open_time_ns),
        "window": _seconds(window),
        "runs": list(_runs(opens, texts)),
    }


def _text(values: Sequence[str | None]) -> str:
    texts = [values[0] or "-"]
    for before, value in pairwise(values):
        texts.append("-" if value is None else "=" if value == before else value)
    return " ".join(texts)


def _runs(opens: Sequence[int], texts: Sequence[str]) -> Iterable[list[Any]]:
    """Yield stretches of klines in equal steps: the first open time, the step, the texts."""
    start = 0
    while start < len(opens):
        stop = start + 1
        step = opens[stop] - opens[start] if stop < len(opens) else 0
        while stop < len(opens) and opens[stop] - opens[stop - 1] == step:
            stop += 1
        yield [opens[start], step, texts[start:stop]]
        start = stop


def _seconds(window: tuple[int, int] | None) -> list[int] | None:
    if window is None:
        return None
    return [max(0, bound // NS_PER_SECOND) for bound in window]
