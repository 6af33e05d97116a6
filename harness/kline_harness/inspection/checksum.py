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


def check_checksum(path: str, sha256: str | None, tally: Tally) -> Checksum:
    """Compare a file's sha256 with `<path>.CHECKSUM`: one line, `<sha256 in hex>  <file name>`.

    Source: the exchange's public data repository, README, "CHECKSUM".
    """
    beside = Path(f"{path}.CHECKSUM")
    if not beside.is_file():
        return Checksum.ABSENT
    text = beside.read_bytes()[:_BYTES_MAX].decode(errors="replace")
    match = _LINE.fullmatch(text)
    if match is None:
        shown = text[:80].splitlines()[0] if text.strip() else ""
        tally.add("checksum_malformed", 1, {"file": beside.name, "found": shown})
        return Checksum.MALFORMED
    if match["name"] and Path(match["name"]).name != Path(path).name:
        tally.add("checksum_of_another_file", 1, {"file": beside.name, "names": match["name"]})
    stated = match["sha256"].lower()
    if stated == sha256:
        return Checksum.MATCH
    evidence = {"stated": stated, "found": sha256 or "not known: the file cannot be read whole"}
    tally.add("checksum_mismatch", 1, evidence)
    return Checksum.MISMATCH
