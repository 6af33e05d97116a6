"""What a command that adds a symbol says of it: the exchange's ticker."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ticker:
    """Prices and volumes of 24 hours as plain decimal text.

    `first_time_ns` is the ticker's event time, 0 when unknown.
    """

    first_time_ns: int = 0
    open: str = "0"
    high: str = "0"
    low: str = "0"
    close: str = "0"
    volume: str = "0"
    quote_volume: str = "0"
