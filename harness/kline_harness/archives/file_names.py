"""What a file's name says: symbol, interval, the day or month it claims; and markets."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import PurePath

from kline_harness.contracts import is_coin_margined
from kline_harness.errors import UsageError
from kline_harness.interval import INTERVALS, Interval, parse_interval
from kline_harness.units import NS_PER_SECOND

_NAME = re.compile(r"(?P<symbol>\w+?)[-_](?:aggTrades|trades|klines|[0-9]+[smhdwM]o?)(?:[-_.]|$)")
# Other exchanges': BTC-USDT-trades-2024-05-15.zip, XBTUSD.csv.
_OTHERS = re.compile(
    r"([A-Z0-9]{2,}?(?:-[A-Z][A-Z0-9]*)*)"
    r"(?=[-_.](?:agg)?trades|[-_]?\d{4}-\d{2}|[-_]ohlc|[_.])"
)
# Klines of a pair with a hyphen: BTC-USDT-1m.csv, BTC-USD-240927-1H-2024-05.csv.
_KLINES_OF_PAIR = re.compile(
    r"([A-Z0-9]*[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)+)[-_][0-9]+[a-zA-Z]+(?:[-_.]|$)"
)
_DATE = re.compile(r"-(\d{4})-(\d{2})(?:-(\d{2}))?(?:\.(?:csv|txt|zip|gz))*$", re.ASCII)


def name_symbol(*names: str | None) -> str | None:
    """Take the symbol from the first file name that shows one, such as BTCUSDT-trades-2024-05."""
    for name in names:
        match = _NAME.match(PurePath(name or "").name)
        if match and match["symbol"] == match["symbol"].upper():
            return match["symbol"]
    return None


def pair_of_klines(*names: str | None) -> str | None:
    """Take the pair from the first name of a file of klines that shows one, BTC-USDT-1m.csv."""
    matches = (_KLINES_OF_PAIR.match(PurePath(name or "").name) for name in names)
    return next((match[1] for match in matches if match), None)


def symbol_of_name(path: str, pattern: re.Pattern[str] | None = None) -> str | None:
    """Take the symbol from the name of another exchange's file, by its own pattern first."""
    name = PurePath(path).name
    match = (pattern.match(name) if pattern else None) or _OTHERS.match(name)
    return match[1] if match else None


def name_interval(name: str) -> Interval | None:
    """Take the interval from a file name such as BTCUSDT-1m-2024-05-15.zip or BTCUSDT_1d.csv."""
    for part in re.split(r"[-_.]", PurePath(name).name):
        if part == "1mo" or any(part == interval.text for interval in INTERVALS):
            return parse_interval(part)
    return None


def name_coverage(name: str) -> tuple[int, int] | None:
    """Return the [start, end) in nanoseconds of the one day or month that a file name claims."""
    match = _DATE.search(PurePath(name).name)
    if match is None:
        return None
    year, month, day = match.groups()
    try:
        start = datetime(int(year), int(month), int(day or 1), tzinfo=UTC)
        length = timedelta(days=1) if day else timedelta(days=31)
        end = start + length if day else (start + length).replace(day=1)
    except (ValueError, OverflowError):
        return None
    return _epoch_ns(start), _epoch_ns(end)


def named_time(path: str, member: str | None) -> tuple[int, int] | None:
    """Return what a file's name claims; where it claims nothing, the name inside of its packing."""
    return name_coverage(path) or name_coverage(member or "")


def _epoch_ns(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(seconds=1) * NS_PER_SECOND


def market_of(symbol: str, *, best_match: bool = False, base: bool = False) -> str:
    """Tell the market: only spot has a best-match column, only COIN-M base quantities.

    Otherwise COIN-M by its symbols (BTCUSD_PERP, BTCUSD_240927), else USD-M.
    """
    if best_match:
        return "spot"
    return "cm" if base or is_coin_margined(symbol) else "um"


def check_contracts(market: str | None, size: Decimal | None) -> None:
    """Raise UsageError for a contract size of another market than COIN-M's."""
    if size is not None and market not in (None, "cm"):
        raise UsageError(f"a contract size is for the market cm, found {market}")


def check_market(market: str | None) -> None:
    """Raise UsageError for a market that does not exist."""
    if market not in (None, "spot", "um", "cm"):
        raise UsageError(f"unknown market {market!r}: expected spot, um or cm")
