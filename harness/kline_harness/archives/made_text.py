"""A file of another form than lines, turned into lines of comma-separated text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from kline_harness.archives.compressed import Room, TextFile
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

    def _pieces(self, room: Room) -> Iterator[bytes]:
        if self.size > _BYTES_MAX:
            raise InputError(self.path, "a reply of a REST interface", f"{self.size} bytes")
        yield self.made(b"".join(super()._pieces(room)))


class GivenText(TextFile):
    """Lines that were made of a part of another file's content."""

    def __init__(self, origin: TextFile, text: bytes) -> None:
        super().__init__(origin.path)
        self._text = text
        self._digest = origin.sha256

    def _pieces(self, room: Room) -> Iterator[bytes]:
        yield self._text
        self.sha256 = self._digest


class RowsText(TextFile):
    """Rows of a database as lines; `place` names where they stand, such as a file and a table."""

    def __init__(self, place: str, text: bytes, *, has_floats: bool = False) -> None:
        # No file is opened: the lines are all there is.
        self.path, self.member, self.compression = place, None, "plain"
        self.sha256, self.lines, self.size = None, None, len(text)
        self._head = None
        self.has_floats = has_floats
        self._text = text

    def _pieces(self, room: Room) -> Iterator[bytes]:
        yield self._text
        self.sha256 = hashlib.sha256(self._text).hexdigest()


def line_of(path: str, values: Sequence[Any]) -> str:
    """Return values of JSON as a line of comma-separated text; nothing stands for null.

    Raises InputError for a text that would be more than one field.
    """
    texts = [_text(value) for value in values]
    if any("," in text or "\n" in text or "\r" in text for text in texts):
        raise InputError(path, "numbers and words in a reply", shown(values))
    return ",".join(texts)


def lines_of_objects(path: str, items: Sequence[Any]) -> list[str]:
    """Return JSON objects as lines, the names of their fields first.

    Raises InputError for what is no object, or has other fields than the first.
    """
    if not all(isinstance(item, dict) for item in items):
        raise InputError(path, "a reply with a list of trades or klines", shown(items))
    names = list(items[0])
    for row, item in enumerate(items, 1):
        if set(item) != set(names):
            expected = f"the fields {' '.join(names)} as in the first row"
            raise InputError(path, expected, " ".join(item), line=row)
    return [line_of(path, names), *(line_of(path, [item[n] for n in names]) for item in items)]


def shown(value: Any) -> str:
    """Return the beginning of a value as JSON, for a message."""
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:97] + "..."


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
