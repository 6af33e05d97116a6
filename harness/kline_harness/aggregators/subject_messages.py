"""The messages of kline-subject/1: their table, and how ours are written.

docs/protocol.md is the specification; its tables are made from `MESSAGES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kline_harness.interfaces import AddSymbol, RemoveSymbol, Tick
from kline_harness.kline import FIELDS

PROTOCOL = 1
LINE_BYTES_MAX = 8 << 20
ROWS_MAX = 1_000

Kind = Literal["text", "integer", "decimal", "texts", "integers", "object", "boolean", "list"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its name, what it holds, whether it may be left out, what it says."""

    name: str
    kind: Kind
    says: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its type, who sends it (`harness` or `subject`), its fields, when it is sent."""

    type: str
    sender: Literal["harness", "subject"]
    when: str
    fields: tuple[Field, ...] = ()


_AT = Field("at_ns", "integer", "when the aggregator gets it")
_SYMBOL = Field("symbol", "text", "the symbol")
_OPEN = Field("open_time_ns", "integer", "the kline's open time")
_INTERVAL = Field("interval", "text", "1s, 1m ... 1M")
# The columns of trades, in the order in which they are sent.
TRADE_COLUMNS: Mapping[str, str] = {
    "id": "the id that orders and identifies the trade within its symbol",
    "price": "decimal text",
    "quantity": "decimal text",
    "quote": "price x quantity, or what the exchange states",
    "first_id": "the first raw trade of an aggregate; else the id",
    "last_id": "the last raw trade of an aggregate; else the id",
    "event_time_ns": "the trade's own time: it decides the kline",
    "arrival_ns": "when the aggregator gets it",
    "buyer_is_maker": "true where the taker sold",
    "kind": "MARKET, or a kind that makes no kline",
}
WANTS = ("trades", "ticks", "commands")
MESSAGES: tuple[Message, ...] = (
    Message(
        "hello",
        "harness",
        "first",
        (
            Field("protocol", "list", "the versions that the harness speaks"),
            Field("market", "text", "um, cm, spot or unknown"),
            Field("symbols", "texts", "the symbols known beforehand"),
            Field("intervals", "texts", "the intervals to make, shortest first"),
            Field("rule", "text", "the rules of the klines: klines/1"),
            Field(
                "scales",
                "object",
                'by symbol, the decimals of its first trades: `{"price":2,"quantity":3}`; later '
                "ones can have more; a symbol of which none is known yet is left out",
            ),
            Field("options", "object", "what the person at the command line gave for the subject"),
        ),
    ),
    Message(
        "ready",
        "subject",
        "in answer to hello, before anything else",
        (
            Field("protocol", "integer", "the version that is spoken from here on: 1"),
            Field("name", "text", "the subject's name"),
            Field("version", "text", "its version", optional=True),
            Field(
                "wants",
                "texts",
                "a list of some of trades, ticks, commands; all if left out",
                optional=True,
            ),
            Field(
                "columns", "texts", "a list of the columns of trades to send; all if left out", True
            ),
            Field("arrow", "boolean", "true: trades come as Arrow streams", optional=True),
        ),
    ),
    Message(
        "trades",
        "harness",
        f"for up to {ROWS_MAX:,} trades of one symbol in one kline of the shortest interval",
        (
            _SYMBOL,
            *(Field(name, "list", f"a list: {says}") for name, says in TRADE_COLUMNS.items()),
            Field("arrow", "integer", "in place of lists: so many bytes of Arrow follow", True),
        ),
    ),
    Message(
        "tick",
        "harness",
        "when the clock ticks",
        (Field("time_ns", "integer", "the time that the tick says: it makes klines final"), _AT),
    ),
    Message("add_symbol", "harness", "when a symbol is added", (_SYMBOL, _AT)),
    Message("remove_symbol", "harness", "when a symbol is removed", (_SYMBOL, _AT)),
    Message(
        "sync",
        "harness",
        "after every trades, tick, add_symbol and remove_symbol",
        (Field("n", "integer", "a number that rises"),),
    ),
    Message("end", "harness", "last: publish what is open and has trades", (_AT,)),
    Message(
        "final",
        "subject",
        "when a kline is final",
        (
            *(_SYMBOL, _INTERVAL, _OPEN),
            *(Field(name, "decimal", "decimal text") for name in FIELDS if name != "count"),
            Field("count", "integer", "raw trades"),
            Field("first_id", "integer", "first raw trade id, -1 without one", optional=True),
            Field("last_id", "integer", "last raw trade id, -1 without one", optional=True),
        ),
    ),
    Message(
        "event",
        "subject",
        "when a kline is opened or meets its first trade; may be left out altogether",
        (
            *(_SYMBOL, _INTERVAL, _OPEN),
            Field("life", "text", "OPENED_PROVISIONAL, OPENED_LIVE, FIRST_TRADE or FINALIZED"),
            Field("trades", "integer", "rows applied to the kline so far"),
        ),
    ),
    Message(
        "synced",
        "subject",
        "when all that came before a sync is done",
        (Field("n", "integer", "the sync's number"),),
    ),
    Message("done", "subject", "in answer to end; nothing follows"),
    Message(
        "error",
        "subject",
        "when it gives up; nothing follows",
        (
            Field("code", "text", "a word of the subject's own"),
            Field("text", "text", "what went wrong, for a person"),
        ),
    ),
)


def encode(type_: str, **fields: Any) -> bytes:
    """Return a message as one line."""
    return json.dumps({"type": type_, **fields}, ensure_ascii=False).encode() + b"\n"


def encode_sync(number: int) -> bytes:
    """Return a sync as one line."""
    return b'{"type":"sync","n":%d}\n' % number


def encode_signal(signal: Tick | AddSymbol | RemoveSymbol) -> bytes:
    """Return a tick or a command as one line."""
    if isinstance(signal, Tick):
        return encode("tick", time_ns=signal.time_ns, at_ns=signal.at_ns)
    type_ = "add_symbol" if isinstance(signal, AddSymbol) else "remove_symbol"
    return encode(type_, symbol=signal.symbol, at_ns=signal.at_ns)
