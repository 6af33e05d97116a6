"""A file system in memory that knows what a crash leaves: the model the writer is tested on.

What a process wrote stays when only the process dies. A power cut keeps what was synced; of the
rest it keeps what it likes: any beginning of a content, any number of the directory's changes in
their order. So a rename may be lost, or survive while the content of its file does not.

Source of the rules: fsync(2) and rename(2) of Linux, and the ordered mode of ext4's journal,
weakened: content is never written before a rename unless it was synced.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa


@dataclass(slots=True)
class _Content:
    """A file's bytes as processes see them, and how many of them are on the medium."""

    data: bytearray
    synced: int = 0


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of the directory not yet on the medium: `path` names a content, or nothing."""

    path: Path
    content: _Content | None


class MemoryFileSystem:
    """Files in memory; one directory tree, of which only files are kept."""

    def __init__(self) -> None:
        self._files: dict[Path, _Content] = {}
        self._durable: dict[Path, _Content] = {}
        self._journal: list[_Change] = []
        self._open: dict[int, _Content] = {}
        self._handles = 0

    def make_directory(self, directory: Path) -> None:
        """Do nothing: directories are only parts of names here."""

    def find(self, directory: Path, pattern: str) -> list[Path]:
        """Return the files of a directory whose names fit a pattern, in order."""
        return sorted(
            path
            for path in self._files
            if path.parent == directory and fnmatchcase(path.name, pattern)
        )

    def source(self, path: Path) -> Any:
        """Return the content as a buffer."""
        return pa.BufferReader(bytes(self._content(path).data))

    def create(self, path: Path) -> int:
        """Open a new or emptied file for writing; return its handle."""
        content = _Content(bytearray())
        self._change(path, content)
        self._handles += 1
        self._open[self._handles] = content
        return self._handles

    def write(self, handle: int, data: memoryview) -> None:
        """Append to the content."""
        self._open[handle].data += data

    def sync(self, handle: int) -> None:
        """Put the content on the medium."""
        content = self._open[handle]
        content.synced = len(content.data)

    def close(self, handle: int) -> None:
        """Close the handle."""
        del self._open[handle]

    def rename(self, source: Path, target: Path) -> None:
        """Give the file its final name."""
        content = self._content(source)
        self._change(target, content)
        self._change(source, None)

    def sync_directory(self, directory: Path) -> None:
        """Put every change of the directory on the medium."""
        self._keep(len(self._journal))

    def remove(self, path: Path) -> None:
        """Delete a file if it exists."""
        if path in self._files:
            self._change(path, None)

    def kill(self) -> None:
        """Let the process die: its handles are gone, what it wrote is not."""
        self._open.clear()

    def cut_power(self, random: Random) -> None:
        """Lose what was not synced, as far as chance has it."""
        self.kill()
        self._keep(self._survivors(random))
        self._journal.clear()
        for content in self._durable.values():
            length = random.randrange(content.synced, max(content.synced, len(content.data)) + 1)
            del content.data[length:]
            content.synced = length
        self._files = dict(self._durable)

    def _survivors(self, random: Random) -> int:
        """Return how many changes the medium has; a rename is two of them, and one act."""
        count = random.randrange(len(self._journal) + 1)
        is_torn = 0 < count < len(self._journal) and self._journal[count].content is None
        return count + 1 if is_torn else count

    def _keep(self, count: int) -> None:
        for change in self._journal[:count]:
            if change.content is None:
                self._durable.pop(change.path, None)
            else:
                self._durable[change.path] = change.content
        del self._journal[:count]

    def _change(self, path: Path, content: _Content | None) -> None:
        if content is None:
            self._files.pop(path, None)
        else:
            self._files[path] = content
        self._journal.append(_Change(path, content))

    def _content(self, path: Path) -> _Content:
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from None
