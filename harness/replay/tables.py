"""Differences and channel depths as Parquet files of the run folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.arrow import array_of, dictionary_text
from harness.comparison.compare import Difference
from harness.kline import FIELDS
from harness.simulation.simulation import ChannelRecord
from harness.units import NS_PER_MICROSECOND

_EXACT = pa.decimal128(38, 18)


def write_differences(path: Path, differences: Sequence[Difference]) -> None:
    """Write every difference: both sides, class, cause and proof."""
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
        ]
    )
    rows = [_row(difference, sides) for difference in differences]
    # Arrow imports pandas to convert Python objects, which an empty table does not need.
    table = pa.Table.from_pylist(rows, schema=schema) if rows else pa.Table.from_batches([], schema)
    pq.write_table(table, path, compression="zstd")


def _row(difference: Difference, sides: Sequence[tuple[str, str]]) -> dict[str, object]:
    proof = difference.proof
    row: dict[str, object] = {
        "symbol": difference.symbol,
        "interval": difference.interval.text,
        "open_time": difference.open_time_ns // NS_PER_MICROSECOND,
        "class": difference.klass.value,
        "fields": ",".join(difference.fields),
        "cause": None if proof is None else proof.cause,
        "proof": None if proof is None else json.dumps(dict(proof.evidence)),
    }
    for side, name in sides:
        values: dict[str, Decimal | int] | None = getattr(difference, side)
        row[f"{side}_{name}"] = None if values is None else values.get(name)
    return row


def write_timeline(path: Path, channels: Sequence[ChannelRecord]) -> None:
    """Write how many values waited for each consumer at each of its wake-ups."""
    names: list[tuple[str, str]] = []
    codes, instants, depths = [], [], []
    for channel in channels:
        for consumer in channel.consumers:
            at_ns, depth = consumer.depths
            codes.append(np.full(len(at_ns), len(names), dtype=np.int32))
            names.append((channel.name, consumer.name))
            instants.append(at_ns)
            depths.append(depth)
    code = np.concatenate([np.empty(0, dtype=np.int32), *codes])
    texts = [dictionary_text(code, [name[part] for name in names]) for part in (0, 1)]
    table = pa.Table.from_arrays(
        [
            *texts,
            array_of(np.concatenate([np.empty(0, dtype=np.int64), *instants]), pa.int64()),
            array_of(np.concatenate([np.empty(0, dtype=np.int64), *depths]), pa.int64()),
        ],
        names=["channel", "consumer", "at_ns", "depth"],
    )
    pq.write_table(table, path, compression="zstd")
