"""What proves a downloaded file: its length, the packing's own CRC-32, the published CHECKSUM."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from kline_harness.archives.compressed import TextFile
from kline_harness.errors import InputError
from kline_harness.inspection.checksum import stated_sha256


class ArchiveProof(Enum):
    """How far a file is proved.

    `PROVED`: length, CRC-32 and the published sha256 agree. `WHOLE`: length and CRC-32 agree, and
    the archive publishes no CHECKSUM of any file. `UNPROVEN`: it publishes some, and none of this
    file. `CHECKSUM_WRONG`: the CRC-32 is right and the published sha256 is another's.
    `DAMAGED`: the CRC-32 was wrong twice at full length.
    """

    PROVED = "proved"
    WHOLE = "whole"
    UNPROVEN = "unproven"
    CHECKSUM_WRONG = "published checksum wrong"
    DAMAGED = "damaged at source"


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a file: their sha256, and what is wrong with the packing ("" if nothing)."""

    sha256: str
    damage: str


def read_content(path: Path, packing: str) -> Content:
    """Read a file whole, through its packing's CRC-32."""
    try:
        file = TextFile(path)
        if file.compression != packing:
            raise InputError(path, f"a {packing} file", f"a {file.compression} file")
        for _ in file.blocks():
            pass
        assert file.sha256 is not None
        return Content(file.sha256, "")
    except InputError as error:
        with open(path, "rb") as raw:
            sha256 = hashlib.file_digest(raw, "sha256").hexdigest()
        return Content(sha256, f"expected {error.expected}, found {error.found}")


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
