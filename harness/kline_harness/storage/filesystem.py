"""The few steps that make a file appear whole or not at all; replaceable by a model of a disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol


class FileSystem(Protocol):
    """The steps of a commit, in order: create, write, sync, close, rename, sync_directory.

    Every step may raise OSError. `remove` clears away what a failed commit left; readers find
    files with `find` and open what `source` returns.
    """

    def make_directory(self, directory: Path) -> None:
        """Make a directory, and those above it, if it does not exist."""
        ...

    def find(self, directory: Path, pattern: str) -> list[Path]:
        """Return the files of a directory whose names fit a pattern, in order."""
        ...

    def source(self, path: Path) -> Any:
        """Return what Arrow can read the file from."""
        ...

    def create(self, path: Path) -> int:
        """Open a new or emptied file for writing; return its handle."""
        ...

    def write(self, handle: int, data: memoryview) -> None:
        """Write all of the data."""
        ...

    def sync(self, handle: int) -> None:
        """Wait until the file's content is on the medium."""
        ...

    def close(self, handle: int) -> None:
        """Close the handle."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Give the file its final name, at once."""
        ...

    def sync_directory(self, directory: Path) -> None:
        """Wait until the directory's entries are on the medium."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a file if it exists."""
        ...


class LocalFileSystem:
    """The operating system's files."""

    def make_directory(self, directory: Path) -> None:
        """Make a directory, and those above it, if it does not exist."""
        directory.mkdir(parents=True, exist_ok=True)

    def find(self, directory: Path, pattern: str) -> list[Path]:
        """Return the files of a directory whose names fit a pattern, in order."""
        return sorted(directory.glob(pattern))

    def source(self, path: Path) -> Any:
        """Return the path itself."""
        return path

    def create(self, path: Path) -> int:
        """Open a new or emptied file for writing; return its descriptor."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def write(self, handle: int, data: memoryview) -> None:
        """Write all of the data, however small the pieces the system takes."""
        while len(data):
            data = data[os.write(handle, data) :]

    def sync(self, handle: int) -> None:
        """Wait until the file's content is on the medium."""
        os.fsync(handle)

    def close(self, handle: int) -> None:
        """Close the descriptor."""
        os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        """Give the file its final name, at once."""
        os.replace(source, target)

    def sync_directory(self, directory: Path) -> None:
        """Wait until the directory's entries are on the medium."""
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, path: Path) -> None:
        """Delete a file if it exists."""
        path.unlink(missing_ok=True)


class FailingFileSystem(LocalFileSystem):
    """The operating system's files, but the commits with the given numbers, from 0, fail."""

    def __init__(self, failing: Collection[int]) -> None:
        self._failing = frozenset(failing)
        self._commits = 0

    def create(self, path: Path) -> int:
        """Open a new file, unless this commit fails.

        Raises OSError when it does.
        """
        number = self._commits
        self._commits += 1
        if number in self._failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().create(path)
