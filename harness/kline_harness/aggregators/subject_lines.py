"""What a subject wrote, as messages: what makes a line wrong, where, and what may be meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from kline_harness.aggregators.subject_messages import MESSAGES, Field, Kind, Message

# Decimal text: digits, and a point with digits around it.
_DECIMAL = re.compile(r"-?[0-9]{1,60}(\.[0-9]{1,60})?")
_OF_SUBJECT = {message.type: message for message in MESSAGES if message.sender == "subject"}
_SYNCED = re.compile(rb'\{"type": ?"synced", ?"n": ?([1-9][0-9]{0,17})\}')
_SHOWN = 200
# More digits than any integer of 64 bits has.
_DIGITS_MAX = 20
_LOG_LINE = "a line that is no message looks like a log line: write those to stderr"
_LINE_END = "each message is one line: is a line end missing, or one too many?"
_FLOAT = "a float loses digits: write prices and quantities as text, the rest as integers"
_KIND_WORDS: Mapping[str, str] = {
    "text": "text",
    "integer": "an integer of 64 bits",
    "decimal": "decimal text without an exponent",
    "texts": "a list of texts",
    "boolean": "true or false",
}


class ProtocolError(Exception):
    """A line that is not the protocol: the rule, what was found, and where in the line."""

    def __init__(self, rule: str, found: str, column: int = 1, hint: str = "") -> None:
        super().__init__(rule)
        # Halves of characters would be in no file that tells of them.
        self.found = found.encode(errors="replace").decode()
        self.rule, self.column, self.hint = rule, column, hint


class _Number(str):
    """A number of JSON that the protocol has not, as it was written."""


class _TwiceError(Exception):
    """A name that stands twice in one object."""


def decode(line: bytes, ignored: dict[str, None] | None = None) -> dict[str, Any]:
    """Return a subject's message as data; fields that the protocol does not know are left out.

    Their names are added to `ignored`, as `type.field`.

    Raises ProtocolError with the rule that is broken.
    """
    synced = _SYNCED.fullmatch(line)
    if synced is not None:  # most lines of a fast subject: without the cost of a parser
        return {"type": "synced", "n": int(synced[1])}
    text = _text(line)
    try:
        return _message(text, _object(text), ignored)
    except RecursionError:
        raise ProtocolError("a line is one JSON object", shown(line)) from None


def _message(
    text: str, content: Mapping[str, Any], ignored: dict[str, None] | None
) -> dict[str, Any]:
    type_ = content.get("type")
    message = _OF_SUBJECT.get(type_) if isinstance(type_, str) else None
    if message is None:
        rule, hint = f"type is one of {', '.join(_OF_SUBJECT)}", _meant(str(type_), _OF_SUBJECT)
        raise ProtocolError(rule, _json(type_), _column(text, "type"), hint)
    decoded = {"type": message.type} | dict(_fields(message, content, text))
    if ignored is not None and len(decoded) < len(content):
        known = {"type", *(field.name for field in message.fields)}
        ignored |= dict.fromkeys(f"{message.type}.{name}" for name in content if name not in known)
    return decoded


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError("a line is UTF-8", shown(line), error.start + 1) from None


def _object(text: str) -> dict[str, Any]:
    rule, found = "a line is one JSON object", shown(text.encode())
    try:
        content = json.loads(
            text,
            parse_float=_Number,
            parse_constant=_Number,
            parse_int=_integer,
            object_pairs_hook=_once,
        )
    except json.JSONDecodeError as error:
        hint = _LINE_END if text.lstrip().startswith("{") else _LOG_LINE
        if not text.strip():
            found, hint = "an empty line", _LINE_END
        elif text.startswith("\ufeff"):
            hint = "the line begins with a byte order mark: UTF-8 needs none"
        raise ProtocolError(rule, found, error.colno, hint) from None
    except _TwiceError as error:
        name = str(error)
        place = text.rfind(json.dumps(name, ensure_ascii=False)) + 1
        raise ProtocolError("a message has each field once", name, max(1, place)) from None
    if not isinstance(content, dict):
        raise ProtocolError(rule, found, 1, _LOG_LINE)
    # Escapes can write halves of a character that no UTF-8 text holds, and nothing can be told of.
    half = re.search(r"\\u[dD][89a-fA-F]", text)
    if half is not None:
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            rule = "text is whole characters: no half of a surrogate pair"
            raise ProtocolError(
                rule, text[half.start() : half.start() + 6], half.start() + 1
            ) from None
    return content


def _integer(text: str) -> int | _Number:
    return int(text) if len(text) <= _DIGITS_MAX else _Number(text)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return content


def _fields(message: Message, content: Mapping[str, Any], text: str) -> Iterator[tuple[str, Any]]:
    for field in message.fields:
        if field.name in content:
            value = content[field.name]
            if not _is(field.kind, value):
                _refuse(message, field, value, text)
            yield field.name, value
        elif not field.optional:
            others = [name for name in content if name not in {one.name for one in message.fields}]
            hint = _meant(field.name, others)
            raise ProtocolError(f"{message.type} has {field.name}", "none", 1, hint)


def _refuse(message: Message, field: Field, value: Any, text: str) -> NoReturn:
    rule = f"{field.name} of {message.type} is {_KIND_WORDS[field.kind]}"
    hint = ""
    if isinstance(value, _Number) and not value.lstrip("-").isdigit():
        rule, hint = f"{rule}: no number is a float", _FLOAT
    elif field.kind == "decimal" and type(value) is int:
        hint = f'write it as text: "{value}"'
    elif field.kind == "integer" and isinstance(value, str) and not isinstance(value, _Number):
        hint = "write it without quotes"
    raise ProtocolError(rule, _json(value), _column(text, field.name), hint)


def _is(kind: Kind, value: Any) -> bool:
    if isinstance(value, _Number):
        return False
    if kind == "integer":
        return type(value) is int and -(2**63) <= value < 2**63
    if kind == "decimal":
        return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None
    if kind == "texts":
        return isinstance(value, list) and all(type(one) is str for one in value)
    if kind == "boolean":
        return isinstance(value, bool)
    return isinstance(value, str)


def _meant(name: str, names: Any) -> str:
    """Return a hint at the name that may be meant, nothing where none is like it."""
    plain = {one.lower().replace("_", ""): one for one in names}
    close = get_close_matches(name.lower().replace("_", ""), plain, 1, 0.75)
    return f"{plain[close[0]]} is like it: is the name as the protocol has it?" if close else ""


def _column(text: str, name: str) -> int:
    return max(0, text.find(f'"{name}"')) + 1


def shown(line: bytes) -> str:
    """Return a line's text, cut where it is long."""
    text = line.decode(errors="replace")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _json(value: Any) -> str:
    text = str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
