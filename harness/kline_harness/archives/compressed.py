"""The text of a plain, gzipped or zipped file as blocks of whole lines, verified on the way."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from kline_harness.compiled.rows import count_feeds
from kline_harness.errors import Damaged, InputError, OtherKind
from kline_harness.ledger import Equation

inflater: Any
try:
    from isal import isal_zlib as inflater
except ImportError:  # isal has no wheel for every platform; zlib is three times slower
    inflater = zlib

# Smaller blocks cost more hand-overs, larger ones memory; 4 to 8 MB read equally fast, and two of
# 8 MB make a slice of the feed.
BLOCK_BYTES = 8 << 20
_READ_BYTES = 256 << 10
# Of files of which many are held open no more is read than this.
_READ_BYTES_MIN = 32 << 10
_PIECE_BYTES = 1 << 20
_HEAD_BYTES = 64 << 10
# No format here has lines near this long: more without a line end is not text in lines.
_LINE_LIMIT = 4 << 20
_BROKEN = (zlib.error, inflater.error)
EMPTY = "an empty file"
_RAW_DEFLATE, _GZIP = -15, 31
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Member:
    """The one data member of a zip file: where its bytes are and what they must amount to."""

    name: str
    start: int
    stop: int
    stored: bool
    size: int
    crc: int


@dataclass(slots=True)
class Room:
    """How many bytes the next piece of a text may have, by the size its packing promises."""

    bytes: int


@dataclass(slots=True)
class LinesRead:
    """What a reader says became of the lines that gave no row.

    `header` and `blank` lines, `foreign` rows of symbols that were not asked for.
    """

    header: int = 0
    blank: int = 0
    foreign: int = 0

    def equation(self, name: str, lines: int, rows: int) -> Equation:
        """Return the law that every line of the file is a row read, or one of these."""
        parts = {"rows read": rows, "header": self.header, "blank": self.blank}
        if self.foreign:
            parts["of other symbols"] = self.foreign
        return Equation("lines of a file", name, lines, parts)


class TextFile:
    """A file of lines, whatever it is packed in; the packing is known by its first bytes.

    `size` is the file's size on disk, `compression` plain, gz or zip, `member` the name inside a
    zip, or the one that a gz file stores of what was packed. `sha256` of the file on disk and
    `lines`, the number of lines of the text, are None until a pass over `blocks` has reached the
    end. Lines are counted as the bytes come, for holding
    against what a reader made of them.

    Raises InputError for what cannot be opened or is no such file.
    """

    # Whether its numbers were floats: their shortest text is taken for what was written.
    has_floats = False
    # The beginning of its text, once it was asked for.
    _head: bytes | None = None
    _member: _Member | None = None

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        self.sha256: str | None = None
        self.lines: int | None = None
        with self._open() as file:
            self.size = os.fstat(file.fileno()).st_size
            magic = file.read(4)
            self.compression = _compression(magic)
            if not magic:
                raise OtherKind(self.path, "trades or klines", EMPTY)
            self._member = _find_member(self.path, file) if self.compression == "zip" else None
            stored = _stored_name(file) if self.compression == "gz" else None
        self.member = self._member.name if self._member else stored

    def _open(self) -> BinaryIO:
        try:
            mode = os.stat(self.path).st_mode
            if stat.S_ISREG(mode):
                return open(self.path, "rb")
        except FileNotFoundError:
            raise InputError(self.path, "a file", "none of that name") from None
        except PermissionError:
            raise InputError(self.path, "a readable file", "no permission to read it") from None
        except (OSError, ValueError) as error:
            raise InputError(self.path, "a readable file", _reason(error)) from None
        found = "a directory" if stat.S_ISDIR(mode) else "something that is no regular file"
        raise InputError(self.path, "a file", found)

    @property
    def text_bytes(self) -> int:
        """Return how many bytes of text its packing promises; of a gz file how many it takes."""
        return self.size if self._member is None else self._member.size

    def head(self) -> bytes:
        """Return the beginning of the text, some thousand bytes, cut anywhere.

        It is kept for the next call, until `forget_head`.

        Raises InputError for a file that is corrupt from the start.
        """
        if self._head is None:
            self._head = next(self._pieces(Room(_HEAD_BYTES)), b"")
        return self._head

    def forget_head(self) -> None:
        """Let go of the beginning: the kind of the file is known."""
        self._head = None

    def beginning(self, size: int) -> bytes:
        """Return the first lines of the text, about `size` bytes of whole lines.

        Raises InputError for a file that is corrupt from the start.
        """
        head = self.head()
        cut = head.rfind(b"\n") + 1
        if cut and len(head) >= size:
            return head[:cut]
        return next(self.blocks(size), b"")

    def blocks(self, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
        """Yield the text in blocks of about `block_bytes`, cut after a line end.

        Only the last block may lack one. What the packing promises (size, crc32) is verified when
        the end is reached.

        Raises InputError for a truncated or corrupt file.
        """
        pieces: list[bytes] = []
        held = feeds = 0
        block = b""
        room = Room(min(_PIECE_BYTES, block_bytes))
        for piece in self._pieces(room):
            pieces.append(piece)
            held += len(piece)
            if held < block_bytes:
                room.bytes = min(_PIECE_BYTES, block_bytes - held)
                continue
            cut = piece.rfind(b"\n") + 1
            room.bytes = min(_PIECE_BYTES, block_bytes)
            if cut:
                pieces[-1] = piece[:cut]
                block, pieces = b"".join(pieces), [piece[cut:]]
                held, piece = len(pieces[0]), b""
                feeds += count_feeds(block)
                given, block = [block], b""
                # Nothing is held of what is handed on: many files may be read side by side.
                yield given.pop()
            elif held > block_bytes + _LINE_LIMIT:
                raise InputError(self.path, "lines of text", f"no line end in {held} bytes")
        last = b""
        if held:
            block, pieces, piece = b"".join(pieces), [], b""
            feeds, last = feeds + count_feeds(block), block[-1:]
            given, block = [block], b""
            yield given.pop()
        self.lines = feeds + (last not in (b"", b"\n"))

    def _pieces(self, room: Room) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with self._open() as file:
            # Of a small piece no more than it comes from: many files may be held open.
            size = room.bytes
            read_bytes = _READ_BYTES if size == _PIECE_BYTES else min(_READ_BYTES_MIN, size)
            raw = _read_through(file, digest, read_bytes)
            try:
                if self._member is not None:
                    yield from self._zip_pieces(self._member, raw, room)
                elif self.compression == "gz":
                    yield from self._gz_pieces(raw, room)
                else:
                    yield from raw
                # What follows the data (a zip's directory) belongs to the digest too.
                deque(raw, maxlen=0)
            except _BROKEN:
                found = "data that cannot be decompressed (corrupt)"
                raise Damaged(self.path, f"a complete {self.compression} file", found) from None
            except OSError as error:
                raise InputError(self.path, "a readable file", _reason(error)) from None
        self.sha256 = digest.hexdigest()

    def _gz_pieces(self, raw: Iterator[bytes], room: Room) -> Iterator[bytes]:
        # A gzip file is one member or several in a row, zeros may pad its end.
        stream: Any = None
        for data in raw:
            while data:
                if stream is None:
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    stream = inflater.decompressobj(_GZIP)
                piece = stream.decompress(data, room.bytes)
                if piece:
                    yield piece
                data = stream.unused_data if stream.eof else stream.unconsumed_tail
                if stream.eof:
                    stream = None
        # The trailer is read last, so nothing can be left inside the stream without it.
        if stream is not None:
            raise Damaged(self.path, "a complete gz file", "an early end (truncated)")

    def _zip_pieces(self, member: _Member, raw: Iterator[bytes], room: Room) -> Iterator[bytes]:
        size = crc = 0
        data = _within(raw, member.start, member.stop)
        for piece in data if member.stored else _inflated(data, room):
            size += len(piece)
            crc = inflater.crc32(piece, crc)
            held, piece = [piece], b""
            yield held.pop()
        if size != member.size:
            found = f"{size} (truncated or corrupt)"
            raise Damaged(self.path, f"{member.size} bytes of text in {member.name}", found)
        if crc != member.crc:
            expected = f"crc32 {member.crc:08x} for {member.name}"
            raise Damaged(self.path, expected, f"{crc:08x} (corrupt)")


def _compression(magic: bytes) -> str:
    if magic[:2] == b"\x1f\x8b":
        return "gz"
    return "zip" if magic in (b"PK\x03\x04", b"PK\x05\x06") else "plain"


def _stored_name(file: BinaryIO) -> str | None:
    """Return the name that the header of a gz file has of what was packed, if it has one.

    Source: RFC 1952, 2.3.
    """
    file.seek(0)
    header = file.read(_READ_BYTES_MIN)
    flags, start = header[3:4], 10
    if not flags or not flags[0] & 0x08:
        return None
    if flags[0] & 0x04:
        start += 2 + int.from_bytes(header[10:12], "little")
    name, end, _ = header[start:].partition(b"\0")
    return name.decode("latin-1") or None if end else None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _read_through(file: BinaryIO, digest: Any, read_bytes: int) -> Iterator[bytes]:
    while data := file.read(read_bytes):
        digest.update(data)
        held, data = [data], b""
        yield held.pop()


def _within(raw: Iterator[bytes], start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes of the file from `start` up to `stop`."""
    position = 0
    for data in raw:
        held = [data[max(0, start - position) : max(0, stop - position)]]
        position += len(data)
        data = b""
        if held[0]:
            yield held.pop()
        if position >= stop:
            return


def _inflated(data: Iterator[bytes], room: Room) -> Iterator[bytes]:
    stream = inflater.decompressobj(_RAW_DEFLATE)
    for compressed in data:
        while compressed and not stream.eof:
            # Nothing is held of what is handed on: many files may be read side by side.
            held = [stream.decompress(compressed, room.bytes)]
            compressed = stream.unconsumed_tail
            if held[0]:
                yield held.pop()
    while not stream.eof and (piece := stream.decompress(b"", room.bytes)):
        yield piece


def _find_member(path: str, file: BinaryIO) -> _Member:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [entry for entry in archive.infolist() if _holds_data(entry)]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error, IndexError):
        found = "no directory at its end (truncated or corrupt)"
        raise Damaged(path, "a complete zip file", found) from None
    if len(members) != 1:
        names = ", ".join(entry.filename for entry in members[:5])
        found = f"{len(members)}: {names}{', ...' if len(members) > 5 else ''}" if names else "none"
        raise InputError(path, "one data file in the zip", found)
    (entry,) = members
    if entry.flag_bits & 0x1:
        raise InputError(path, "a zip without password", f"{entry.filename} encrypted")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        found = f"method {entry.compress_type} in {entry.filename}"
        raise InputError(path, "a stored or deflated zip member", found)
    start = _start_of(path, file, entry)
    stored = entry.compress_type == zipfile.ZIP_STORED
    stop = start + entry.compress_size
    return _Member(entry.filename, start, stop, stored, entry.file_size, entry.CRC)


def is_table(path: Path | str) -> bool:
    """Tell whether a file is Parquet or Arrow by its first bytes."""
    try:
        # A pipe would wait for somebody to write into it.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(6).startswith((b"PAR1", b"ARROW1"))
    except (OSError, ValueError):
        return False


def written_at(path: str) -> str | None:
    """Return when the data in a zip file was written, as the zip states it; None for others.

    A zip states local time of its writer to two seconds: only times of one writer compare. The
    first instant that it can state is what writers state who do not tell any.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as archive:
        times = [entry.date_time for entry in archive.infolist() if _holds_data(entry)]
    if not times or max(times) == _NO_TIME:
        return None
    year, month, day, hour, minute, second = max(times)
    return f"{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"


def _start_of(path: str, file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Return where a member's data begins, by its local header.

    Name and extra field of that may differ in length from the directory's.
    """
    try:
        file.seek(entry.header_offset)
        header = file.read(30)
    except (OSError, ValueError, OverflowError):
        header = b""
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise Damaged(path, "a complete zip file", "no header before its data (corrupt)")
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    return int(entry.header_offset + 30 + name_length + extra_length)


def _holds_data(entry: zipfile.ZipInfo) -> bool:
    # macOS adds its own attribute files beside the data.
    return not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
