"""Klines of a longer interval from klines of a shorter one."""

from __future__ import annotations

import numpy as np

from kline_harness.aggregators import partials as p
from kline_harness.aggregators.partials import Partials
from kline_harness.interval import CODE, INTERVALS, Interval
from kline_harness.kline import KlineBatch, Trigger


def roll_up_klines(batch: KlineBatch, interval: Interval) -> KlineBatch:
    """Return the klines of `interval` that are made of whole klines of the batch.

    The batch holds one symbol and interval, which must refine `interval`, each open time once.
    A quiet kline adds nothing but its close where all are quiet: the open of a longer kline is
    the open of the first that traded. Klines of which a part is absent are left out.

    Source: the exchange's files: 1m adds up to 3m to 1d, and 1d to 1w, in every field.
    """
    child = INTERVALS[int(batch.interval[0])]
    batch = batch.take(np.argsort(batch.open_time_ns, kind="stable"))
    buckets = interval.open_times_ns(batch.open_time_ns)
    starts = p.group_starts(buckets)
    children = np.diff(starts, append=len(batch))
    opens = buckets[starts].tolist()
    wanted = [child.count_between(t, interval.close_time_ns(t)) for t in opens]
    total = p.add_up(_as_partials(batch, buckets), starts)
    total = p.take(total, children == np.array(wanted, dtype=np.int64))
    rows = p.rows_of(total)
    columns = {name: total[name] for name in ("open", "high", "low", "close", "volume", "count")}
    columns |= {
        "symbol": total["symbol"].astype(np.int16),
        "interval": np.full(rows, CODE[interval], dtype=np.int8),
        "open_time_ns": total["bucket"],
        "quote_volume": total["quote"],
        "taker_buy_volume": total["taker_volume"],
        "taker_buy_quote_volume": total["taker_quote"],
        "first_trade_id": np.full(rows, -1, dtype=np.int64),
        "last_trade_id": np.full(rows, -1, dtype=np.int64),
        "at_ns": interval.close_times_ns(total["bucket"]),
        "trigger": np.full(rows, Trigger.TICK, dtype=np.int8),
    }
    return KlineBatch.build(batch.instruments, columns)


def _as_partials(
    batch: KlineBatch, buckets: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Partials:
    table = p.empty(len(batch))
    table |= {name: getattr(batch, name) for name in ("open", "high", "low", "close", "count")}
    table |= {
        "symbol": batch.symbol.astype(np.int64),
        "bucket": buckets,
        "volume": batch.volume,
        "quote": batch.quote_volume,
        "taker_volume": batch.taker_buy_volume,
        "taker_quote": batch.taker_buy_quote_volume,
        # Sources without counts tell a quiet kline by its volume.
        "applied": ((batch.count > 0) | (batch.volume > 0)).astype(np.int64),
        "open_key": batch.open_time_ns,
        "close_key": batch.open_time_ns,
    }
    return table
