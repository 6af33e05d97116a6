"""Files for the readers, and what a reader made of them as plain decimals."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from kline_harness.archives.trade_file import TradeFile
from kline_harness.columns import concat
from kline_harness.tape import Tape, TradeKind

START_MS = 1715731200000  # 2024-05-15
COMPRESSIONS = ("plain", "gz", "zip", "stored")


class Row(NamedTuple):
    """One trade as a test states it and as a reader must return it."""

    id: int
    price: Decimal
    quantity: Decimal
    quote: Decimal
    first: int
    last: int
    time_ns: int
    maker: bool
    kind: TradeKind = TradeKind.MARKET
    symbol: str = "ALFAUSDT"


def write(path: Path, text: str | bytes, compression: str = "plain", member: str = "") -> Path:
    """Write a file in one of the packings a reader takes."""
    data = text.encode() if isinstance(text, str) else text
    if compression == "gz":
        path.write_bytes(gzip.compress(data))
    elif compression in ("zip", "stored"):
        method = zipfile.ZIP_DEFLATED if compression == "zip" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr(member or path.with_suffix(".csv").name, data)
    else:
        path.write_bytes(data)
    return path


def exact(value: int, scale: int) -> Decimal:
    """Return the number behind a scaled integer, of however many digits."""
    return Decimal((int(value < 0), tuple(map(int, str(abs(int(value))))), -scale))


def rows_of(tapes: Iterable[Tape]) -> list[Row]:
    """Return tapes as rows of exact decimals, by plain Python."""
    rows = []
    for tape in tapes:
        for r in range(len(tape)):
            instrument = tape.instruments[int(tape.symbol[r])]
            rows.append(
                Row(
                    int(tape.trade_id[r]),
                    exact(tape.price[r], instrument.price_scale),
                    exact(tape.quantity[r], instrument.quantity_scale),
                    exact(tape.quote[r], instrument.quote_scale),
                    int(tape.first_id[r]),
                    int(tape.last_id[r]),
                    int(tape.event_time_ns[r]),
                    bool(tape.buyer_is_maker[r]),
                    TradeKind(tape.kind[r]),
                    instrument.symbol,
                )
            )
    return rows


def read(
    path: Path,
    *,
    symbol: str | None = None,
    market: str | None = None,
    block_bytes: int = 4 << 20,
) -> list[Row]:
    """Read a file of trades in blocks of some size; joined or not, it must say the same."""
    file = TradeFile(path, symbol=symbol, market=market, block_bytes=block_bytes)
    tapes = list(file.chunks())
    rows = rows_of(tapes)
    assert rows == rows_of([concat(tapes)])
    return rows
