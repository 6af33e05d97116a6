"""What a file of trades is watched for, by what its first lines say of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from kline_harness.archives import FileInfo
from kline_harness.checks.files import FileWatch
from kline_harness.checks.row_laws import ContractSize
from kline_harness.contracts import is_size_documented, size_of


def watch_of(info: FileInfo, symbol: str, given: Decimal | None = None) -> FileWatch:
    """Return the watch over one symbol's trades of a file, as its first lines describe it.

    Base quantities that it states are held to the `given` contract size, else to the one that the
    documents name for the symbol.
    """
    size = None
    if info.layout == "trades" and info.market == "cm":
        known = size_of(symbol, given) if given or is_size_documented(symbol) else None
        size = ContractSize() if known is None else ContractSize(float(known), float(known))
    return FileWatch(
        Path(info.path).name,
        symbol,
        info.coverage,
        sides_stated="sides" not in info.not_stated,
        ids_stated=info.ids_stated,
        is_aggregated=info.layout == "aggTrades",
        is_recorded=info.layout == "stream",
        quotes_stated=info.layout == "trades" and info.market != "cm",
        size_assumed="contract size" in info.not_stated and not is_size_documented(symbol),
        size=size,
    )
