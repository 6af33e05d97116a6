"""Sees to it that no program outlives us, however we end."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from itertools import count

from kline_harness.aggregators import program_family
from kline_harness.aggregators.program_family import ENDED, MARK, started

_numbers = count()


class ProgramGuard:
    """A process beside a program that ends it, and all that it has started, once we are gone.

    It is there before the program is. `grace_seconds` is what the program is given to end after
    a SIGTERM; with none it is killed at once.
    """

    def __init__(self, grace_seconds: float = 0.0) -> None:
        self.mark = f"{os.getpid()}-{next(_numbers)}"
        self._process = subprocess.Popen(
            # Nothing but some of the standard library: it begins in 20 ms, while the program does.
            [
                *(sys.executable, "-I", "-S", program_family.__file__),
                *(self.mark, str(grace_seconds)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def environment(self) -> dict[str, str]:
        """Return the environment of a program, with the mark that it is known by."""
        return os.environ | {MARK: self.mark}

    def watch(self, program: int) -> None:
        """Say which program it is, once that runs."""
        self._say(f"{program} {started(program)}\n".encode())

    def dismiss(self) -> None:
        """Say that the program and what it started are ended."""
        self._say(ENDED)
        self.end()

    def end(self) -> None:
        """End the program and all that it has started, unless that was done; wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _say(self, words: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(words)
