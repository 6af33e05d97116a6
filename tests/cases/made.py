"""Small markets written as files: trades, and the klines that the oracle makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random

from tests.oracle import OracleKline, OracleTrade, klines
from tests.replays import ROOT

CASES = ROOT / "fixtures" / "cases"
FALSE_VALID = CASES / "false-valid"
SECOND = 1_000_000_000
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
# 2024-07-18 21:50:00 UTC.
START = 1_721_339_400 * SECOND
HEADER = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("count", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)


def traded(
    seed: int = 1,
    *,
    symbol: str = "GNUUSDT",
    start_ns: int = START,
    minutes: int = 12,
    per_minute: int = 6,
    first_id: int = 9_000_001,
) -> list[OracleTrade]:
    """Return trades, so many in every minute, each with an id of its own."""
    rng = Random(seed)
    price = 7_000
    out: list[OracleTrade] = []
    for minute in range(minutes):
        for offset in sorted(rng.sample(range(1, 59_999), per_minute)):
            price += rng.choice((-3, -1, 0, 1, 2))
            trade_id = first_id + len(out)
            trade = OracleTrade(
                trade_id,
                Decimal(price).scaleb(-2),
                Decimal(rng.randint(1, 900)).scaleb(-1),
                trade_id,
                trade_id,
                start_ns + minute * MINUTE + offset * 1_000_000,
                rng.random() < 0.5,
                symbol,
            )
            out.append(trade)
    return out


def write_trades(path: Path, trades: Iterable[OracleTrade]) -> Path:
    """Write raw trades in the layout of the exchange's futures archive."""
    rows = ["id,price,qty,quote_qty,time,is_buyer_maker"]
    for one in trades:
        maker = str(one.buyer_is_maker).lower()
        time = one.time_ns // 1_000_000
        rows.append(f"{one.id},{one.price},{one.quantity},{one.quote},{time},{maker}")
    return _write(path, rows)


def write_aggregates(path: Path, trades: Iterable[OracleTrade]) -> Path:
    """Write aggregate trades in the layout of the exchange's futures archive."""
    rows = ["agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"]
    for one in trades:
        time, maker = one.time_ns // 1_000_000, str(one.buyer_is_maker).lower()
        numbers = (one.id, one.price, one.quantity, one.first_id, one.last_id, time, maker)
        rows.append(",".join(map(str, numbers)))
    return _write(path, rows)


def write_klines(
    path: Path,
    rows: Iterable[OracleKline],
    *,
    columns: Sequence[str] = HEADER,
    names: Mapping[str, str] | None = None,
    later_ns: int = 0,
) -> Path:
    """Write klines with some columns, some of them under other names, all times shifted."""
    lines = [",".join((names or {}).get(name, name) for name in columns)]
    for one in rows:
        values = {
            "open_time": (one.open_time_ns + later_ns) // 1_000_000,
            "close_time": (one.close_time_ns + later_ns) // 1_000_000 - 1,
            "ignore": 0,
        }
        lines.append(",".join(str(values.get(n, getattr(one, n, ""))) for n in columns))
    return _write(path, lines)


def candles(trades: Iterable[OracleTrade], interval: str = "1m") -> list[OracleKline]:
    """Return the klines of trades, quiet ones between them included."""
    return list(klines(trades, interval))


def _write(path: Path, rows: Iterable[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path
