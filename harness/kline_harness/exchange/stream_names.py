"""Names of streams, addresses of websockets, and on which of them messages are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

from kline_harness.exchange.market import MINI_TICKERS
from kline_harness.interval import interval_named

TRADE_KINDS = ("aggTrade", "trade")
KLINE_KINDS = ("kline", "continuousKline")
_PREFIXES = ("public", "market", "private")
# Source: the exchange's change notice of 2026-03-06: what each of the new routes carries.
_OF_MARKET = frozenset(("aggTrade", *KLINE_KINDS, "miniTicker"))


class Routes(Enum):
    """Which addresses there are: the old ones, those by kind, both; or the old ones retired.

    Retired: since 2026-04-23 the old addresses of USD-M accept the handshake, acknowledge every
    subscription, and send trades and depth alone.
    """

    LEGACY = "legacy"
    ROUTED = "routed"
    BOTH = "both"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that exists: its kind, its symbol ("" for all) and its interval, of klines."""

    name: str
    kind: str
    symbol: str
    interval: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a websocket was opened: the route ("" for the old one), envelope, and its streams."""

    route: str
    combined: bool
    streams: tuple[str, ...]


def address_of(path: str, query: Mapping[str, str]) -> Address | None:
    """Return what the path of a handshake asks for, None where there is no such address.

    ``/ws/0`` is an address too: what is no stream's name is silent, as on the exchange.
    """
    parts = [unquote(part) for part in path.split("/") if part]
    route = parts.pop(0) if parts and parts[0] in _PREFIXES else ""
    if not parts or parts[0] not in ("ws", "stream"):
        return None
    if parts[0] == "stream":
        given = query.get("streams", "")
        return Address(route, True, tuple(name for name in given.split("/") if name))
    return Address(route, False, tuple(parts[1:]))


def exists(address: Address, routes: Routes) -> bool:
    """Tell whether the handshake of an address is accepted."""
    if routes is Routes.LEGACY:
        return not address.route
    return bool(address.route) or routes is not Routes.ROUTED


def parse_stream(name: str, symbols: Mapping[str, str]) -> Stream | None:
    """Return the stream of a name, None where nothing is ever sent on it.

    `symbols` are those served, by their names in lower case: a name in upper case is no stream.
    """
    if name == MINI_TICKERS:
        return Stream(name, "miniTicker", "")
    head, _, tail = name.partition("@")
    kind, _, interval = tail.partition("_")
    pair = head.removesuffix("_perpetual") if kind == "continuousKline" else head
    symbol = symbols.get(pair)
    if symbol is None or (kind == "continuousKline" and pair == head):
        return None
    if tail in TRADE_KINDS:
        return Stream(name, tail, symbol)
    if kind in KLINE_KINDS and interval_named(interval) is not None:
        return Stream(name, kind, symbol, interval)
    return None


def is_sent(stream: Stream, route: str, routes: Routes, market: str) -> bool:
    """Tell whether a route sends the messages of a stream."""
    if market == "spot":
        return True
    if not route:
        return routes is not Routes.RETIRED or stream.kind not in _OF_MARKET
    return route == ("market" if stream.kind in _OF_MARKET else "public")


def by_lower_case(symbols: Sequence[str]) -> dict[str, str]:
    """Return symbols by their names in lower case."""
    return {symbol.lower(): symbol for symbol in symbols}
