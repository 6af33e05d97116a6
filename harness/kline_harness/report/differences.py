"""The differing klines as text: both sides exactly, class, cause and proof."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.kline import FIELDS
from kline_harness.report.klines import interval_order, read_table, text_codes, times_ns

# The worst first: the order in which a reader should see them.
CLASSES = ("unexplained", "missing", "extra", "consistent", "proved")
# Rows of a table that are text at a time, where no more are needed.
_ROWS_AT_ONCE = 5_000
_NEEDED = ("symbol", "interval", "open_time", "class")


@dataclass(frozen=True, slots=True)
class DifferenceRow:
    """A kline that is not the exchange's.

    `ours` and `theirs` hold the nine fields of `FIELDS` as plain decimal text, None where that
    side has no kline; `differing` names those that differ. `trades` are those in its time, where
    no proof tells of them. With `published_ns` and without ours, ours was not stored.
    """

    symbol: str
    interval: str
    open_time_ns: int
    kind: str
    differing: tuple[str, ...]
    ours: tuple[str | None, ...]
    theirs: tuple[str | None, ...]
    cause: str | None
    proof: Any
    trades: Any
    published_ns: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as a JSON object."""
        return {
            "symbol": self.symbol,
            "interval": self.interval,
            "open_time_ns": self.open_time_ns,
            "class": self.kind,
            "differing": list(self.differing),
            "ours": dict(zip(FIELDS, self.ours, strict=True)),
            "theirs": dict(zip(FIELDS, self.theirs, strict=True)),
            "cause": self.cause,
            "proof": self.proof,
            "trades": self.trades,
            "published_ns": self.published_ns,
        }


def read_differences(path: Path) -> tuple[DifferenceRow, ...]:
    """Read the differing klines, the worst class first, then by symbol, interval and time.

    No file means no difference.

    Raises InputError for a file that is not a table of differences.
    """
    if not path.exists():
        return ()
    table = read_table(path)
    read_table(path, list(_NEEDED))
    return tuple(sorted(_rows(table), key=rank))


def differing_klines(path: Path) -> Iterator[DifferenceRow]:
    """Yield the differing klines as they are stored, without proof and trades, a few at a time.

    No file means no difference.

    Raises InputError for a file that is not a table of differences.
    """
    if not path.exists():
        return
    read_table(path, list(_NEEDED))
    with pq.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if name not in ("proof", "trades")]
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=names, use_threads=False):
            yield from _rows(pa.Table.from_batches([batch]))


def _rows(table: pa.Table) -> Iterator[DifferenceRow]:
    symbols, intervals = _texts(table, "symbol"), _texts(table, "interval")
    kinds, causes = _texts(table, "class"), _texts(table, "cause")
    differing, proofs = _texts(table, "fields"), _texts(table, "proof")
    trades = _texts(table, "trades")
    published = _instants(table, "published_at")
    ours = list(zip(*(_plain_column(table, f"ours_{name}") for name in FIELDS), strict=True))
    theirs = list(zip(*(_plain_column(table, f"theirs_{name}") for name in FIELDS), strict=True))
    for row, open_ns in enumerate(times_ns(table["open_time"]).tolist()):
        yield DifferenceRow(
            symbols[row] or "",
            intervals[row] or "",
            open_ns,
            kinds[row] or "",
            tuple(name for name in (differing[row] or "").split(",") if name),
            ours[row],
            theirs[row],
            causes[row],
            parse_evidence(proofs[row]),
            parse_evidence(trades[row]),
            published[row],
        )


def parse_evidence(text: str | None) -> Any:
    """Return the object behind JSON text; the text itself when it is no JSON."""
    if text is None:
        return None
    try:
        return json.loads(text, parse_float=str)
    except ValueError:
        return text


def plain_decimal(text: str | None) -> str | None:
    """Write decimal text without exponent and without trailing zeros."""
    if text is None:
        return None
    if "E" in text or "e" in text:
        text = format(Decimal(text), "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def rank(difference: DifferenceRow) -> tuple[Any, ...]:
    """Return what differences are sorted by: the worst class first, then where they are."""
    kind = CLASSES.index(difference.kind) if difference.kind in CLASSES else len(CLASSES)
    order = interval_order(difference.interval)
    return kind, difference.symbol, *order, difference.open_time_ns


def _texts(table: pa.Table, name: str) -> list[str | None]:
    """Return a text column, all None when the table lacks it."""
    if name not in table.column_names or pa.types.is_null(table[name].type):
        return [None] * table.num_rows
    codes, texts = text_codes(table[name])
    return [texts[code] if code >= 0 else None for code in codes.tolist()]


def _instants(table: pa.Table, name: str) -> list[int | None]:
    """Return a time column in nanoseconds, all None when the table lacks it."""
    if name not in table.column_names:
        return [None] * table.num_rows
    values: list[int | None] = table[name].cast(pa.int64()).to_pylist()
    return values


def _plain_column(table: pa.Table, name: str) -> list[str | None]:
    """Return a number column as plain decimal text."""
    if name not in table.column_names:
        return [None] * table.num_rows
    values: list[str | None] = table[name].cast(pa.string()).to_pylist()
    return [plain_decimal(value) for value in values]
