"""Counts as text."""

from __future__ import annotations


def counted(count: int, one: str) -> str:
    """Write a count with the noun of one: ``1 kline``, ``2,000 klines``."""
    return f"{count:,} {one}{'s' * (count != 1)}"
