"""Dates and times as ISO 8601 writes them, to nanoseconds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np

from kline_harness.units import NS_PER_SECOND, Int64Array

# Years of which any instant is an int64 of nanoseconds.
_DAY = r"(?:19[7-9]|20\d|21\d)\d-\d{2}-\d{2}"
_ISO = re.compile(
    rf"{_DAY}(?:[TD ]\d{{2}}:\d{{2}}:\d{{2}}(?:\.\d{{1,9}})?(?:Z|\+00:?00)?)?", re.ASCII
)
# BitMEX writes a D between date and time.
_INSTANT = re.compile(
    rf"({_DAY})[TD ](\d{{2}}:\d{{2}}:\d{{2}})(?:\.(\d{{1,9}})0*)?([Zz]|[+-]\d{{2}}:?\d{{2}})?",
    re.ASCII,
)


def is_iso(text: str) -> bool:
    """Tell whether a text is a date, or date and time in UTC, as ISO 8601 writes it."""
    if _ISO.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text[:19])
    except ValueError:
        return False
    return True


def iso_to_ns(texts: Iterable[str]) -> Int64Array:
    """Return the nanoseconds of texts that `is_iso` takes."""
    # BitMEX's D is no separator for numpy.
    plain = [text[:19].replace("D", "T") + text[19:].split("+")[0].rstrip("Z") for text in texts]
    return np.array(plain, dtype="datetime64[ns]").astype(np.int64)


def instant_ns(text: str) -> int | None:
    """Return the nanoseconds of a date and time as ISO 8601 writes it, with its offset from UTC.

    Without an offset it is UTC. None for any other text, dates without a time included.
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC)
    except ValueError:
        return None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    if match[4] not in (None, "Z", "z"):
        hours, minutes = int(match[4][1:3]), int(match[4][-2:])
        ahead = hours * 3600 + minutes * 60
        seconds += ahead if match[4].startswith("-") else -ahead
    return seconds * NS_PER_SECOND + int((match[3] or "").ljust(9, "0"))
