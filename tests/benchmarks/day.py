"""Synthetic USD-M days of aggregate trades, as large as wanted, the same bytes each time.

    python -m tests.benchmarks.day FOLDER TRADES               one day of a symbol
    python -m tests.benchmarks.day FOLDER TRADES --raw         one day, of raw trades
    python -m tests.benchmarks.day FOLDER TRADES --days 30     days on end, ids too
    python -m tests.benchmarks.day FOLDER TRADES --symbols 500 the day of many symbols, alike
    python -m tests.benchmarks.day FOLDER TRADES --market 500  TRADES in all, sizes as on a market

Prints the paths. What is there already is kept.
"""

from __future__ import annotations

import argparse
import io
import os
import zipfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
RAW_HEADER = "id,price,qty,quote_qty,time,is_buyer_maker"
DATE = date(2024, 5, 15)
DAY_MS = 1_715_731_200_000  # 2024-05-15 00:00:00 UTC
MS_PER_DAY = 86_400_000


def write_day(
    folder: Path,
    trades: int,
    *,
    symbol: str = "BENCHUSDT",
    seed: int = 1,
    number: int = 0,
    raw: bool = False,
) -> Path:
    """Write `trades` aggregate (or raw) trades as a zip in the archive's layout; return its path.

    Bursts put hundreds of trades into one millisecond; prices walk in ticks of 0.1. Day `number`
    is the first one over again, its times and ids where that of the day before end.
    """
    name = f"{symbol}-{'trades' if raw else 'aggTrades'}-{DATE + timedelta(days=number)}"
    # Days of other sizes and seeds are other files of the same name.
    path = folder / f"{trades}-{seed}" / f"{name}.zip"
    if path.exists():
        return path
    text = io.BytesIO()
    options = pacsv.WriteOptions(include_header=False, quoting_style="none")
    pacsv.write_csv(_table(trades, seed, number, raw=raw), text, options)
    member = zipfile.ZipInfo(f"{name}.csv", (2024, 5, 16, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with zipfile.ZipFile(partial, "w") as archive:
        header = RAW_HEADER if raw else HEADER
        archive.writestr(member, header.encode() + b"\n" + text.getvalue())
    os.replace(partial, path)
    return path


def market_sizes(trades: int, symbols: int) -> list[int]:
    """Return how many trades each symbol of a market has on a day, the largest first.

    The first has a tenth of all, as BTCUSDT and ETHUSDT have on a usual day; the others share the
    rest by the reciprocal of their rank, so that half of all symbols have a tenth of the trades.
    """
    if symbols < 2:
        return [trades] * symbols
    weights = 1 / np.arange(3, symbols + 2)
    rest = np.maximum(1, trades * 9 // 10 * weights / weights.sum()).astype(np.int64)
    return [trades // 10, *rest.tolist()]


def _table(trades: int, seed: int, number: int, *, raw: bool) -> pa.Table:
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(0, MS_PER_DAY, trades))
    bursts = max(1, trades // 10_000) if trades > 1_000 else 0
    for start in random.integers(0, max(1, trades - 600), bursts):
        times[start : start + 500] = times[start]
    times = np.maximum.accumulate(times) + DAY_MS + number * MS_PER_DAY
    steps = random.integers(-2, 3, trades) * (random.random(trades) < 0.3)
    ticks = 642_000 + np.cumsum(steps)
    lots = np.minimum(random.zipf(1.6, trades), 50_000)
    counts = random.integers(1, 4, trades)
    last = 5_000_000_000 + np.cumsum(counts) + number * int(counts.sum())
    ids = 2_000_000_000 + number * trades + np.arange(trades)
    if raw:
        return pa.table(
            {
                "id": ids,
                "price": _decimal(ticks, 1),
                "qty": _decimal(lots, 3),
                "quote_qty": _decimal(ticks * lots, 4),
                "time": times,
                "is_buyer_maker": random.random(trades) < 0.5,
            }
        )
    return pa.table(
        {
            "agg_trade_id": ids,
            "price": _decimal(ticks, 1),
            "quantity": _decimal(lots, 3),
            "first_trade_id": last - counts + 1,
            "last_trade_id": last,
            "transact_time": times,
            "is_buyer_maker": random.random(trades) < 0.5,
        }
    )


def _decimal(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]], scale: int) -> pa.Array:
    words = np.stack([values, np.zeros_like(values)], axis=1).astype(np.int64)
    return pa.Array.from_buffers(
        pa.decimal128(18, scale), len(values), [None, pa.py_buffer(words.tobytes())]
    )


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("trades", type=int)
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--symbols", type=int, default=0)
    parser.add_argument("--market", type=int, default=0)
    given = parser.parse_args()
    sizes = [given.trades] * given.symbols or market_sizes(given.trades, given.market)
    for number in range(given.days if not sizes else 0):
        print(write_day(given.folder, given.trades, number=number, raw=given.raw))
    for number, size in enumerate(sizes):
        symbol = f"S{number:03}USDT"
        print(write_day(given.folder, size, symbol=symbol, seed=number))


if __name__ == "__main__":
    main()
