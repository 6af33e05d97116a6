"""The exception tree, grouped by who must act.

HarnessError
├── UserError                 the person who gave the command: exit code 2
│   ├── UsageError            an option, a scenario or a combination of files is wrong
│   ├── InputError            a file is not what it should be: file, line, expected, found
│   │   ├── OtherKind         it is of another kind, which is not looked at
│   │   └── Damaged           its bytes cannot be unpacked, or end early
│   └── OutputError           a file or folder that was asked for cannot be written
└── ContractError             the author of an aggregator or consumer broke the seam's contract
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class HarnessError(Exception):
    """Base of everything the harness raises on purpose."""


class UserError(HarnessError):
    """Something the person at the command line can mend; shown as one sentence, exit code 2."""


class UsageError(UserError):
    """An option, a scenario or a combination of files that cannot be run."""


class InputError(UserError):
    """A file that is not what it should be; names file, line, what was expected and found."""

    def __init__(
        self, path: Path | str, expected: str, found: str, line: int | None = None
    ) -> None:
        # All four as `args`: SimPy rebuilds an error that leaves a process from them.
        super().__init__(str(path), expected, found, line)
        self.path = str(path)
        self.line = line
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{place}: expected {self.expected}, found {self.found}"


class OtherKind(InputError):
    """A sound file, or none that is broken, of a kind that holds neither trades nor klines."""

    @property
    def kind(self) -> str:
        """The kind's name."""
        return self.found.partition(",")[0]


class NoRows(InputError):
    """A file of trades or klines, by its header or its name, without a row."""


class NoTrades(InputError):
    """A recording of other messages than trades."""


class Damaged(InputError):
    """A file whose bytes cannot be unpacked, are not what the packing promises, or end early."""


class OutputError(UserError):
    """A file or folder that was asked for cannot be created or written."""


class ContractError(HarnessError):
    """An aggregator or consumer broke the contract of its seam."""


class EndedProgramError(Exception):
    """A user's code called sys.exit, which would end a run as if it were valid."""


def error_line(error: BaseException) -> str:
    """Return the name of an error's class and what it says, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextmanager
def writing(path: Path | str) -> Iterator[None]:
    """Write a file or folder that somebody asked for.

    Raises OutputError, which names it, for what the system refuses.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path | str, error: OSError | RuntimeError) -> OutputError:
    """Return what is raised for a path that the system refused to write."""
    code = getattr(error, "errno", None)
    # Arrow's errors carry the number, and a text of their own.
    return OutputError(f"{path}: cannot be written: {os.strerror(code) if code else error}")


@contextmanager
def own_code() -> Iterator[None]:
    """Run code of a user's, an aggregator's or a check's, that may not end the program.

    Raises EndedProgramError where it does; what a signal raises goes on.
    """
    try:
        yield
    except SystemExit as error:
        if type(error) is not SystemExit:
            raise
        raise EndedProgramError(f"it called sys.exit({error.code!r})") from error


@contextmanager
def with_extra(verb: str, extra: str, *libraries: str) -> Iterator[None]:
    """Import what an extra of the package brings.

    Raises UsageError, which names the extra, where one of its libraries is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in libraries:
            raise
        raise UsageError(
            f"{verb}: expected the extra `{extra}`, found no {error.name}: "
            f"pip install 'kline-harness[{extra}]'"
        ) from error
