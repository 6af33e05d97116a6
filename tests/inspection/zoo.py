"""The zoo: a tiny made file for each class of defect that users have reported in archives."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from tests.market_files import AGGREGATES_HEADER, KLINES_HEADER, TRADES_HEADER
from tests.oracle import OracleKline, OracleTrade, klines

DAY_MS = 1_715_731_200_000
"""2024-05-15 00:00 UTC."""
DATE = "2024-05-15"
NEXT_DATE = "2024-05-16"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NS = 1_000_000
FIRST_ID = 5_000_001
EVERY = 30 * MINUTE

AGGREGATES = f"ALFAUSDT-aggTrades-{DATE}.csv"
TRADES = f"ALFAUSDT-trades-{DATE}.csv"
NEXT_AGGREGATES = f"ALFAUSDT-aggTrades-{NEXT_DATE}.csv"
HOURS = f"ALFAUSDT-1h-{DATE}.csv"
FOUR_HOURS = f"ALFAUSDT-4h-{DATE}.csv"

BPD = "binance/binance-public-data"


@dataclass(frozen=True)
class Case:
    """Files with a defect, the public threads that report it, and what an inspection must find.

    `found` maps a file's name, or a check across files, to the kinds found there: no others are.
    """

    name: str
    what: str
    threads: tuple[str, ...]
    files: dict[str, bytes]
    found: dict[str, list[str]] = field(default_factory=dict)
    verdict: str = "invalid"


@dataclass(frozen=True)
class Row:
    """An aggregate trade (of one raw trade, unless said otherwise) as its text will say it."""

    id: int
    first: int
    last: int
    time: int
    price: str = "100.10"
    quantity: str = "0.500"
    sell: bool = False

    @property
    def oracle(self) -> OracleTrade:
        """The same trade for the oracle."""
        return OracleTrade(
            id=self.id,
            price=Decimal(self.price),
            quantity=Decimal(self.quantity),
            first_id=self.first,
            last_id=self.last,
            time_ns=self.time * NS,
            buyer_is_maker=self.sell,
        )


def day(
    start: int = DAY_MS, every: int = EVERY, length: int = DAY, first: int = FIRST_ID
) -> list[Row]:
    """A trade every so often, prices and sides going up and down."""
    rows = []
    for n in range(length // every):
        price = f"{100 + n % 7}.{n % 10}0"
        quantity = f"{1 + n % 3}.{n % 9}25"
        rows.append(
            Row(first + n, first + n, first + n, start + n * every + 7, price, quantity, n % 2 > 0)
        )
    return rows


def aggregates(rows: Iterable[Row]) -> bytes:
    """In the layout of a futures aggTrades file."""
    return _lines(AGGREGATES_HEADER, (_aggregate(row) for row in rows))


def spot_aggregates(rows: Iterable[Row]) -> bytes:
    """In the layout of a spot aggTrades file: no header, a column more."""
    return _lines("", (f"{_aggregate(row)},True" for row in rows))


def _aggregate(row: Row) -> str:
    side = str(row.sell).lower()
    return f"{row.id},{row.price},{row.quantity},{row.first},{row.last},{row.time},{side}"


def trades(rows: Iterable[Row], quote: Callable[[Row], Decimal] | None = None) -> bytes:
    """In the layout of a futures trades file."""
    return _lines(
        TRADES_HEADER,
        (
            f"{row.id},{row.price},{row.quantity},"
            f"{quote(row) if quote else Decimal(row.price) * Decimal(row.quantity)},"
            f"{row.time},{str(row.sell).lower()}"
            for row in rows
        ),
    )


def kline_rows(rows: Sequence[Row], interval: str) -> list[list[str]]:
    """The exchange's klines of trades, as the fields of its file."""
    return [_kline(kline) for kline in klines([row.oracle for row in rows], interval)]


def _kline(kline: OracleKline, unit_ns: int = NS) -> list[str]:
    return [
        str(kline.open_time_ns // unit_ns),
        *(f"{price:.2f}" for price in (kline.open, kline.high, kline.low, kline.close)),
        f"{kline.volume:.3f}",
        str(kline.close_time_ns // unit_ns - 1),
        f"{kline.quote_volume:.5f}",
        str(kline.count),
        f"{kline.taker_buy_volume:.3f}",
        f"{kline.taker_buy_quote_volume:.5f}",
        "0",
    ]


def kline_file(rows: Iterable[Sequence[str]], header: str = KLINES_HEADER) -> bytes:
    """In the layout of a futures kline file, or with another header, or none."""
    return _lines(header, (",".join(row) for row in rows))


def _lines(header: str, rows: Iterable[str]) -> bytes:
    return ("\n".join([*([header] if header else []), *rows]) + "\n").encode()


def changed(rows: Sequence[Sequence[str]], row: int, **fields: str) -> list[list[str]]:
    """The same klines with some fields of one of them replaced."""
    names = KLINES_HEADER.split(",")
    copy = [list(line) for line in rows]
    for name, text in fields.items():
        copy[row][names.index(name)] = text
    return copy


def zipped(name: str, content: bytes) -> bytes:
    """A zip with one stored member: the same bytes wherever it is made."""
    member = zipfile.ZipInfo(name.replace(".zip", ".csv"), date_time=(2024, 5, 16, 0, 0, 0))
    member.create_system, member.external_attr = 3, 0o644 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


def checksum(name: str, content: bytes) -> dict[str, bytes]:
    """A file with its CHECKSUM file."""
    line = f"{hashlib.sha256(content).hexdigest()}  {name}\n".encode()
    return {name: content, f"{name}.CHECKSUM": line}


def case(
    name: str,
    what: str,
    threads: str,
    files: dict[str, bytes],
    found: dict[str, str],
    verdict: str = "invalid",
) -> Case:
    """A case with threads and kinds as words; `#n` is a thread of the archive's repository."""
    named = tuple(
        f"{BPD}#{thread.strip()[1:]}" if thread.strip().startswith("#") else thread.strip()
        for thread in threads.split(";")
        if thread.strip()
    )
    return Case(name, what, named, files, {k: v.split() for k, v in found.items()}, verdict)


def without(rows: list[Row], start: int, stop: int) -> list[Row]:
    """The rows but for some in the middle."""
    return rows[:start] + rows[stop:]


def sentinel(row: Row) -> Row:
    """A row as the exchange marks it invalid."""
    return replace(row, price="0", quantity="0", first=-1, last=-1)
