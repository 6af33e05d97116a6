"""Numbers and times as people write them, to plain digits, exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from kline_harness.archives.iso_times import instant_ns
from kline_harness.errors import InputError
from kline_harness.units import INT64_MAX, NS_PER_SECOND, Int64Array, TimeUnit

_PLAIN = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_WRITTEN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]{1,3}))?")
_SECONDS_MIN = 10**8
_SECONDS = re.compile(r"([0-9]{9,10})(?:\.([0-9]{1,9})0*)?")
# No number of trades is written with a larger exponent; its digits would fill pages.
_EXPONENT_MAX = 40
_LENGTH_MAX = 100


def plain_number(text: str) -> str | None:
    """Return a number without plus and exponent, of exactly the same value; None for no number."""
    if len(text) > _LENGTH_MAX:
        return None
    if _PLAIN.fullmatch(text):
        return text
    match = _WRITTEN.fullmatch(text)
    if match is None or abs(int(match[1] or 0)) > _EXPONENT_MAX:
        return None
    return format(Decimal(text), "f").removeprefix("+")


def instant_of(text: str) -> int | None:
    """Return the nanoseconds of a date and time, or of an epoch timestamp; None for neither."""
    plain = plain_time(text)
    if plain.isascii() and plain.isdigit() and len(plain) < 20:
        try:
            return int(plain) * TimeUnit.detect(int(plain)).value
        except ValueError:
            return None
    return instant_ns(text)


def plain_time(text: str) -> str:
    """Return an epoch timestamp without exponent, and without decimals that are all zeros.

    So a table writes one that was a float. Any other text is returned as it is.
    """
    if len(text) > _LENGTH_MAX or not _WRITTEN.fullmatch(text):
        return text
    plain = plain_number(text) or text
    whole, point, decimals = plain.partition(".")
    return whole if point and not decimals.strip("0") else plain


class Times:
    """A column's times as nanoseconds; the first one tells their form, and all have it.

    Whole numbers are epoch timestamps in a unit derived from their magnitude; decimals epoch
    seconds (exact, to the nanosecond); else ISO 8601, in UTC where it states no offset. Decimals
    that are zeros say nothing, and an exponent is exact text.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._form = ""
        self._unit = TimeUnit.NANOSECOND

    def read(self, texts: Sequence[str], first_line: int) -> list[str]:
        """Return each time as a whole number of nanoseconds.

        Raises InputError for a text of another form.
        """
        if texts and not self._form:
            self._form = self._form_of(texts[0], first_line)
        return [self._ns(text, first_line + row) for row, text in enumerate(texts)]

    def whole(self, values: Int64Array, first_line: int) -> Int64Array | None:
        """Return whole numbers as nanoseconds; None where one is no time like those before.

        Raises InputError where the first of all is none.
        """
        if len(values) and not self._form:
            self._form = self._form_of(str(values[0]), first_line)
        seconds = self._form == "seconds"
        if not len(values) or not (seconds or self._form == "epoch"):
            return None
        unit = NS_PER_SECOND if seconds else self._unit.value
        low = _SECONDS_MIN if seconds else 0
        inside = values.min() >= low and values.max() <= INT64_MAX // unit
        return values * unit if inside else None

    def _form_of(self, text: str, line: int) -> str:
        text = plain_time(text)
        if text.isascii() and text.isdigit() and len(text) < 20:
            try:
                self._unit = TimeUnit.detect(int(text))
            except ValueError as error:
                raise InputError(self._path, "epoch timestamps", str(error), line=line) from None
            return "seconds" if self._unit is TimeUnit.SECOND else "epoch"
        if _SECONDS.fullmatch(text):
            return "seconds"
        if instant_ns(text) is not None:
            return "iso"
        expected = "an epoch timestamp, epoch seconds or a time as ISO 8601 writes it"
        raise InputError(self._path, expected, repr(text[:100]), line=line)

    def _ns(self, text: str, line: int) -> str:
        found: int | None = None
        stated, text = text, text if text.isdigit() else plain_time(text)
        if self._form == "epoch" and text.isascii() and text.isdigit() and len(text) < 20:
            found = int(text) * self._unit.value
        elif self._form == "seconds" and (match := _SECONDS.fullmatch(text)):
            found = int(match[1]) * NS_PER_SECOND + int((match[2] or "").ljust(9, "0"))
        elif self._form == "iso":
            found = instant_ns(text)
        if found is None:
            expected = f"a time like those before ({self._form})"
            raise InputError(self._path, expected, repr(stated[:100]), line=line)
        return str(found)
