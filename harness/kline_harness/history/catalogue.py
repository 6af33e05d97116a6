"""The catalogue: files by their content, and an append-only record of them.

HOME/objects/SHA256/NAME      the files, never changed
HOME/quarantine/SHA256/NAME   files whose packing is broken, kept to be looked at
HOME/parts/                   downloads under way
HOME/catalogue.ndjson         a record a line; the last one of a URL is what holds
HOME/lock                     held by whoever writes: one fetch at a time
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from kline_harness.errors import InputError, writing
from kline_harness.history.proof import ArchiveProof
from kline_harness.history.selection import Item

HOME = "KLINE_HARNESS_HOME"
_SOUND = (ArchiveProof.PROVED.value, ArchiveProof.WHOLE.value)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the catalogue: a version of a file as it was seen.

    `sha256` names the content, `size` is in bytes; `etag` and `last_modified` are the server's;
    `first_seen` and `last_seen` are wall-clock instants of this content at this URL; `proof` is an
    `ArchiveProof` value and `detail` what it rests on; `accepted` whether a person took it without
    proof; `supersedes` is the sha256 of the version that it replaced, "" for the first.
    """

    url: str
    sha256: str
    size: int
    etag: str
    last_modified: str
    first_seen: str
    last_seen: str
    proof: str
    detail: str
    accepted: bool
    supersedes: str
    market: str
    symbol: str
    data: str
    interval: str
    period: str
    date: str

    @property
    def item(self) -> Item:
        """The file of the archive that this is a version of."""
        where = (self.market, self.symbol, self.data, self.interval, self.period, self.date)
        return Item(*where)

    @property
    def damaged(self) -> bool:
        """Whether its packing is broken."""
        return self.proof == ArchiveProof.DAMAGED.value

    @property
    def usable(self) -> bool:
        """Whether a replay may take it."""
        return self.proof in _SOUND or (self.accepted and not self.damaged)


_TYPES = {
    field.name: {"int": int, "bool": bool, "str": str}[str(field.type)] for field in fields(Record)
}


class Catalogue:
    """The catalogue of a folder; reading needs no lock."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.objects = home / "objects"
        self.quarantine = home / "quarantine"
        self.parts = home / "parts"
        self.file = home / "catalogue.ndjson"

    def records(self) -> list[Record]:
        """Return every record, oldest first; a line that a crash cut off is none.

        Raises InputError for a line that is no record.
        """
        try:
            text = self.file.read_bytes()
        except FileNotFoundError:
            return []
        lines = text.split(b"\n")[:-1]
        return [self._parse(line, number) for number, line in enumerate(lines, start=1)]

    def latest(self) -> dict[str, Record]:
        """Return the record that holds for each URL, in order of URLs."""
        last = {record.url: record for record in self.records()}
        return dict(sorted(last.items()))

    def path(self, record: Record) -> Path:
        """Return where a record's file is."""
        folder = self.quarantine if record.damaged else self.objects
        return folder / record.sha256 / record.item.name

    def append(self, record: Record) -> None:
        """Add a record; call it under `locked`."""
        line = json.dumps(asdict(record), sort_keys=True, ensure_ascii=False) + "\n"
        with open(self.file, "ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            if file.read(1) != b"\n":
                # What a crash cut off was never part of the record.
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def locked(self, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the catalogue for writing; waits for another fetch, of which `waiting` hears.

        Raises OutputError when the folder cannot be written.
        """
        with writing(self.home):
            for folder in (self.objects, self.quarantine, self.parts):
                folder.mkdir(parents=True, exist_ok=True)
            file = open(self.home / "lock", "ab")  # noqa: SIM115
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if waiting is not None:
                    waiting(f"{self.home}: another fetch or prune is at work; waiting for its end")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _parse(self, line: bytes, number: int) -> Record:
        try:
            content = json.loads(line)
            if set(content) != set(_TYPES):
                raise ValueError
            if any(type(content[name]) is not kind for name, kind in _TYPES.items()):
                raise ValueError
            return Record(**content)
        except (ValueError, TypeError):
            found = repr(line[:80].decode(errors="replace"))
            raise InputError(self.file, "a record of the catalogue", found, line=number) from None


def default_home() -> Path:
    """Return the catalogue's folder: KLINE_HARNESS_HOME, else in the user's data folder."""
    if given := os.environ.get(HOME):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "kline-harness"


def move_in(source: Path, target: Path) -> None:
    """Put a file to its place for good: synced, renamed, its folder synced."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(source, "rb") as file:
        os.fsync(file.fileno())
    os.replace(source, target)
    for folder in (target.parent, target.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
