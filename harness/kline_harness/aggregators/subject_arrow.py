"""Trades for a subject as Arrow: a line that says how many bytes follow, and an IPC stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from kline_harness.aggregators.subject_messages import encode
from kline_harness.arrow import array_of
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import ExactArray

_DIGITS = 38
_LOW_WORD = 2**64 - 1


def encode_arrow(tape: Tape, columns: Sequence[str]) -> bytes:
    """Return trades of one symbol; `columns` are the names of those to send.

    Prices and quantities are decimal128(38, scale), times and ids int64, `kind` text.
    """
    arrays = [_column(tape, name) for name in columns]
    batch = pa.record_batch(arrays, names=list(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    body = sink.getvalue()
    return encode("trades", symbol=tape.symbol_text(0), arrow=body.size) + bytes(body)


def _column(tape: Tape, name: str) -> pa.Array:
    instrument = tape.instruments[int(tape.symbol[0])]
    scales = {
        "price": instrument.price_scale,
        "quantity": instrument.quantity_scale,
        "quote": instrument.quote_scale,
    }
    if name in scales:
        return _decimals(getattr(tape, name), scales[name])
    if name == "kind":
        return pa.array([TradeKind(kind).name for kind in tape.kind.tolist()], pa.string())
    if name == "buyer_is_maker":
        bits = np.packbits(tape.buyer_is_maker, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(tape), [None, pa.py_buffer(bits)])
    return array_of(getattr(tape, "trade_id" if name == "id" else name), pa.int64())


def _decimals(values: ExactArray, scale: int) -> pa.Array:
    """Return scaled integers as 128-bit decimals: two words each, the low one first."""
    words = np.empty((len(values), 2), dtype=np.uint64)
    if values.dtype == object:
        numbers = values.tolist()
        words[:, 0] = [number & _LOW_WORD for number in numbers]
        words[:, 1] = [number >> 64 & _LOW_WORD for number in numbers]
    else:
        words[:, 0] = values.view(np.uint64)
        words[:, 1] = (values >> 63).view(np.uint64)
    buffers = [None, pa.py_buffer(words)]
    return pa.Array.from_buffers(pa.decimal128(_DIGITS, scale), len(values), buffers)
