"""The arguments of a verb of the command line."""

from __future__ import annotations

import argparse
import glob
import os
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from kline_harness.errors import UserError

Verb: TypeAlias = Callable[[argparse.Namespace], int]


def _contract_size(text: str) -> Any:
    from kline_harness.contracts import contract_size

    return contract_size(text)


_PATTERN = re.compile(r"[*?]|\[.+\]")


def _resolved(path: Path) -> list[Path]:
    """Return the files of a quoted pattern such as "data/*.zip" by name, or what was given."""
    if not _PATTERN.search(str(path)) or os.path.lexists(path):
        return [path]
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    if not found:
        raise UserError(f"{path}: expected a file or a pattern of files, found none")
    return found


_METAVARS: dict[Any, str] = {str: "TEXT", int: "N", Path: "PATH", _contract_size: "USD"}


def meant(word: str, names: Iterable[str]) -> str:
    """Return a question after the name that is nearest to a word, or nothing."""
    # Late: what help prints needs no such library.
    from difflib import get_close_matches

    near = get_close_matches(word, names, n=1)
    return f": did you mean {near[0]}?" if near else ""


class Parser(argparse.ArgumentParser):
    """The arguments of one verb; what does not fit them is a `UserError`."""

    def __init__(self, verb: Verb) -> None:
        super().__init__(
            prog=f"kline-harness {verb.__name__.replace('_', '-')}",
            description=textwrap.dedent(f"    {verb.__doc__}"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self._files: list[str] = []

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Return the arguments; a pattern that no shell has resolved stands for its files.

        Raises UserError for words that do not fit, and a pattern that no file has.
        """
        given = self.parse_intermixed_args(words)
        for name in self._files:
            paths = getattr(given, name)
            setattr(given, name, [one for path in paths for one in _resolved(path)])
        return given

    def print_help(self, file: Any = None) -> None:
        """Print what the verb takes; argparse would not say that it cannot."""
        print(self.format_help(), end="", file=file)

    def error(self, message: str) -> NoReturn:
        """Tell what is wrong in one sentence, as for any other error of a user's.

        Raises UserError, always.
        """
        said, _, words = message.partition("unrecognized arguments: ")
        if not said and words:
            message += meant(words.split()[0], self._option_string_actions)
        raise UserError(f"{self.prog}: {message} (see {self.prog} --help)")

    def option(self, name: str, help: str, kind: Callable[[str], Any] = str, **more: Any) -> None:
        """Add an option that takes a value."""
        self.add_argument(name, type=kind, help=help, metavar=_METAVARS[kind], **more)

    def choice(self, name: str, help: str, *choices: str) -> None:
        """Add an option that takes one of some words."""
        self.add_argument(name, help=help, choices=choices)

    def flag(self, name: str, help: str) -> None:
        """Add an option that takes no value."""
        self.add_argument(name, help=help, action="store_true")

    def files(self, name: str, help: str, count: str = "+") -> None:
        """Add files: positional ones, or an option that takes several and may be repeated."""
        more: dict[str, Any] = {"action": "extend", "default": []} if name[0] == "-" else {}
        self.add_argument(name, type=Path, nargs=count, help=help, metavar="FILE", **more)
        self._files.append(name.lstrip("-"))

    def symbol(self) -> None:
        """Add the option that names the symbol."""
        self.option("--symbol", "The symbol, where a file's name does not say it.")

    def contract_size(self) -> None:
        """Add the option that says what a contract is worth."""
        help = "USD that a contract is worth which is settled in the base asset, such as 10 or 0.1."
        self.option("--contract-size", help, _contract_size)

    def about_trades(self) -> None:
        """Add the options that tell what files of trades do not."""
        self.symbol()
        self.choice("--market", "Told from the file where it is left out.", "spot", "um", "cm")
        self.option("--columns", "A TOML map of the columns of tables and CSV files.", Path)
        self.contract_size()


def command_line(arguments: Sequence[str]) -> str:
    """Return the command as given, with files by name: where they lie changes nothing."""
    words = ["kline-harness"]
    for word in without(arguments, ("--out", "--page")):
        # The command of an aggregator's process is no file.
        is_file = "/" in word and "process:" not in word
        words.append(Path(word).name if is_file else word)
    return shlex.join(words)


def without(words: Sequence[str], valued: Sequence[str], flags: Sequence[str] = ()) -> list[str]:
    """Return words without some options: those that take a value, with it, and flags."""
    found, skip = [], False
    for word in words:
        name = word.partition("=")[0]
        if skip or name in (*valued, *flags):
            skip = not skip and name in valued and "=" not in word
        else:
            found.append(word)
    return found
