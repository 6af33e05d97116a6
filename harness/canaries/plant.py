"""Where a defect can be planted in a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from harness.columns import Rows
from harness.consumers.filesystem import FileSystem
from harness.consumers.parquet_writer import ParquetWriter, WriterOptions
from harness.interfaces import Aggregator, FeedSlice
from harness.interval import Interval
from harness.simulation.listener import Listening

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
