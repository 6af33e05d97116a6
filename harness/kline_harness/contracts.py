"""Contracts worth a fixed amount of USD, settled in the base asset, and what they are worth."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from kline_harness.errors import UsageError

# BTCUSD_PERP, BTCUSD_240927.
_COIN_M = re.compile(r"[A-Z0-9]+USD_(PERP|[0-9]{6})")
_SIZE_DIGITS = 18


def contract_size(text: str | int) -> Decimal:
    """Return the worth of a contract as an exact number.

    Raises UsageError for what is no plain number above 0 of at most 18 digits on either side.
    """
    try:
        size = Decimal(str(text))
    except InvalidOperation:
        size = Decimal(0)
    exponent = size.as_tuple().exponent
    if not size.is_finite() or size <= 0 or size >= 10**_SIZE_DIGITS:
        exponent = -_SIZE_DIGITS - 1
    if not isinstance(exponent, int) or exponent < -_SIZE_DIGITS:
        expected = "expected a number above 0 of at most 18 digits, before and after the point"
        raise UsageError(f"unknown contract size {text}: {expected}")
    return size


def is_coin_margined(symbol: str) -> bool:
    """Tell whether a symbol is that of a contract settled in the base asset."""
    return _COIN_M.fullmatch(symbol) is not None


def size_of(symbol: str, given: Decimal | None) -> Decimal | None:
    """Return what a contract is worth in USD, None where it is none or nobody said.

    Source: COIN-M contract specifications, 100 USD for BTCUSD symbols and 10 USD for others.
    """
    if given is not None or not is_coin_margined(symbol):
        return given
    return Decimal(100 if _is_bitcoin(symbol) else 10)


def is_size_documented(symbol: str) -> bool:
    """Tell whether the documents name a contract with its size, and not only all others."""
    return not is_coin_margined(symbol) or _is_bitcoin(symbol)


def _is_bitcoin(symbol: str) -> bool:
    return symbol.startswith("BTCUSD_")
