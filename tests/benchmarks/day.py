"""A synthetic USD-M day of aggregate trades, as large as wanted, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
DAY_MS = 1_715_731_200_000  # 2024-05-15 00:00:00 UTC
MS_PER_DAY = 86_400_000


def write_day(folder: Path, trades: int, *, symbol: str = "BENCHUSDT", seed: int = 1) -> Path:
    """Write `trades` aggregate trades as a zip in the archive's layout; return its path.

    Bursts put hundreds of trades into one millisecond; prices walk in ticks of 0.1.
    """
    path = folder / f"{symbol}-aggTrades-2024-05-15.zip"
    if path.exists():
        return path
    random = np.random.default_rng(seed)
    times = np.sort(random.integers(0, MS_PER_DAY, trades))
    bursts = max(1, trades // 10_000) if trades > 1_000 else 0
    for start in random.integers(0, max(1, trades - 600), bursts):
        times[start : start + 500] = times[start]
    times = np.maximum.accumulate(times) + DAY_MS
    steps = random.integers(-2, 3, trades) * (random.random(trades) < 0.3)
    ticks = 642_000 + np.cumsum(steps)
    lots = np.minimum(random.zipf(1.6, trades), 50_000)
    raw = random.integers(1, 4, trades)
    last = 5_000_000_000 + np.cumsum(raw)
    table = pa.table(
        {
            "agg_trade_id": 2_000_000_000 + np.arange(trades),
            "price": _decimal(ticks, 1),
            "quantity": _decimal(lots, 3),
            "first_trade_id": last - raw + 1,
            "last_trade_id": last,
            "transact_time": times,
            "is_buyer_maker": random.random(trades) < 0.5,
        }
    )
    text = io.BytesIO()
    pacsv.write_csv(table, text, pacsv.WriteOptions(include_header=False, quoting_style="none"))
    member = zipfile.ZipInfo(path.name.replace(".zip", ".csv"), (2024, 5, 16, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, HEADER.encode() + b"\n" + text.getvalue())
    return path


def _decimal(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]], scale: int) -> pa.Array:
    words = np.stack([values, np.zeros_like(values)], axis=1).astype(np.int64)
    return pa.Array.from_buffers(
        pa.decimal128(18, scale), len(values), [None, pa.py_buffer(words.tobytes())]
    )
