"""Columns on disk, so that memory does not grow with the rows of a file or of a run."""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kline_harness.errors import OutputError

_PREFIX = "kline-harness-columns-"


class ColumnPlace(NamedTuple):
    """Where a column is: its first byte, its bytes, and its type, none if it is pickled."""

    start: int
    size: int
    kind: str


class ColumnSpool:
    """Columns on disk, of any number of files; in a file with no name: nothing is left over."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def write(self, column: NDArray[Any]) -> ColumnPlace:
        """Store a column and return where it is.

        Raises OutputError where the disk has no room for it.
        """
        wide = column.dtype == object
        data = pickle.dumps(column) if wide else np.ascontiguousarray(column).tobytes()
        place = ColumnPlace(self._end, len(data), "" if wide else column.dtype.str)
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix=_PREFIX, buffering=0)  # noqa: SIM115
                # Whoever reads rows last is not known here.
                weakref.finalize(self, self._file.close)
            written = 0
            # A disk that is nearly full takes a part first, and says so the next time.
            while written < len(data):
                written += os.pwrite(self._file.fileno(), data[written:], place.start + written)
        except OSError as error:
            raise OutputError(
                f"{tempfile.gettempdir()}: no room for columns of klines: {error.strerror}"
            ) from error
        self._end += len(data)
        return place

    def read(self, place: ColumnPlace) -> NDArray[Any]:
        """Return the column at a place."""
        assert self._file is not None
        data = os.pread(self._file.fileno(), place.size, place.start)
        column: NDArray[Any] = np.frombuffer(data, place.kind) if place.kind else pickle.loads(data)
        return column
