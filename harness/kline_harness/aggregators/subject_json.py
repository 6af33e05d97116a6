"""Trades for a subject as one line of JSON, written a column at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kline_harness.aggregators.subject_process import Buffer
from kline_harness.arrow import array_of
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import INT64_MAX, ExactArray

_KINDS = {kind.value: f'"{kind.name}"' for kind in TradeKind}


def encode_trades(tape: Tape, columns: Sequence[str]) -> list[Buffer]:
    """Return trades of one symbol as the pieces of one line.

    `columns` are the names of those to send. Numbers of int64 are turned into text by Arrow,
    which takes a tenth of the time.
    """
    parts = [f'{{"type":"trades","symbol":{json.dumps(tape.symbol_text(0), ensure_ascii=False)}']
    parts += [f'"{name}":[{_column(tape, name)}]' for name in columns]
    return [",".join(parts).encode(), b"}\n"]


def _column(tape: Tape, name: str) -> str:
    instrument = tape.instruments[int(tape.symbol[0])]
    scales = instrument.scales()
    if name in scales:
        return _decimals(getattr(tape, name), scales[name])
    if name == "kind":
        return ",".join([_KINDS[kind] for kind in tape.kind.tolist()])
    if name == "buyer_is_maker":
        return ",".join(["false", "true"][maker] for maker in tape.buyer_is_maker.tolist())
    values = getattr(tape, "trade_id" if name == "id" else name)
    return _joined(_texts(values), ",")


def _decimals(values: ExactArray, scale: int) -> str:
    """Return scaled integers that are not negative as quoted decimal text."""
    if values.dtype == object or 10**scale > INT64_MAX // 2:
        digits = [str(value).rjust(scale + 1, "0") for value in values.tolist()]
        texts = [f"{text[:-scale]}.{text[-scale:]}" if scale else text for text in digits]
        return ",".join(f'"{text}"' for text in texts)
    if scale == 0:
        return '"' + _joined(_texts(values), '","') + '"'
    whole, fraction = np.divmod(values, 10**scale)
    # With a leading one the fraction keeps its zeros.
    padded = pc.utf8_slice_codeunits(_texts(fraction + 10**scale), 1)
    return '"' + _joined(pc.binary_join_element_wise(_texts(whole), padded, "."), '","') + '"'


def _texts(values: Any) -> pa.Array:
    return pc.cast(array_of(values, pa.int64()), pa.string())


def _joined(texts: pa.Array, separator: str) -> str:
    offsets = array_of(np.array([0, len(texts)], dtype=np.int32), pa.int32())
    joined: str = pc.binary_join(pa.ListArray.from_arrays(offsets, texts), separator)[0].as_py()
    return joined
