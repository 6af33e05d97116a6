"""CSV text with quotation marks around its fields, as text without them."""

from __future__ import annotations

from collections.abc import Iterator

from kline_harness.archives.compressed import Room, TextFile


class QuotedText(TextFile):
    """A file whose fields stand between quotation marks, none of them with a comma within.

    A field that has one makes a column too many, which is refused with its line.
    """

    def _pieces(self, room: Room) -> Iterator[bytes]:
        for piece in super()._pieces(room):
            yield piece.replace(b'"', b"")


def is_quoted(head: bytes) -> bool:
    """Tell whether every field of the rows of a file that begins so has quotation marks."""
    rows = [line.rstrip(b"\r") for line in head.split(b"\n", 2)[:2]]
    # A header alone that has them needs nothing: names are taken without.
    return all(map(_is_whole, rows[-1].split(b",")))


def _is_whole(field: bytes) -> bool:
    return field.count(b'"') == 2 and field[:1] == field[-1:] == b'"'
