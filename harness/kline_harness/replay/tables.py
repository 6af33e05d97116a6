"""Differences, and what happened over time, as Parquet files of the run folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.arrow import array_of, dictionary_text
from kline_harness.checks.channels import lost_klines
from kline_harness.checks.series_statistics import SeriesStatistics
from kline_harness.comparison.compare import Difference
from kline_harness.kline import FIELDS
from kline_harness.simulation.channels import BROADCAST
from kline_harness.simulation.records import ChannelRecord, ConsumerRecord
from kline_harness.units import NS_PER_MICROSECOND, Int64Array

# Differences that are written as plain objects at a time: each takes some kilobytes.
_ROWS_AT_A_TIME = 1_000
_EXACT = pa.decimal128(38, 18)
_NONE: Int64Array = np.empty(0, dtype=np.int64)


def differences_table(differences: Sequence[Difference]) -> pa.Table:
    """Return every difference as a row: both sides, class, cause and proof, or else its trades.

    `published_at` is when ours was published; it was not stored where our side is empty.
    """
    sides = [(side, name) for name in FIELDS for side in ("ours", "theirs")]
    schema = pa.schema(
        [
            ("symbol", pa.string()),
            ("interval", pa.string()),
            ("open_time", pa.timestamp("us", tz="UTC")),
            ("class", pa.string()),
            ("fields", pa.string()),
            *(
                (f"{side}_{name}", pa.int64() if name == "count" else _EXACT)
                for side, name in sides
            ),
            ("cause", pa.string()),
            ("proof", pa.string()),
            ("trades", pa.string()),
            ("published_at", pa.timestamp("ns", tz="UTC")),
        ]
    )
    # Arrow imports pandas to convert Python objects, which an empty table does not need.
    parts = [pa.Table.from_batches([], schema)]
    for start in range(0, len(differences), _ROWS_AT_A_TIME):
        some = differences[start : start + _ROWS_AT_A_TIME]
        parts.append(pa.Table.from_pylist([_row(one, sides) for one in some], schema=schema))
    return pa.concat_tables(parts).combine_chunks()


def write_differences(path: Path, differences: Sequence[Difference]) -> None:
    """Write every difference of a run."""
    pq.write_table(differences_table(differences), path, compression="zstd")


def _row(difference: Difference, sides: Sequence[tuple[str, str]]) -> dict[str, object]:
    proof = difference.proof
    row: dict[str, object] = {
        "symbol": difference.symbol,
        "interval": difference.interval.text,
        "open_time": difference.open_time_ns // NS_PER_MICROSECOND,
        "class": difference.category.value,
        "fields": ",".join(difference.fields),
        "cause": None if proof is None else proof.cause,
        "proof": None if proof is None else json.dumps(dict(proof.evidence)),
        "trades": None if difference.trades is None else json.dumps(dict(difference.trades)),
        "published_at": difference.published_ns,
    }
    for side, name in sides:
        values: dict[str, Decimal | int] | None = getattr(difference, side)
        row[f"{side}_{name}"] = None if values is None else values.get(name)
    return row


def series_sums(series: SeriesStatistics | None) -> dict[str, int]:
    """Return how many series were delivered, with how many klines and quiet ones; None are none."""
    if series is None:
        return {"count": 0, "klines": 0, "quiet": 0}
    return {
        "count": len(series),
        "klines": int(series.rows.sum()),
        "quiet": int(series.quiet.sum()),
    }


def write_series(path: Path, series: SeriesStatistics | None) -> None:
    """Write what was delivered of each series, a row each: no rows without an auditor.

    Columns: `symbol`, `interval`, `klines`, `quiet`, `first_open_time_ns`, `last_open_time_ns`.
    """
    texts = {"symbol": list[str](), "interval": list[str]()}
    counts = dict.fromkeys(("klines", "quiet", "first_open_time_ns", "last_open_time_ns"), _NONE)
    if series is not None:
        texts = {"symbol": series.symbols, "interval": series.intervals}
        columns = (series.rows, series.quiet, series.first_open_ns, series.last_open_ns)
        counts = dict(zip(counts, columns, strict=True))
    named = {
        name: dictionary_text(np.arange(len(column)), column) for name, column in texts.items()
    }
    numbers = {name: array_of(column, pa.int64()) for name, column in counts.items()}
    pq.write_table(pa.table(named | numbers), path, compression="zstd")


def write_timeline(
    path: Path,
    channels: Sequence[ChannelRecord],
    flushes: Mapping[str, Sequence[tuple[int, int]]],
) -> None:
    """Write what happened at the consumers over virtual time, one event a row.

    `count` values: at a wake-up of a consumer so many waited for it (``depth``), while it was
    stalled so many had come to wait (``stalled``), it learned to have missed so many (``lag``),
    a queue had no room for so many of those published then (``refused``), it flushed so many
    (``flush``, given as (instant, rows) by its name).
    """
    names: list[tuple[str, str, str]] = []
    codes, instants, counts = [], [], []
    for channel in channels:
        for consumer in channel.consumers:
            events = {"depth": consumer.depths, "stalled": consumer.stalled}
            events |= {"lag": consumer.lags, "refused": _refused(channel, consumer)}
            log = np.array(flushes.get(consumer.name, []), dtype=np.int64).reshape(-1, 2)
            events["flush"] = (log[:, 0], log[:, 1])
            for event, (at_ns, count) in events.items():
                codes.append(np.full(len(at_ns), len(names), dtype=np.int32))
                names.append((channel.name, consumer.name, event))
                instants.append(at_ns)
                counts.append(count)
    code = np.concatenate([np.empty(0, dtype=np.int32), *codes])
    texts = [dictionary_text(code, [name[part] for name in names]) for part in range(3)]
    table = pa.Table.from_arrays(
        [
            *texts,
            array_of(np.concatenate([_NONE, *instants]), pa.int64()),
            array_of(np.concatenate([_NONE, *counts]), pa.int64()),
        ],
        names=["channel", "consumer", "event", "at_ns", "count"],
    )
    pq.write_table(table, path, compression="zstd")


def _refused(channel: ChannelRecord, consumer: ConsumerRecord) -> tuple[Int64Array, Int64Array]:
    """Return when a channel had no room, and for how many values; a broadcast always has."""
    if channel.design == BROADCAST:
        return _NONE, _NONE
    at_ns, counts = np.unique(lost_klines(consumer).at_ns, return_counts=True)
    return at_ns, counts.astype(np.int64)
