"""The catalogue looked through: listed, verified byte by byte, pruned of what was superseded."""

from __future__ import annotations

from pathlib import Path

from kline_harness.history.catalogue import Catalogue, Record
from kline_harness.history.months import compare_months
from kline_harness.history.proof import sha256_of
from kline_harness.nouns import counted


def listed(catalogue: Catalogue) -> list[str]:
    """Return a line for each file: market, symbol, data, date, size, proof, sha256."""
    lines = []
    for record in catalogue.latest().values():
        what = f"{record.market} {record.symbol} {record.interval or record.data} {record.date}"
        proof = f"{record.proof} (accepted)" if record.accepted else record.proof
        older = f", supersedes {record.supersedes[:12]}" if record.supersedes else ""
        lines.append(
            f"{what}: {counted(record.size, 'byte')}, {proof}, sha256 {record.sha256}{older}"
        )
    return [*lines, f"{counted(len(lines), 'file')} in {catalogue.home}"]


def verified(catalogue: Catalogue) -> tuple[list[str], int]:
    """Hold every file to its sha256 and every month to its days; return lines and exit code."""
    latest = catalogue.latest()
    lines, sound = [], dict(latest)
    for record in latest.values():
        problem = _problem(catalogue, record)
        if problem:
            lines.append(f"{record.item.name}: {problem}; fetch --refresh brings it again")
            sound.pop(record.url)
        elif not record.usable:
            lines.append(f"{record.item.name}: {record.proof}; {record.detail}")
    months = compare_months(catalogue, sound, list(sound))
    lines += [str(month) for month in months]
    bad = len(latest) - len(sound)
    wrong = [record for record in latest.values() if not record.usable]
    lines.append(
        f"{counted(len(latest), 'file')}, {bad:,} not as recorded, {len(wrong):,} not proved"
    )
    failed = bad or wrong or any(month.changes for month in months)
    return lines, 1 if failed else 0


def pruned(catalogue: Catalogue, delete: bool) -> list[str]:
    """Return what no record needs any more: superseded versions, quarantine, cut-off downloads.

    With `delete` it is deleted; the records stay.

    Raises OutputError when the catalogue cannot be written.
    """
    with catalogue.locked():
        needed = {catalogue.path(record) for record in catalogue.latest().values()}
        folders = (catalogue.objects, catalogue.quarantine, catalogue.parts)
        files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        idle = [path for path in files if path not in needed]
        size = sum(path.stat().st_size for path in idle)
        lines = [str(path.relative_to(catalogue.home)) for path in idle]
        if delete:
            for path in idle:
                path.unlink()
                _drop_empty(path.parent, folders)
        done = "deleted" if delete else "not needed; --yes deletes them"
        return [*lines, f"{counted(len(idle), 'file')}, {counted(size, 'byte')}: {done}"]


def _drop_empty(folder: Path, keep: tuple[Path, ...]) -> None:
    if folder not in keep and not any(folder.iterdir()):
        folder.rmdir()


def _problem(catalogue: Catalogue, record: Record) -> str:
    path = catalogue.path(record)
    try:
        found = sha256_of(path)
    except OSError as error:
        return f"expected a file, found none to read ({error.strerror})"
    return "" if found == record.sha256 else f"expected sha256 {record.sha256}, found {found}"
