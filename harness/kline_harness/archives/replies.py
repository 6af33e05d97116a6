"""Saved replies of REST interfaces, as lines of text like a file of the same rows.

Numbers keep their text. Several replies may follow each other, one a line. Whose they are and what
their rows mean stands in the file of each exchange.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kline_harness.archives.made_text import MadeText, line_of, lines_of_objects, shown
from kline_harness.archives.registry import EXCHANGES
from kline_harness.archives.table import BOM
from kline_harness.errors import InputError

_ERROR = {"code", "msg"}
_EVENT = re.compile(rb'"(?:e|stream)"\s*:\s*"')


class Reply(MadeText):
    """One reply or several, as CSV lines; objects give a header."""

    def made(self, content: bytes) -> bytes:
        """Return the rows as text.

        Raises InputError for anything but replies with rows.
        """
        return ("\n".join(self._lines(self._values(content.removeprefix(BOM)))) + "\n").encode()

    def _lines(self, values: list[Any]) -> list[str]:
        for exchange in EXCHANGES:
            if exchange.reply is not None:
                lines = exchange.reply(self.path, values)
                if lines is not None:
                    return lines
        items = [i for value in values for i in (value if isinstance(value, list) else [value])]
        if not items:
            raise InputError(self.path, "a reply with a list of trades or klines", shown(items))
        if isinstance(items[0], dict) and set(items[0]) >= _ERROR:
            expected = "a reply with a list of trades or klines"
            raise InputError(self.path, expected, f"the reply to a bad request, {shown(items[0])}")
        if len(values) > 1 and all(map(_is_row, values)):
            items = values
        if all(isinstance(item, list) for item in items):
            return [line_of(self.path, item) for item in items]
        return lines_of_objects(self.path, items)

    def _values(self, text: bytes) -> list[Any]:
        try:
            return [_loads(text)]
        except (ValueError, RecursionError):
            pass
        try:
            return [_loads(line) for line in text.split(b"\n") if line.strip()]
        except (ValueError, RecursionError):
            raise InputError(self.path, "a JSON reply", "no JSON") from None


def _is_row(value: Any) -> bool:
    """Tell a row that stands alone in its line from a reply that is a list of rows."""
    return isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value)


def _loads(text: bytes) -> Any:
    return json.loads(text, parse_float=str, parse_constant=str)


def is_reply(head: bytes) -> bool:
    """Tell whether a file that begins so is a saved reply; else JSON is a recording's messages."""
    head = head.removeprefix(BOM).lstrip()
    if not head.startswith((b"{", b"[")) or _EVENT.search(head):
        return False
    first, _, rest = head.partition(b"\n")
    try:
        value = _loads(first)
    except (ValueError, RecursionError):
        return True
    # An answer to a subscription is a recording's first line often enough.
    answers = isinstance(value, dict) and {"result", "id"} == set(value) and bool(rest.strip())
    return not answers
