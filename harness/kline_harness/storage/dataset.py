"""The stored finals: a directory of Parquet parts that readers see old or new, never torn."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.kline import DECIMAL_COLUMNS, SCHEMA
from kline_harness.storage.filesystem import FileSystem, LocalFileSystem

ROW_GROUP_ROWS = 125_000
# Prices repeat, so a dictionary is smaller than anything else; polars cannot read decimals split
# into byte streams. Times and ids share their high bytes: split, zstd sees those as runs.
_DICTIONARY = ["symbol", "interval", "trigger", *DECIMAL_COLUMNS]
_SPLIT = {name: "BYTE_STREAM_SPLIT" for name in SCHEMA.names if name not in _DICTIONARY}


class CommitError(Exception):
    """A part could not be stored: `step` of the commit, and the operating system's `reason`."""

    def __init__(self, step: str, error: OSError) -> None:
        self.step = step
        self.reason = _reason(error)
        super().__init__(f"{step}: {self.reason}")


@dataclass(frozen=True, slots=True)
class Part:
    """A committed file.

    `doubt` is the reason why, though readers see the file, a power cut could still lose it.
    """

    path: Path
    rows: int
    doubt: str | None = None


class KlineDataset:
    """Finals of all symbols and intervals under one schema, in the order of publication.

    A part is written to a temporary file in the same directory, synced, renamed, and the
    directory is synced: whatever fails or dies in between, a reader of ``part-*.parquet`` finds
    the parts committed before, or those and the new one. The same klines give the same bytes.
    """

    def __init__(self, directory: Path, files: FileSystem | None = None) -> None:
        self.directory = directory
        self.files: FileSystem = LocalFileSystem() if files is None else files

    def parts(self) -> list[Path]:
        """Return the committed files in order."""
        return self.files.find(self.directory, "part-*.parquet")

    def rows(self) -> int:
        """Count the rows on disk, from the footers of the committed files."""
        return sum(pq.read_metadata(self.files.source(path)).num_rows for path in self.parts())

    def pieces(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the stored klines part by part, in the order of publication; at least one table."""
        parts = self.parts()
        for path in parts:
            yield self.read_part(path, columns)
        if not parts:
            yield SCHEMA.empty_table().select(SCHEMA.names if columns is None else list(columns))

    def read_part(
        self, path: Path, columns: Sequence[str] | None = None, group: int | None = None
    ) -> pa.Table:
        """Return the klines of one committed file, or of one row group; only columns named."""
        names = SCHEMA.names if columns is None else list(columns)
        # Not `read_table`: it imports datasets and pandas, for ten times the cost of reading.
        file = pq.ParquetFile(self.files.source(path))
        if group is None:
            return file.read(names, use_threads=False)
        return file.read_row_group(group, names, use_threads=False)

    def readers(self) -> list[Callable[[Sequence[str] | None], pa.Table]]:
        """Return what reads each row group of the committed files, in order; only columns named."""
        return [
            partial(self.read_part, path, group=group)
            for path in self.parts()
            for group in range(pq.read_metadata(self.files.source(path)).num_row_groups)
        ]

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return all stored klines in the order of publication; only some columns if named."""
        return pa.concat_tables(list(self.pieces(columns))).unify_dictionaries()

    def clear_leftovers(self) -> int:
        """Delete temporary files of commits that died; return how many there were."""
        leftovers = self.files.find(self.directory, ".part-*.tmp")
        for path in leftovers:
            self.files.remove(path)
        return len(leftovers)

    def commit(self, groups: Iterable[pa.Table]) -> Part:
        """Store tables of `SCHEMA`, each a row group, as the next part.

        Raises CommitError when it could not be stored; the dataset is then as it was.
        """
        numbers = [int(path.stem.removeprefix("part-")) for path in self.parts()]
        target = self.directory / f"part-{max(numbers, default=-1) + 1:05d}.parquet"
        temporary = self.directory / f".{target.name}.tmp"
        try:
            rows, data = _encode(groups)
            self._write(temporary, data)
            del data
            with _step("rename"):
                self.files.rename(temporary, target)
        except CommitError:
            with suppress(OSError):
                self.files.remove(temporary)
            raise
        try:
            self.files.sync_directory(self.directory)
        except OSError as error:
            return Part(target, rows, _reason(error))
        return Part(target, rows)

    def _write(self, path: Path, data: memoryview) -> None:
        with _step("create"):
            handle = self.files.create(path)
        try:
            with _step("write"):
                self.files.write(handle, data)
            with _step("sync"):
                self.files.sync(handle)
        except CommitError:
            with suppress(OSError):
                self.files.close(handle)
            raise
        with _step("close"):
            self.files.close(handle)


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Name the step of the commit that an operating system error came from."""
    try:
        yield
    except OSError as error:
        raise CommitError(name, error) from error


def _encode(groups: Iterable[pa.Table]) -> tuple[int, memoryview]:
    """Return the rows and the bytes of a Parquet file; the same tables give the same bytes."""
    sink, rows = pa.BufferOutputStream(), 0
    options = {"use_dictionary": _DICTIONARY, "column_encoding": _SPLIT}
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd", **options) as file:
        for table in groups:
            rows += table.num_rows
            file.write_table(table, row_group_size=ROW_GROUP_ROWS)
            # Else it would lie beside the next one while that is made.
            del table
    return rows, memoryview(sink.getvalue())


def _reason(error: OSError) -> str:
    """Name an operating system error without the path, which differs from run to run."""
    return f"{errno.errorcode.get(error.errno or 0, 'OSError')}: {error.strerror or error}"
