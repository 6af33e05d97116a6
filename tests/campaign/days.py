"""Made-up trades by day, in the exchange's own form, in plain Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

DAY_MS = 86_400_000
FIRST = datetime(2024, 7, 1, tzinfo=UTC)
HEADER = "id,price,qty,quote_qty,time,is_buyer_maker"


@dataclass(frozen=True)
class Row:
    """A trade: price in cents, quantity in thousandths, time in ms since 1970."""

    trade_id: int
    cents: int
    thousandths: int
    time_ms: int
    maker: bool

    def line(self) -> str:
        quote = self.cents * self.thousandths
        return (
            f"{self.trade_id},{_text(self.cents, 2)},{_text(self.thousandths, 3)},"
            f"{_text(quote, 5)},{self.time_ms},{str(self.maker).lower()}"
        )


def _text(value: int, digits: int) -> str:
    return f"{value // 10**digits}.{value % 10**digits:0{digits}d}"


def start_ms(day: int) -> int:
    return int((FIRST + timedelta(days=day)).timestamp()) * 1000


def name_of(symbol: str, day: int) -> str:
    return f"{symbol}-trades-{(FIRST + timedelta(days=day)).date()}.csv"


def rows_of(seed: str, days: int, per_day: int, *, id_jumps: int = 0) -> list[list[Row]]:
    """A random walk; trades come in bursts, some of them around each midnight."""
    draw = Random(seed)
    trade_id, cents = draw.randrange(1_000, 9_000_000), draw.randrange(1_000, 900_000)
    result = []
    for day in range(days):
        start = start_ms(day)
        times = [start + draw.randrange(DAY_MS) for _ in range(per_day)]
        times += [start + draw.choice((0, 0, 1, 50, 99, 100, 101, 900)) for _ in range(3)]
        times += [start + DAY_MS - draw.choice((1, 1, 2, 60, 1_000)) for _ in range(3)]
        rows = []
        for time_ms in sorted(times):
            cents = max(1, cents + draw.randrange(-9, 10))
            jump = draw.randrange(2, 5) if id_jumps and draw.randrange(id_jumps) == 0 else 1
            trade_id += jump
            rows.append(
                Row(trade_id, cents, draw.randrange(1, 5_000), time_ms, draw.random() < 0.5)
            )
        result.append(rows)
    return result


def write_day(folder: Path, symbol: str, day: int, rows: Sequence[Row]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name_of(symbol, day)
    path.write_text("\n".join([HEADER, *(row.line() for row in rows)]) + "\n", encoding="ascii")
    return path


def write_days(folder: Path, symbol: str, days: Sequence[Sequence[Row]]) -> list[Path]:
    """Write a file for each day that has a trade."""
    return [write_day(folder, symbol, day, rows) for day, rows in enumerate(days) if rows]


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a run folder but the one that says how long it took."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }
