"""Websocket frames built ahead, in columns: the bytes of many messages at once.

Source of the format: RFC 6455, section 5.2. Frames of a server are not masked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kline_harness.exchange.text_matrix import (
    Characters,
    assembled,
    fixed_by,
    texts,
    whole,
)
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_MILLISECOND, BoolArray, Int64Array

_TEXT = 0x81
_SHORT = 126
_HEADER = 4
# The field X of the event trade.
_KINDS = {
    TradeKind.MARKET: "MARKET",
    TradeKind.INSURANCE_FUND: "INSURANCE_FUND",
    TradeKind.ADL: "ADL",
    TradeKind.OTHER: "NA",
}
_BOOLEANS = texts(["false", "true"])


@dataclass(frozen=True, slots=True)
class Frames:
    """Messages as frames, back to back: message `k` is ``data[ends[k - 1]:ends[k]]``.

    `symbol` is the code of each, `at_ns` its time, `ids` its trade id.
    """

    data: Characters
    ends: Int64Array
    symbol: NDArray[np.int16]
    at_ns: Int64Array
    ids: Int64Array

    def __len__(self) -> int:
        return len(self.ends)

    def of(self, chosen: BoolArray) -> Frames:
        """Return the messages of chosen symbols; `chosen` tells it for each code."""
        rows = chosen[self.symbol]
        if rows.all():
            return self
        lengths = np.diff(self.ends, prepend=0)
        return Frames(
            self.data[np.repeat(rows, lengths)],
            np.cumsum(lengths[rows]),
            self.symbol[rows],
            self.at_ns[rows],
            self.ids[rows],
        )

    def ends_before(self, at_ns: Int64Array) -> list[int]:
        """Return where the last message before each of some instants ends."""
        ends = np.concatenate([np.zeros(1, dtype=np.int64), self.ends])
        found: list[int] = ends[np.searchsorted(self.at_ns, at_ns, side="left")].tolist()
        return found

    def bytes_of(self, start: int, stop: int) -> bytes:
        """Return some of the messages."""
        if stop <= start:
            return b""
        first = int(self.ends[start - 1]) if start else 0
        return self.data[first : int(self.ends[stop - 1])].tobytes()


def frame(text: bytes) -> bytes:
    """Return one message as a frame."""
    length = len(text)
    if length < _SHORT:
        return bytes((_TEXT, length)) + text
    if length < 1 << 16:
        return bytes((_TEXT, _SHORT)) + length.to_bytes(2, "big") + text
    return bytes((_TEXT, _SHORT + 1)) + length.to_bytes(8, "big") + text


def trade_frames(tape: Tape, kind: str, *, market: str, combined: bool) -> Frames:
    """Return a trade each as a message of the stream `kind`, ``aggTrade`` or ``trade``.

    Source of the fields: the exchange's stream documents, and messages received from it (``nq``
    and ``st``). Decimals are those of the symbol.
    """
    rows = len(tape)
    if rows == 0:
        empty = np.empty(0, dtype=np.int64)
        return Frames(np.empty(0, np.uint8), empty, tape.symbol, empty, empty)
    names = [one.symbol for one in tape.instruments]
    make = _aggregate if kind == "aggTrade" else _trade
    body = make(tape, texts(names)[tape.symbol], market)
    if combined:
        streams = texts([f"{name.lower()}@{kind}" for name in names])[tape.symbol]
        body = [b'{"stream":"', streams, b'","data":', *body, b"}"]
    table = assembled(rows, [b"\1" * _HEADER, *body])
    return _framed(table, tape)


def _framed(table: Characters, tape: Tape) -> Frames:
    present = table != 0
    lengths = np.count_nonzero(present, axis=1) - _HEADER
    short = lengths < _SHORT
    table[:, 0] = _TEXT
    table[:, 1] = np.where(short, lengths, _SHORT)
    table[:, 2] = lengths >> 8
    table[:, 3] = lengths & 0xFF
    present[short, 2:_HEADER] = False
    sizes = lengths + np.where(short, 2, _HEADER)
    ends = np.cumsum(sizes)
    return Frames(table[present], ends, tape.symbol, tape.event_time_ns, tape.trade_id)


def _aggregate(tape: Tape, symbols: Characters, market: str) -> list[bytes | Characters]:
    milliseconds = whole(tape.event_time_ns // NS_PER_MILLISECOND)
    price, quantity = _numbers(tape)
    more: list[bytes | Characters] = [b',"M":true']
    normal: list[bytes | Characters] = []
    if market != "spot":
        # No order of another kind is on record, so the normal quantity is the quantity.
        normal, more = [b'","nq":"', quantity], [b',"st":1']
    return [
        *(b'{"e":"aggTrade","E":', milliseconds, b',"s":"', symbols),
        *(b'","a":', whole(tape.trade_id), b',"p":"', price, b'","q":"', quantity),
        *(*normal, b'","f":', whole(tape.first_id), b',"l":', whole(tape.last_id)),
        *(b',"T":', milliseconds, b',"m":', _BOOLEANS[tape.buyer_is_maker.astype(np.int8)]),
        *(*more, b"}"),
    ]


def _trade(tape: Tape, symbols: Characters, market: str) -> list[bytes | Characters]:
    milliseconds = whole(tape.event_time_ns // NS_PER_MILLISECOND)
    price, quantity = _numbers(tape)
    maker = _BOOLEANS[tape.buyer_is_maker.astype(np.int8)]
    if market == "spot":
        return [
            *(b'{"e":"trade","E":', milliseconds, b',"s":"', symbols),
            *(b'","t":', whole(tape.trade_id), b',"p":"', price, b'","q":"', quantity),
            *(b'","T":', milliseconds, b',"m":', maker, b',"M":true}'),
        ]
    kinds = texts([_KINDS.get(kind, "NA") for kind in TradeKind])[tape.kind]
    return [
        *(b'{"e":"trade","E":', milliseconds, b',"T":', milliseconds, b',"s":"', symbols),
        *(b'","t":', whole(tape.trade_id), b',"p":"', price, b'","q":"', quantity),
        *(b'","X":"', kinds, b'","m":', maker, b',"st":1}'),
    ]


def _numbers(tape: Tape) -> tuple[Characters, Characters]:
    price = [one.price_scale for one in tape.instruments]
    quantity = [one.quantity_scale for one in tape.instruments]
    return (
        fixed_by(tape.price, tape.symbol, price),
        fixed_by(tape.quantity, tape.symbol, quantity),
    )
