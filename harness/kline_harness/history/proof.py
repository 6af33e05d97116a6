"""What proves a downloaded file: its length, the packing's own CRC-32, the published CHECKSUM."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from kline_harness.archives.compressed import TextFile
from kline_harness.errors import InputError
from kline_harness.inspection.checksum import stated_sha256


class ArchiveProof(Enum):
    """How far a file is proved.

    `PROVED`: length, CRC-32 and the published sha256 agree. `WHOLE`: length and CRC-32 agree, and
    the archive publishes no CHECKSUM of any file. `UNPROVEN`: it publishes some, and none of this
    file. `CHECKSUM_WRONG`: the CRC-32 is right and the published sha256 is another's. `MISNAMED`:
    it is what the archive published, and what is packed is several files or one of another name.
    `DAMAGED`: the CRC-32 was wrong twice at full length.
    """

    PROVED = "proved"
    WHOLE = "whole"
    UNPROVEN = "unproven"
    CHECKSUM_WRONG = "published checksum wrong"
    MISNAMED = "not as named"
    DAMAGED = "damaged at source"


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file: their sha256, and what is wrong with them ("" if nothing).

    `damage` is of the packing; `foreign` says that it is another packing altogether, such as a
    page; `misnamed` is what is packed in place of the one file of its name.
    """

    sha256: str
    damage: str
    foreign: bool = False
    misnamed: str = ""


def read_content(path: Path, name: str, packing: str) -> Content:
    """Read a file whole, through its packing's CRC-32; `name` is what the archive calls it.

    Raises InputError for a file that is damaged, or packed otherwise.
    """
    foreign = False
    try:
        file = TextFile(path)
        if foreign := file.compression != packing:
            raise InputError(path, f"a {packing} file", f"a {file.compression} file")
        for _ in file.blocks():
            pass
        assert file.sha256 is not None
        stem = name.removesuffix(".zip")
        if file.member is not None and PurePosixPath(file.member).stem != stem:
            misnamed = f"expected {stem}.csv in the zip, found {file.member}"
            return Content(file.sha256, "", misnamed=misnamed)
        return Content(file.sha256, "")
    except InputError as error:
        sha256 = sha256_of(path)
        problem = f"expected {error.expected}, found {error.found}"
        if not foreign and _is_sound_zip(path):
            return Content(sha256, "", misnamed=problem)
        return Content(sha256, problem, foreign)


def sha256_of(path: Path) -> str:
    """Return a file's sha256 in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_sound_zip(path: Path) -> bool:
    """Tell whether every file in a zip has its CRC-32, however many there are."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return False


def judge(
    name: str, sha256: str, published: bytes | None, *, has_checksums: bool = True
) -> tuple[ArchiveProof, str]:
    """Hold a file whose CRC-32 is right to its CHECKSUM, None where there is none.

    An archive without any, `has_checksums` False, cannot prove more than the packing does.
    """
    if not has_checksums:
        return (
            ArchiveProof.WHOLE,
            "the archive publishes no CHECKSUM files; length and CRC-32 agree",
        )
    if published is None:
        return ArchiveProof.UNPROVEN, "no CHECKSUM is published"
    stated = stated_sha256(published)
    if stated is None:
        shown = published[:60].decode(errors="replace")
        return (
            ArchiveProof.CHECKSUM_WRONG,
            f"expected `sha256  name` in the CHECKSUM, found {shown!r}",
        )
    digest, of = stated
    if digest != sha256:
        return ArchiveProof.CHECKSUM_WRONG, f"the CHECKSUM says {digest}, the file is {sha256}"
    if of not in ("", name):
        return ArchiveProof.CHECKSUM_WRONG, f"the CHECKSUM is of {of}"
    return ArchiveProof.PROVED, ""
