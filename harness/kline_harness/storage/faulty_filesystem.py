"""A file system on which commits fail, or kill their writer, as a plan says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from kline_harness.storage.filesystem import FileSystem
from kline_harness.storage.memory_filesystem import MemoryFileSystem


class WriterKilled(Exception):
    """The process of the writer died in the middle of a step."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens at a step: an error by its name, or the writer's death (no name)."""

    error: str | None
    power_cut: bool = False


# Says what happens at a step of the commit with a number; None for nothing.
Plan: TypeAlias = Callable[[int, str], Trouble | None]


class FaultyFileSystem:
    """Plays a plan of troubles on another file system.

    A write in trouble leaves half of its data. A power cut needs a `MemoryFileSystem` beneath.
    `commit` counts the files created.
    """

    def __init__(self, files: FileSystem, plan: Plan, random: Random) -> None:
        self.files = files
        self.commit = -1
        self._plan = plan
        self._random = random

    def make_directory(self, directory: Path) -> None:
        """Make a directory."""
        self.files.make_directory(directory)

    def find(self, directory: Path, pattern: str) -> list[Path]:
        """Return files by name."""
        return self.files.find(directory, pattern)

    def source(self, path: Path) -> Any:
        """Return what Arrow can read the file from."""
        return self.files.source(path)

    def create(self, path: Path) -> int:
        """Open a new file, or fail."""
        self.commit += 1
        self._meet("create")
        return self.files.create(path)

    def write(self, handle: int, data: memoryview) -> None:
        """Write the data, or half of it and fail."""
        trouble = self._plan(self.commit, "write")
        if trouble is not None:
            self.files.write(handle, data[: len(data) // 2])
            self._befall(trouble)
        self.files.write(handle, data)

    def sync(self, handle: int) -> None:
        """Sync, or fail."""
        self._meet("sync")
        self.files.sync(handle)

    def close(self, handle: int) -> None:
        """Close, or fail; a handle that fails to close is closed all the same."""
        self.files.close(handle)
        self._meet("close")

    def rename(self, source: Path, target: Path) -> None:
        """Rename, or fail."""
        self._meet("rename")
        self.files.rename(source, target)

    def sync_directory(self, directory: Path) -> None:
        """Sync the directory, or fail."""
        self._meet("sync_directory")
        self.files.sync_directory(directory)

    def remove(self, path: Path) -> None:
        """Delete a file if it exists."""
        self.files.remove(path)

    def _meet(self, step: str) -> None:
        trouble = self._plan(self.commit, step)
        if trouble is not None:
            self._befall(trouble)

    def _befall(self, trouble: Trouble) -> None:
        if trouble.error is not None:
            code = getattr(errno, trouble.error)
            raise OSError(code, os.strerror(code))
        if isinstance(self.files, MemoryFileSystem):
            if trouble.power_cut:
                self.files.cut_power(self._random)
            else:
                self.files.kill()
        raise WriterKilled
