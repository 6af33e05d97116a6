"""What one run has that another has not: verdict, options, files, checks, differences, klines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from kline_harness.gate.equality import differing
from kline_harness.nouns import counted
from kline_harness.report.data import count_klines, read_differing, read_stored
from kline_harness.report.differences import DifferenceRow, rank
from kline_harness.report.format import flatten
from kline_harness.run_record import RunRecord
from kline_harness.units import utc_text

_SHOWN = 20
# Lines about klines that are listed; all are counted.
_KLINES_LISTED = 10_000


@dataclass(frozen=True, slots=True)
class RunDifference:
    """The lines in which two runs differ, by what they are about; empty where they do not."""

    verdict: tuple[str, ...]
    options: tuple[str, ...]
    inputs: tuple[str, ...]
    checks: tuple[str, ...]
    differences: tuple[str, ...]
    klines: tuple[str, ...]
    # Lines about klines, after the first ten thousand.
    klines_not_listed: int = 0

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(asdict(self).values())

    def lines(self, shown: int = _SHOWN) -> Iterator[str]:
        """Yield the lines for a terminal, no more than `shown` of each part."""
        for name, found in asdict(self).items():
            if not isinstance(found, tuple) or not found:
                continue
            yield f"{name}:"
            yield from (f"  {line}" for line in found[:shown])
            hidden = max(0, len(found) - shown) + self.klines_not_listed * (name == "klines")
            if hidden:
                yield f"  and {hidden:,} more"
        if self.same:
            yield "no difference"

    def to_json(self) -> str:
        """Return every line as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)


def difference_of(before: Path, after: Path) -> RunDifference:
    """Compare two run folders.

    Raises InputError for a folder that holds no run.
    """
    old, new = (read_stored(folder) for folder in (before, after))
    was, now = count_klines(before), count_klines(after)
    if was != now:
        klines, hidden = [f"{counted(was, 'kline')} before, {now:,} now"], 0
    else:
        klines, hidden = _klines(before, after) if now else ([], 0)
    return RunDifference(
        tuple(_pairs({"verdict": old.verdict}, {"verdict": new.verdict})),
        tuple(_pairs(dict(flatten(old.scenario)), dict(flatten(new.scenario)))),
        tuple(_pairs(_files(old), _files(new))),
        tuple(_pairs(_figures(old), _figures(new))),
        tuple(_differences(_known(before), _known(after))),
        tuple(klines),
        hidden,
    )


def _klines(before: Path, after: Path) -> tuple[list[str], int]:
    """Return the first lines about klines that differ, and how many more there are."""
    found = differing(after, before, _KLINES_LISTED, ("after", "before"))
    if not found.total:
        return [], 0
    head = f"klines are not identical: {found.ours:,} after, {found.theirs:,} before"
    lines = [head, *(line.strip() for line in found.lines)]
    return lines, found.total - len(found.lines)


def _pairs(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*old, *new]):
        if old.get(name, "none") == new.get(name, "none"):
            continue  # an option that one side lacks is none there
        if name not in old:
            yield f"{name}: new, {new[name]}"
        elif name not in new:
            yield f"{name}: no more, was {old[name]}"
        else:
            yield f"{name}: {old[name]} -> {new[name]}"


def _files(run: RunRecord) -> dict[str, str]:
    """Return the digests of the files of each role and name: files of two folders may share one."""
    found: dict[str, list[str]] = {}
    for row in run.inputs:
        found.setdefault(f"{row['role']} {row['path']}", []).append(str(row.get("sha256"))[:12])
    return {name: ", ".join(digests) for name, digests in found.items()}


def _figures(run: RunRecord) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for check in run.checks:
        found[check["check"]] = check["verdict"]
        for name, count in {**check["counts"], **check["findings"]}.items():
            found[f"{check['check']} {name.replace('_', ' ')}"] = count
    return found


@dataclass(frozen=True, slots=True)
class _Differing:
    """A differing kline, of which both sides are too much to be held."""

    rank: tuple[Any, ...]
    key: tuple[str, str, int]
    kind: str
    cause: str | None
    told: str
    sides: bytes

    @staticmethod
    def of(row: DifferenceRow) -> _Differing:
        """Take what makes a difference another one; how it was proved is none of it."""
        sides = sha256(repr((row.kind, row.cause, row.ours, row.theirs)).encode()).digest()
        key = (row.symbol, row.interval, row.open_time_ns)
        return _Differing(rank(row), key, row.kind, row.cause, _told(row), sides)


def _known(folder: Path) -> dict[tuple[str, str, int], _Differing]:
    rows = sorted(read_differing(folder, _Differing.of), key=lambda row: row.rank)
    return {row.key: row for row in rows}


def _differences(
    before: Mapping[tuple[str, str, int], _Differing],
    after: Mapping[tuple[str, str, int], _Differing],
) -> Iterator[str]:
    """Yield differences from the exchange that are new, changed or gone, in this order."""
    for key, row in after.items():
        if key not in before:
            yield f"new: {row.told}"
    for key, row in after.items():
        was = before.get(key)
        if was is not None and was.sides != row.sides:
            yield f"changed: {row.told}; before: {was.kind} {was.cause or ''}".rstrip()
    for key, row in before.items():
        if key not in after:
            yield f"gone: {row.told}"


def _told(row: DifferenceRow) -> str:
    fields = ", ".join(row.differing) or (
        "ours is missing" if None in row.ours else "ours is extra"
    )
    cause = f", cause: {row.cause}" if row.cause else ""
    return f"{row.symbol} {row.interval} {utc_text(row.open_time_ns)} {row.kind} ({fields}{cause})"
