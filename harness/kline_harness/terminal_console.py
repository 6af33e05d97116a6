"""The console that everything on a terminal is printed to."""

from __future__ import annotations

from rich import console

from kline_harness.verdict import Validity

# How each verdict is written.
STYLE = {
    Validity.VALID: "bold green",
    Validity.UNKNOWN: "bold yellow",
    Validity.INVALID: "bold red",
}


class Console(console.Console):
    """A rich console that ends as the rest of the command does where its reader went away.

    rich itself ends the process with 1 then, which is the exit code of an invalid run.
    """

    def on_broken_pipe(self) -> None:
        """Let the BrokenPipeError that rich has caught go on."""
        raise BrokenPipeError
