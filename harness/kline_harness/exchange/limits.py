"""Limits of REST requests: weights, the minute they count in, refusals and bans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Source: `rateLimits` of exchangeInfo, USD-M; on spot it is 6,000.
WEIGHT_LIMITS = {"um": 2_400, "spot": 6_000}
# How many refused requests in one minute a client may send before it is banned.
REFUSED_MAX = 100
BAN_MINUTES = 2
_AT_ONCE = {"aggTrades": 20, "trades": 5, "continuousKlines": 0, "klines": 0}
_SPOT = {
    "ping": 1,
    "time": 1,
    "exchangeInfo": 20,
    "klines": 2,
    "aggTrades": 4,
    "trades": 25,
}


def weight_of(endpoint: str, market: str, parameters: Mapping[str, str]) -> int:
    """Return what a request costs, refused or not.

    Source: the exchange's REST documents, and the header of its replies: klines cost 1 up to 100
    rows, 2 up to 500, 5 up to 1,000, 10 above, 5 without a limit.
    """
    if endpoint == "ticker/24hr":
        symbol = "symbol" in parameters
        return (2 if symbol else 80) if market == "spot" else (1 if symbol else 40)
    if market == "spot":
        return _SPOT.get(endpoint, 1)
    if endpoint in ("klines", "continuousKlines"):
        text = parameters.get("limit", "")
        limit = int(text) if text.isascii() and text.isdigit() else 1_000
        return next((w for most, w in ((100, 1), (500, 2), (1_000, 5)) if limit <= most), 10)
    return _AT_ONCE.get(endpoint, 1)


@dataclass(slots=True)
class _Client:
    minute: int = 0
    used: int = 0
    refused: int = 0
    banned_until: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """What a request came to: the weight used this minute, and 429 or 418 where it is refused."""

    used: int
    refusal: int | None = None
    banned_until_minute: int = 0


class RequestLimits:
    """The weight that each client address has used in the current minute of the clock."""

    def __init__(self, market: str, limit: int | None = None) -> None:
        self.limit = limit or WEIGHT_LIMITS[market]
        self._clients: dict[str, _Client] = {}

    def charge(self, address: str, weight: int, minute: int) -> Charge:
        """Count a request."""
        client = self._clients.setdefault(address, _Client())
        if client.minute != minute:
            client.minute, client.used, client.refused = minute, 0, 0
        if minute < client.banned_until:
            return Charge(client.used, 418, client.banned_until)
        client.used += weight
        if client.used <= self.limit:
            return Charge(client.used)
        client.refused += 1
        if client.refused > REFUSED_MAX:
            client.banned_until = minute + BAN_MINUTES
            return Charge(client.used, 418, client.banned_until)
        return Charge(client.used, 429)
