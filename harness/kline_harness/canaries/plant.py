"""Where a defect can be planted in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from kline_harness.columns import Rows
from kline_harness.interfaces import Aggregator, FeedSlice
from kline_harness.interval import Interval
from kline_harness.simulation.listener import Listening
from kline_harness.storage.filesystem import FileSystem
from kline_harness.storage.parquet_writer import ParquetWriter, WriterOptions

Deliver: TypeAlias = Callable[[int, Rows[Any]], None]


@dataclass(frozen=True, slots=True)
class Plant:
    """Replacements for parts of a run; what is None stays as it is.

    `channel` wraps one consumer's end of a broadcast; `feed` what goes to the aggregator; `blind`
    names the checks that find nothing.
    """

    aggregator: Callable[[Sequence[Interval]], Aggregator] | None = None
    channel: Callable[[Listening, Deliver], tuple[Listening, Deliver]] | None = None
    writer: Callable[[Path, WriterOptions, FileSystem], ParquetWriter] | None = None
    feed: Callable[[Iterable[FeedSlice]], Iterable[FeedSlice]] | None = None
    blind: frozenset[str] = frozenset()


NOTHING = Plant()
