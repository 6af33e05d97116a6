"""What clients say on a websocket: subscriptions, and what the exchange answers.

Source: the exchange's stream documents, "Live Subscribing/Unsubscribing to streams", and answers
received from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kline_harness.exchange.connection import Connection
from kline_harness.exchange.stream_names import Routes, is_sent, parse_stream

STREAMS_MAX = 1_024
POLICY_VIOLATION = 1008
TOO_MANY = '{"error":{"code":4,"msg":"Too many subscriptions"}}'
_METHODS = (
    *("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"),
    *("SET_PROPERTY", "GET_PROPERTY"),
)


@dataclass(frozen=True, slots=True)
class SocketAnswer:
    """A text to send back, and the code to close with afterwards, if it is the last."""

    text: str
    close: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is served: symbols by their names in lower case, routes, market, most streams."""

    symbols: Mapping[str, str]
    routes: Routes
    market: str
    streams_max: int = STREAMS_MAX


def answer(text: str, connection: Connection, rules: Rules, at_ns: int) -> SocketAnswer:
    """Do what a client asks for and return what it is answered; its id comes back as given."""
    try:
        asked = json.loads(text)
    except ValueError:
        return _error(3, "Invalid JSON: expected value at line 1 column 1", None)
    if not isinstance(asked, dict):
        return _error(2, "Invalid request: expected an object", None)
    number = asked.get("id")
    method = asked.get("method")
    if method not in _METHODS:
        listed = ", ".join(f"`{name}`" for name in _METHODS)
        return _error(2, f"Invalid request: unknown variant `{method}`, expected {listed}", number)
    if method == "LIST_SUBSCRIPTIONS":
        return _result(list(connection.streams), number)
    if method == "GET_PROPERTY":
        return _result(connection.address.combined, number)
    if method == "SET_PROPERTY":
        return _result(None, number)
    names = asked.get("params")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return _error(2, "Invalid request: params must be an array of strings", number)
    if method == "UNSUBSCRIBE":
        for name in names:
            connection.unsubscribe(name, at_ns)
        return _result(None, number)
    if not subscribe(names, connection, rules, at_ns):
        return SocketAnswer(TOO_MANY, POLICY_VIOLATION)
    return _result(None, number)


def subscribe(names: list[str], connection: Connection, rules: Rules, at_ns: int) -> bool:
    """Begin streams; False, and none begun, where they would be too many.

    Every name is acknowledged, even of nonsense: it says nothing.
    """
    if len({*connection.streams, *names}) > rules.streams_max:
        return False
    for name in names:
        stream = parse_stream(name, rules.symbols)
        if stream is not None and not is_sent(
            stream, connection.address.route, rules.routes, rules.market
        ):
            stream = None
        connection.subscribe(name, stream, at_ns)
    return True


def _result(result: Any, number: Any) -> SocketAnswer:
    return SocketAnswer(_json({"result": result, "id": number}))


def _error(code: int, message: str, number: Any) -> SocketAnswer:
    error = {"error": {"code": code, "msg": message}, "id": number}
    return SocketAnswer(_json(error))


def _json(answer: Any) -> str:
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
