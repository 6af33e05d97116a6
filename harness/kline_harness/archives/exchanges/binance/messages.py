"""Lines of a recording to stream messages: the forms in which recorders write them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from kline_harness.archives.fields import unit_name, unit_range
from kline_harness.archives.iso_times import instant_ns
from kline_harness.archives.table import BOM
from kline_harness.errors import InputError
from kline_harness.units import NS_PER_SECOND, TimeUnit

# What tells a trade in the text of a message, whatever the reader makes of the line.
TRADE_IN_TEXT = re.compile(rb'"e"\s*:\s*"(?:t|aggT)rade"')
_JSON_STARTS = re.compile(rb"[\[{]")
_EPOCH = re.compile(r"[0-9]{1,19}")
_SECONDS = re.compile(r"([0-9]{9,10})(?:\.([0-9]{1,9})0*)?")
# Names under which recorders put their own clock beside a message they wrap.
_CLOCK = re.compile(
    r"ts|time|timestamp|arrival|local_?(?:ts|time|timestamp)|recv(?:_?time)?|"
    r"receive(?:_?time|d|d_?at)?|receipt_?timestamp",
    re.IGNORECASE,
)
_DEPTH_MAX = 6
# Numbers keep their text. Made once: json.loads makes one for each call with options.
_DECODER = json.JSONDecoder(parse_float=str, parse_constant=str)
_FORM = "<receive time> <json>, or json alone"


def lines_of(block: bytes) -> list[bytes]:
    """Return the lines of a block that ends with a line; a byte order mark is none of the text."""
    lines = block.removeprefix(BOM).split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


class Line:
    """One line: messages, alone, in a list or wrapped, and a receive time in front or beside."""

    def __init__(self, path: str, number: int, text: bytes) -> None:
        self.path, self.number, self.text = path, number, text
        found = _JSON_STARTS.search(text)
        if found is None:
            self.fail(_FORM, text)
        start = found.start()
        head = text[:start].strip(b" \t,;|")
        try:
            self._message = _DECODER.decode(text[start:].decode())
        except (ValueError, RecursionError):
            self.fail(_FORM, text)
        self.received: object = head.decode(errors="replace") if head else None

    def fail(self, expected: str, found: object) -> NoReturn:
        """Raise the InputError that names this line."""
        text = found.decode(errors="replace") if isinstance(found, bytes) else found
        shown = repr(text)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        raise InputError(self.path, expected, shown, line=self.number)

    def messages(self) -> Iterable[dict[str, Any]]:
        """Return every message, whatever it is wrapped in; a receive time beside it is taken."""
        value = self._message
        # Single and combined messages behind their receive time: nearly all lines there are.
        if self.received is not None and type(value) is dict:
            if type(value.get("e")) is str:
                return (value,)
            data = value.get("data")
            if type(data) is dict and type(data.get("e")) is str and len(value) == 2:
                return (data,)
        return self._within(value, 0)

    def _within(self, value: Any, depth: int) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict) and isinstance(value.get("e"), str):
            yield value
            return
        inner = value if isinstance(value, list) else []
        if isinstance(value, dict):
            inner = [one for one in value.values() if isinstance(one, (dict, list))]
            if inner and self.received is None:
                clocks = (v for name, v in value.items() if _CLOCK.fullmatch(name))
                self.received = next(clocks, None)
        found = False
        if depth < _DEPTH_MAX:
            for one in inner:
                for message in self._within(one, depth + 1):
                    found = True
                    yield message
        # What wraps nothing is a message itself: an answer to a subscription, a pong.
        if not found and depth == 0:
            yield value if isinstance(value, dict) else {}


class ReceiveClock:
    """Receive times as nanoseconds; the first one tells their form, and all have it.

    Whole numbers are epoch timestamps in a unit derived from their magnitude, decimals epoch
    seconds; else ISO 8601 with its offset from UTC.
    """

    def __init__(self) -> None:
        self.unit: TimeUnit | None = None
        self._form = ""

    def read(self, line: Line) -> int | None:
        """Return a line's receive time, None where no line has one.

        Raises InputError for another form than the first line's.
        """
        received = line.received
        if type(received) is str and self._form == "epoch" and _EPOCH.fullmatch(received):
            assert self.unit is not None
            return in_unit(line, int(received), self.unit, "the receive time")
        text = str(received) if type(received) in (int, str) else ""
        form = self._form_of(text) if received is not None else "none"
        if not self._form:
            self._form = form
            if form == "epoch":
                self.unit = self._detected(line, int(text))
            elif form != "none":
                self.unit = TimeUnit.SECOND
        if form == "epoch" and self._form == "seconds":
            form = "seconds"
        if form != self._form or not form:
            kind = {"none": "no receive time", "": "a receive time"}.get(self._form, "")
            line.fail(kind or f"a receive time like those before ({self._form})", received)
        return self._ns(line, text)

    @staticmethod
    def _form_of(text: str) -> str:
        if _EPOCH.fullmatch(text):
            return "epoch"
        if _SECONDS.fullmatch(text):
            return "seconds"
        return "" if _iso_ns(text) is None else "iso"

    @staticmethod
    def _detected(line: Line, value: int) -> TimeUnit:
        try:
            return TimeUnit.detect(value)
        except ValueError as error:
            line.fail("epoch timestamps", str(error))

    def _ns(self, line: Line, text: str) -> int | None:
        if self._form == "none":
            return None
        if self._form == "iso":
            return _iso_ns(text)
        if self._form == "seconds":
            match = _SECONDS.fullmatch(text)
            assert match is not None
            return int(match[1]) * NS_PER_SECOND + int((match[2] or "").ljust(9, "0"))
        assert self.unit is not None
        return in_unit(line, int(text), self.unit, "the receive time")


def _iso_ns(text: str) -> int | None:
    # A comma is a decimal sign of ISO 8601 too; Python's logging writes it.
    return instant_ns(text.replace(",", "."))


def in_unit(line: Line, time: int, unit: TimeUnit, name: str) -> int:
    """Return a timestamp as nanoseconds.

    Raises InputError where it is none of this unit.
    """
    low, high = unit_range(unit)
    if not low <= time <= high:
        line.fail(f"{name} in {unit_name(unit)} like the rows before", time)
    return time * unit.value
