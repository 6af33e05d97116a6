"""What is known about one input file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import cast

from kline_harness.run_rows import InputRow


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One input file as read.

    `path` as given; `sha256` and `bytes` of the file on disk (`sha256` is None before a full
    pass); `layout` aggTrades, trades, stream or klines; `unit` of the timestamps in the file;
    `rows` data rows read, `skipped` messages of other kinds in a recording; ids and times are the
    smallest and largest seen (of klines: open times, no ids); `market` is None for klines unless
    they are COIN-M; `coverage` the [start, end) that the file's name claims, in nanoseconds;
    `receive_unit` only where there are receive times; `source` whose format it is ("table" by a
    column map, "not stated" where it could be anybody's); `not_stated`
    what the file does not say and the reader filled in: "trade ids" are then numbers given in the
    order of the file (and not listed here), without "sides" every buyer counts as the taker,
    without a "contract size" base quantities were made by the exchange's documents,
    without "exact numbers" klines were floats, of which the shortest text was taken;
    `unread_columns` the names of columns whose meaning is not known, which nothing was read from;
    `contradictions` a sentence for each thing of which its names, or its name and rows, differ.
    """

    path: str
    sha256: str | None
    bytes: int
    layout: str
    market: str | None
    symbols: tuple[str, ...]
    unit: str
    header: bool
    compression: str
    rows: int
    skipped: int
    first_trade_id: int | None
    last_trade_id: int | None
    first_event_time_ns: int | None
    last_event_time_ns: int | None
    coverage: tuple[int, int] | None
    receive_unit: str | None
    source: str
    not_stated: tuple[str, ...] = ()
    unread_columns: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def ids_stated(self) -> bool:
        """Whether trade ids are the source's; a reader's own numbers prove nothing."""
        return "trade ids" not in self.not_stated

    @property
    def is_recording(self) -> bool:
        """Whether it was received without a pause from its first row to its last.

        A seller's table with receive times may be cut off anywhere.
        """
        return self.layout == "stream" and self.receive_unit is not None

    def to_dict(self) -> InputRow:
        """Return the fields as a row of run.json."""
        # Nothing in it is itself made of fields, which `asdict` would look for.
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return cast("InputRow", {**values, "ids_stated": self.ids_stated})
