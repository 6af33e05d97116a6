"""One inspected file, and what was found of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kline_harness.archives import ExchangeKlines, FileInfo, TradeFile
from kline_harness.checks.files import FileWatch
from kline_harness.inspection.checksum import Checksum
from kline_harness.inspection.trade_buckets import TradeBuckets
from kline_harness.ranges import Ranges
from kline_harness.verdict import Verdict


@dataclass(slots=True)
class FileReport:
    """A file, what is known of it, and the verdict on it alone.

    `klines`, or `trades` with the ids and the volumes by kline of each symbol, are for the checks
    across files; `raw_ids` are the ids of the trades in aggregates, `watches` what was seen of the
    times of each symbol's trades. `info` is None where not even
    the first lines could be read.
    """

    path: str
    info: FileInfo | None
    checksum: Checksum
    verdict: Verdict
    klines: ExchangeKlines | None = None
    trades: TradeFile | None = None
    ids: dict[str, Ranges] = field(default_factory=dict)
    raw_ids: dict[str, Ranges] = field(default_factory=dict)
    in_order: bool = True
    buckets: dict[str, TradeBuckets] = field(default_factory=dict)
    watches: dict[str, FileWatch] = field(default_factory=dict)
    other_kind: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return Path(self.path).name

    @property
    def looked_at(self) -> bool:
        """Whether the file was read and judged, its checksum apart."""
        return self.other_kind is None

    @property
    def verdict_text(self) -> str:
        """The verdict's word; a file that was not looked at has none unless its checksum is odd."""
        if self.looked_at or self.verdict.findings:
            return self.verdict.validity.value
        return "not looked at"

    @property
    def coverage(self) -> tuple[int, int] | None:
        """The [start, end) in nanoseconds that the file's name claims."""
        return self.info.coverage if self.info else None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data for JSON; the file by name, not by where it lies."""
        info = dict(self.info.to_dict()) if self.info else {}
        return {
            "file": self.name,
            "verdict": self.verdict_text,
            "other_kind": self.other_kind,
            "checksum": self.checksum.value,
            "info": {name: value for name, value in info.items() if name != "path"},
            "counts": dict(self.verdict.counts),
            "findings": [finding.to_dict() for finding in self.verdict.findings],
            "not_checked": list(self.verdict.not_checked),
        }
