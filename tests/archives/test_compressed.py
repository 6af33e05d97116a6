"""Packings: plain, gz and zip, whole or broken, and the thread that unpacks them."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kline_harness.archives import compressed, detect, open_trades, read_klines
from kline_harness.archives.compressed import TextFile
from kline_harness.background import in_background
from kline_harness.errors import InputError

from tests.archives.files import COMPRESSIONS, START_MS, write

TEXT = "".join(f"{n},{random.Random(n).random()}\n" for n in range(20_000)).encode()


@pytest.fixture(params=["isal", "zlib"])
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both decompressors: the fast one, and the one for platforms without it."""
    if request.param == "zlib":
        monkeypatch.setattr(compressed, "inflater", zlib)


def text_of(path: Path, block_bytes: int = 4 << 20) -> bytes:
    return b"".join(TextFile(path).blocks(block_bytes))


def found(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        text_of(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("block_bytes", [100, 4096, 100_000, 4 << 20])
def test_blocks_are_whole_lines_and_amount_to_the_text(
    tmp_path: Path, compression: str, block_bytes: int
) -> None:
    file = TextFile(write(tmp_path / "file", TEXT[:-1], compression))
    assert file.compression == ("zip" if compression == "stored" else compression)
    blocks = list(file.blocks(block_bytes))
    assert b"".join(blocks) == TEXT[:-1]
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    if block_bytes < 100_000:
        assert max(map(len, blocks)) < 2 * block_bytes + 100
    data = (tmp_path / "file").read_bytes()
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert file.size == len(data)


def test_the_digest_is_unknown_before_the_end(tmp_path: Path) -> None:
    file = TextFile(write(tmp_path / "file", TEXT))
    next(file.blocks(100))
    assert file.sha256 is None


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("padding", [b"", b"\0" * 512])
def test_gzip_members_in_a_row_are_one_text(tmp_path: Path, padding: bytes) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(TEXT) + gzip.compress(b"") + gzip.compress(b"end\n") + padding)
    for block_bytes in (64, 4 << 20):
        assert text_of(path, block_bytes) == TEXT + b"end\n"


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("ratio", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_gz_is_told(tmp_path: Path, ratio: float) -> None:
    data = gzip.compress(TEXT)
    path = tmp_path / "file.gz"
    path.write_bytes(data[: max(3, int(len(data) * ratio))])
    assert "expected a complete gz file, found an early end (truncated)" in found(path)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("at", [-8, -4], ids=["crc", "size"])
def test_a_gz_with_a_wrong_checksum_is_told(tmp_path: Path, at: int) -> None:
    data = bytearray(gzip.compress(TEXT))
    data[at] ^= 1
    path = tmp_path / "file.gz"
    path.write_bytes(data)
    assert "cannot be decompressed (corrupt)" in found(path)


@pytest.mark.usefixtures("inflater")
def test_garbage_after_a_gz_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(TEXT) + b"garbage, and enough of it to be a header")
    assert "cannot be decompressed (corrupt)" in found(path)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compression", ["zip", "stored"])
@pytest.mark.parametrize("ratio", [0.001, 0.3, 0.999])
def test_a_truncated_zip_is_told(tmp_path: Path, compression: str, ratio: float) -> None:
    path = write(tmp_path / "file.zip", TEXT, compression)
    data = path.read_bytes()
    path.write_bytes(data[: max(5, int(len(data) * ratio))])
    assert "a complete zip file, found no directory at its end (truncated" in found(path)


@pytest.mark.usefixtures("inflater")
@pytest.mark.parametrize("compression", ["zip", "stored"])
def test_a_zip_with_a_wrong_crc_is_told(tmp_path: Path, compression: str) -> None:
    path = write(tmp_path / "file.zip", TEXT, compression, "day.csv")
    crc = struct.pack("<I", zlib.crc32(TEXT))
    path.write_bytes(path.read_bytes().replace(crc, b"\x01\x02\x03\x04"))
    assert "expected crc32 04030201 for day.csv, found " in found(path)


@pytest.mark.usefixtures("inflater")
def test_a_zip_with_flipped_data_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "file.zip", TEXT, "stored", "day.csv")
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    assert "crc32" in found(path)
    path = write(tmp_path / "file.zip", TEXT, "zip", "day.csv")
    intact = path.read_bytes()
    for at in range(60, len(intact) - 200, len(intact) // 20):
        data = bytearray(intact)
        data[at] ^= 0x55
        path.write_bytes(data)
        assert "corrupt" in found(path)


def test_a_zip_of_another_size_than_it_says_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "file.zip", TEXT, "zip", "day.csv")
    size = struct.pack("<I", len(TEXT))
    path.write_bytes(path.read_bytes().replace(size, struct.pack("<I", len(TEXT) + 1)))
    message = found(path)
    assert f"expected {len(TEXT) + 1} bytes of text in day.csv, found {len(TEXT)}" in message


def test_a_zip_holds_one_data_file(tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/day.csv", TEXT)
        archive.writestr("__MACOSX/folder/._day.csv", b"attributes")
    assert text_of(path) == TEXT
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.csv", b"1\n")
    assert "one data file in the zip, found 2: folder/day.csv, other.csv" in found(path)
    with zipfile.ZipFile(path, "w"):
        pass
    assert "one data file in the zip, found none" in found(path)


def test_a_zip_with_extra_fields_or_written_to_a_pipe_is_read(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("day.csv")
    entry.extra = struct.pack("<HH4s", 0x7875, 4, b"user")
    with zipfile.ZipFile(tmp_path / "extra.zip", "w") as archive:
        archive.writestr(entry, TEXT)
    assert text_of(tmp_path / "extra.zip") == TEXT

    class Pipe(io.RawIOBase):
        """Takes bytes in order only, so that sizes and crc follow the data."""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            written.append(bytes(data))
            return len(data)

    written: list[bytes] = []
    with zipfile.ZipFile(Pipe(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("day.csv", TEXT)
    (tmp_path / "pipe.zip").write_bytes(b"".join(written))
    assert text_of(tmp_path / "pipe.zip") == TEXT


def test_a_zip_with_a_password_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "file.zip", TEXT, "zip", "day.csv")
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert "expected a zip without password, found day.csv encrypted" in found(path)


def test_a_zip_of_another_method_is_told(tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("day.csv", TEXT)
    assert "a stored or deflated zip member, found method 14 in day.csv" in found(path)


def test_a_zip_with_an_empty_member_is_no_trades_file(tmp_path: Path) -> None:
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.zip", b"", "zip")
    with pytest.raises(InputError, match="expected trades or klines"):
        open_trades(path)


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    os.mkfifo(tmp_path / "pipe")
    places = {
        "empty.csv": "expected trades or klines, found an empty file",
        "none.csv": "expected a file, found none of that name",
        ".": "expected a file, found a directory",
        "pipe": "expected a file, found something that is no regular file",
        "empty.csv/x": "expected a readable file, found Not a directory",
        "x" * 300: "expected a readable file, found File name too long",
        "\0": "expected a readable file, found",
    }
    for name, expected in places.items():
        for use in (open_trades, read_klines, detect):
            if use is detect and name == "empty.csv":
                assert detect(tmp_path / name) == "an empty file"
                continue
            with pytest.raises(InputError) as caught:
                use(tmp_path / name)
            assert expected in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "file.csv", TEXT)
    path.chmod(0)
    assert "expected a readable file, found no permission to read it" in found(path)


def test_text_without_lines_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "file.zip", b"1" * (64 << 20), "zip")
    assert "lines of text, found no line end in" in found(path)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reader"]


def test_the_background_thread_ends_with_its_reader(tmp_path: Path) -> None:
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", f"1,2,3,6,{START_MS},true\n" * 50_000)
    for _ in range(20):
        for tape in in_background(TextFile(path).blocks(1000)):
            assert tape
            assert threads()
            break
        assert not threads()
    chunks = open_trades(path).chunks()
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert not threads()


def test_a_reader_that_fails_leaves_no_thread() -> None:
    def fail() -> None:
        for _ in in_background(iter([b"1"] * 100)):
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not threads()


def test_the_sources_error_reaches_the_reader_after_what_came_before() -> None:
    def source() -> Iterator[bytes]:
        yield b"1"
        yield b"2"
        raise InputError("file", "more", "less")

    items = in_background(source())
    assert (next(items), next(items)) == (b"1", b"2")
    with pytest.raises(InputError, match="expected more, found less"):
        next(items)
    assert not threads()


def test_the_producer_is_never_more_than_the_depth_ahead() -> None:
    made = 0

    def source() -> Iterator[bytes]:
        nonlocal made
        for _ in range(50):
            made += 1
            yield b"x"

    for taken, _ in enumerate(in_background(source(), depth=2), 1):
        time.sleep(0.001)
        # Taken, two waiting, and one in the producer's hands.
        assert made <= taken + 3
    assert made == 50
