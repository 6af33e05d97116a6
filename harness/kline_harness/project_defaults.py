"""Options that a project sets once, in the table ``[tool.kline-harness]`` of its pyproject.toml."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kline_harness.errors import UsageError

FILE = "pyproject.toml"
TABLE = "tool.kline-harness"


def with_defaults(
    words: Sequence[str], parser: argparse.ArgumentParser, verbs: Sequence[str], folder: Path
) -> list[str]:
    """Return a verb's words with the project's options first, so that given ones win.

    The file is the nearest one from `folder` upwards. A table of a verb's name holds options of
    that verb alone, what stands above holds those of every verb that has them. An option that is
    given takes no default.

    Raises UsageError for an unknown table or option, and for a value of another kind.
    """
    path = next((p / FILE for p in (folder, *folder.parents) if (p / FILE).is_file()), None)
    table = {} if path is None else _table(path)
    if path is None or not table:
        return list(words)
    options = {
        text.removeprefix("--"): action
        for action in parser._actions
        for text in action.option_strings
        if text.startswith("--")
    }
    given = {word.partition("=")[0].removeprefix("--") for word in words if word[:2] == "--"}
    found: dict[str, list[str]] = {}
    for name, value, own in _values(path, table, words[0], verbs):
        if name not in options:
            if own:
                raise UsageError(f"{path}, [{TABLE}.{words[0]}], key {name}: no option --{name}")
        elif name not in given:
            found[name] = list(_words(path, name, value, options[name]))
    return [words[0], *(word for texts in found.values() for word in texts), *words[1:]]


def _table(path: Path) -> Mapping[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # Somebody else's file may be broken without a word about this command.
        if TABLE not in path.read_bytes().decode("utf-8", "replace"):
            return {}
        raise UsageError(f"{path}: cannot be read: {error}") from error
    table = content.get("tool", {}).get("kline-harness", {})
    if not isinstance(table, dict):
        raise UsageError(f"{path}: expected a table [{TABLE}], found {table!r}")
    return table


def _values(
    path: Path, table: Mapping[str, Any], verb: str, verbs: Sequence[str]
) -> Iterator[tuple[str, Any, bool]]:
    """Yield (option, value, whether the verb's own), those of every verb first."""
    for name, value in table.items():
        if not isinstance(value, dict):
            yield name, value, False
        elif name not in verbs:
            expected = f"expected a verb: {', '.join(verbs)}"
            raise UsageError(f"{path}, [{TABLE}.{name}]: unknown; {expected}")
    for name, value in table.get(verb, {}).items():
        yield name, value, True


def _words(path: Path, name: str, value: Any, action: argparse.Action) -> Iterator[str]:
    """Yield the words of an option as the command line has them; paths are relative to the file."""
    label = f"{path}, [{TABLE}], key {name}"
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{label}: expected true or false, found {value!r}")
        if value:
            yield f"--{name}"
        return
    values = value if isinstance(value, list) else [value]
    if any(isinstance(one, bool) or not isinstance(one, str | int) for one in values):
        raise UsageError(f"{label}: expected text or a whole number, found {value!r}")
    if isinstance(value, list) and not isinstance(action, argparse._ExtendAction):
        raise UsageError(f"{label}: expected one value, found {value!r}")
    yield f"--{name}"
    for one in values:
        yield str(path.parent / str(one)) if action.type is Path else str(one)
