"""A file of another form than lines, turned into lines of comma-separated text."""

from __future__ import annotations

from collections.abc import Iterator

from kline_harness.archives.compressed import TextFile
from kline_harness.errors import InputError

# A reply holds at most some thousand rows; many may have been put together.
_BYTES_MAX = 256 << 20


class MadeText(TextFile):
    """A file whose text is made of the whole of it; a row's number stands for its line."""

    def made(self, content: bytes) -> bytes:
        """Return the lines.

        Raises InputError for content that has none.
        """
        raise NotImplementedError

    def _pieces(self, piece_bytes: int) -> Iterator[bytes]:
        if self.size > _BYTES_MAX:
            raise InputError(self.path, "a reply of a REST interface", f"{self.size} bytes")
        yield self.made(b"".join(super()._pieces(piece_bytes)))


class GivenText(TextFile):
    """Lines that were made of a part of another file's content."""

    def __init__(self, origin: TextFile, text: bytes) -> None:
        super().__init__(origin.path)
        self._text = text
        self._digest = origin.sha256

    def _pieces(self, piece_bytes: int) -> Iterator[bytes]:
        yield self._text
        self.sha256 = self._digest
