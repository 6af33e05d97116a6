"""Trades for a subject as Arrow: a line that says how many bytes follow, and an IPC stream."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa

from kline_harness.aggregators.subject_messages import encode
from kline_harness.aggregators.subject_process import Buffer
from kline_harness.arrow import array_of, decimals_of, words_of
from kline_harness.columns import Instrument
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import ExactArray

_DIGITS = 38
# What ends an IPC stream: a message of no length.
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_KINDS = {kind.value: kind.name for kind in TradeKind}


def encode_arrow(tape: Tape, columns: Sequence[str]) -> list[Buffer]:
    """Return trades of one symbol in pieces to write; `columns` are the names of those to send.

    Prices and quantities are decimal128(38, scale), times and ids int64, `kind` text. The pieces
    are those of an IPC stream, each copied once: a stream's writer would copy them together again.
    """
    instrument = tape.instruments[int(tape.symbol[0])]
    arrays = [_column(tape, instrument, name) for name in columns]
    scales = (instrument.price_scale, instrument.quantity_scale, instrument.quote_scale)
    schema, head = _schema(tuple(columns), *scales)
    body = pa.RecordBatch.from_arrays(arrays, schema=schema).serialize()
    size = head.size + body.size + len(_END)
    return [encode("trades", symbol=instrument.symbol, arrow=size), head, body, _END]


@lru_cache(maxsize=1_000)
def _schema(columns: Sequence[str], *scales: int) -> tuple[pa.Schema, pa.Buffer]:
    """Return the schema of some columns and how it stands in a stream."""
    decimals = {
        name: pa.decimal128(_DIGITS, scale)
        for name, scale in zip(("price", "quantity", "quote"), scales, strict=True)
    }
    others = {"kind": pa.string(), "buyer_is_maker": pa.bool_()}
    kinds = {**dict.fromkeys(columns, pa.int64()), **others, **decimals}
    schema = pa.schema([(name, kinds[name]) for name in columns])
    return schema, schema.serialize()


def _column(tape: Tape, instrument: Instrument, name: str) -> pa.Array:
    scales = instrument.scales()
    if name in scales:
        return _decimals(getattr(tape, name), scales[name])
    if name == "kind":
        return pa.array([_KINDS[kind] for kind in tape.kind.tolist()], pa.string())
    if name == "buyer_is_maker":
        return array_of(tape.buyer_is_maker, pa.bool_())
    return array_of(getattr(tape, "trade_id" if name == "id" else name), pa.int64())


def _decimals(values: ExactArray, scale: int) -> pa.Array:
    """Return scaled integers as 128-bit decimals: two words each, the low one first."""
    if values.dtype == object:
        words = words_of(values.tolist())
    else:
        words = np.empty((len(values), 2), dtype=np.uint64)
        signed = words.view(np.int64)
        signed[:, 0] = values
        np.right_shift(values, 63, out=signed[:, 1])
    return decimals_of(words, pa.decimal128(_DIGITS, scale))
