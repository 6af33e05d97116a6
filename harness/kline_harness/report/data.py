"""The frozen data of a report, read from a run folder alone: no state of a run, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.errors import InputError, error_line
from kline_harness.report.differences import DifferenceRow, differing_klines, read_differences
from kline_harness.report.klines import Series, numbers, read_klines, read_table, text_codes
from kline_harness.run_record import LEDGER_FILE, RECORD_FILE, RunRecord, read_ledger, read_record
from kline_harness.run_rows import EquationRow, ExpectationRows, FindingRow
from kline_harness.run_shape import misfit
from kline_harness.storage.dataset import KlineDataset
from kline_harness.units import Int64Array

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """What happened at one consumer of a channel, by instant.

    `count` values waited for it at a wake-up (``depth``) or in a stall (``stalled``), were
    missed (``lag``), found no room when they were published (``refused``), or were flushed
    (``flush``).
    """

    channel: str
    consumer: str
    event: str
    at_ns: Int64Array
    count: Int64Array


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """Everything a report shows.

    `run` is the content of run.json; the other fields are the tables
    beside it. `ledger` are all equations, where run.json has the sums of each law.
    """

    run: RunRecord
    klines: tuple[Series, ...]
    differences: tuple[DifferenceRow, ...]
    findings: tuple[FindingRow, ...]
    expectations: ExpectationRows | None
    timeline: tuple[Track, ...]
    ledger: tuple[EquationRow, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all but the columns of the klines and the timeline as a JSON object."""
        return {
            "run": self.run.to_dict(),
            "klines": [[line.symbol, line.interval, len(line)] for line in self.klines],
            "differences": [difference.to_dict() for difference in self.differences],
            "findings": [dict(finding) for finding in self.findings],
            "expectations": self.expectations,
            "timeline": [
                [track.channel, track.consumer, track.event, len(track.at_ns)]
                for track in self.timeline
            ],
        }


def read_run(run_dir: Path) -> ReportData:
    """Read a run folder.

    Raises InputError for a folder without a run.json of the known schema, or with a file that
    is not what it should be.
    """
    run = read_stored(run_dir)
    klines = _read(run_dir / "klines", read_klines)
    findings = _read(run_dir / "findings.ndjson", _read_findings)
    # Of very many some are only counted.
    if not findings and any(check["findings"] for check in run.checks):
        raise InputError(run_dir / "findings.ndjson", "findings, as run.json counts", "none")
    return ReportData(
        run=run,
        klines=klines,
        differences=_read(run_dir / "differences.parquet", read_differences),
        findings=findings,
        expectations=_read(run_dir / "expectations.json", _read_expectations),
        timeline=_read(run_dir / "timeline.parquet", _read_timeline),
        ledger=_read(run_dir / LEDGER_FILE, _read_ledger) if run.ledger else (),
    )


def read_stored(run_dir: Path) -> RunRecord:
    """Read run.json of a run folder that has the klines which it says were stored.

    Raises InputError for a folder that has not, and as `read_record` does.
    """
    run = read_record(run_dir / RECORD_FILE)
    writers = [check for check in run.checks if check["check"] == "writer"]
    if not count_klines(run_dir) and any(check["counts"].get("committed") for check in writers):
        raise InputError(run_dir / "klines", "the stored klines, part-*.parquet", "none")
    return run


def read_differing(run_dir: Path, take: Callable[[DifferenceRow], T]) -> list[T]:
    """Return what `take` makes of each differing kline of a run, without its proof and trades.

    Raises InputError for a file that is not a table of differences.
    """
    place = run_dir / "differences.parquet"
    return _read(place, lambda path: [take(row) for row in differing_klines(path)])


def count_klines(run_dir: Path) -> int:
    """Return how many klines a run stored.

    Raises InputError for a part that is not a table of klines.
    """
    parts = _read(run_dir / "klines", lambda folder: KlineDataset(folder).parts())
    return sum(_read(part, _rows_of) for part in parts)


def _rows_of(part: Path) -> int:
    return int(pq.read_metadata(part).num_rows)


def _read(path: Path, read: Callable[[Path], T]) -> T:
    """Read a file, or a folder of files, that anybody may have changed since it was written.

    Raises InputError where what is in it is not what a replay writes there.
    """
    try:
        return read(path)
    except (
        pa.ArrowException,
        OSError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        what = error_line(error)
        raise InputError(path, "what a replay writes there", what) from error


def _read_ledger(path: Path) -> tuple[EquationRow, ...]:
    return tuple(read_ledger(path))


def _load(path: Path, text: str, shape: type[T], line: int | None = None) -> T:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(path, "JSON", str(error), line=line) from error
    if found := misfit(value, shape):
        raise InputError(path, *found, line=line)
    loaded: T = value
    return loaded


def _read_findings(path: Path) -> tuple[FindingRow, ...]:
    if not path.exists():
        return ()
    lines = path.read_text("utf-8").split("\n")
    return tuple(
        _load(path, text, FindingRow, number)
        for number, text in enumerate(lines, start=1)
        if text.strip()
    )


def _read_expectations(path: Path) -> ExpectationRows | None:
    return _load(path, path.read_text("utf-8"), ExpectationRows) if path.exists() else None


def _read_timeline(path: Path) -> tuple[Track, ...]:
    """Read what happened at the consumers, a track per kind of event in the order of the file."""
    if not path.exists():
        return ()
    names = ("channel", "consumer", "event")
    table = read_table(path, [*names, "at_ns", "count"])
    codes, texts = zip(*(text_codes(table[name]) for name in names), strict=True)
    at_ns, count = numbers(table["at_ns"]), numbers(table["count"])
    sizes = [len(text) for text in texts]
    key = np.ravel_multi_index(codes, sizes) if len(at_ns) else codes[0]
    tracks = []
    for first in sorted(np.unique(key, return_index=True)[1].tolist()):
        rows = np.flatnonzero(key == key[first])
        channel, consumer, event = (
            text[code[first]] for text, code in zip(texts, codes, strict=True)
        )
        tracks.append(Track(channel, consumer, event, at_ns[rows], count[rows]))
    return tuple(tracks)
