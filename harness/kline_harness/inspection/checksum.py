"""The CHECKSUM file that the archive publishes beside each of its files."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

from kline_harness.inspection.tally import Tally

_LINE = re.compile(r"(?P<sha256>[0-9a-fA-F]{64})(?:[ \t]+\*?(?P<name>\S+))?\s*", re.ASCII)
_BYTES_MAX = 4096


class Checksum(Enum):
    """What a file's CHECKSUM file says of it."""

    MATCH = "match"
    MISMATCH = "mismatch"
    ABSENT = "absent"
    MALFORMED = "malformed"


def stated_sha256(content: bytes) -> tuple[str, str] | None:
    """Return the sha256 and the file name ("" where none) that a CHECKSUM file states.

    None where it is not one line, `<sha256 in hex>  <file name>`.
    """
    match = _LINE.fullmatch(content.decode(errors="replace"))
    return (match["sha256"].lower(), match["name"] or "") if match else None


def check_checksum(path: str, sha256: str | None, tally: Tally) -> Checksum:
    """Compare a file's sha256 with `<path>.CHECKSUM`: one line, `<sha256 in hex>  <file name>`.

    Source: the exchange's public data repository, README, "CHECKSUM".
    """
    beside = Path(f"{path}.CHECKSUM")
    if not beside.is_file():
        return Checksum.ABSENT
    content = beside.read_bytes()[:_BYTES_MAX]
    found = stated_sha256(content)
    if found is None:
        text = content.decode(errors="replace")
        shown = text[:80].splitlines()[0] if text.strip() else ""
        tally.add("checksum_malformed", 1, {"file": beside.name, "found": shown})
        return Checksum.MALFORMED
    stated, name = found
    if name and Path(name).name != Path(path).name:
        tally.add("checksum_of_another_file", 1, {"file": beside.name, "names": name})
    if stated == sha256:
        return Checksum.MATCH
    evidence = {"stated": stated, "found": sha256 or "not known: the file cannot be read whole"}
    tally.add("checksum_mismatch", 1, evidence)
    return Checksum.MISMATCH
