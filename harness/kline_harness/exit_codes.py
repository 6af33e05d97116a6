"""How the command ends: its exit codes, and one line for whatever ends it early."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable

from kline_harness.errors import ContractError, UserError, error_line

EXIT_INVALID = 1
EXIT_USAGE = 2
# EX_SOFTWARE of sysexits.h: an internal software error.
EXIT_CRASH = 70
# What ends a program that does not say otherwise: being told to, and a terminal that is closed.
TERMINATING = (signal.SIGTERM, signal.SIGHUP)
EXIT_BROKEN_PIPE = 128 + signal.SIGPIPE
# Of a full disk, a quota and a limit on the size of files.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


# Signals that came. The exception that a handler raises can be lost, where it is raised inside of
# a library that clears errors while it is imported.
_came: list[int] = []


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, in a class of its own.

    Source: Py_RunMain of CPython. Where text is executed (`exec`, as dataclasses and named tuples
    do) and KeyboardInterrupt itself leaves it, a module that is run by `python -m` ends by the
    signal in the end, whatever it then returns.
    """


class Terminated(SystemExit):
    """SIGTERM or SIGHUP, raised where the program stands so that it clears away what it began."""

    @property
    def number(self) -> int:
        """The signal: an attribute would be lost where a library makes an exception anew."""
        return int(self.args[0]) - 128


def run_to_exit(verb: Callable[[], int]) -> int:
    """Run a verb and return the exit code of the process.

    A user's error, no room to write, a broken contract, Ctrl-C, SIGTERM, SIGHUP and a crash are
    each one line on stderr; a crash names the file that holds its traceback.
    """
    for number in TERMINATING:
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    sys.unraisablehook = _unraisable
    try:
        code = _ended(verb)
        # A process without a standard output has printed nothing.
        if sys.stdout is not None:
            sys.stdout.flush()
        raise_what_came()
        return code
    except UserError as error:
        return _say(f"error: {error}", EXIT_USAGE)
    except ContractError as error:
        return _say(f"error: the contract is broken: {error}", EXIT_INVALID)
    except KeyboardInterrupt:
        return _say_ended(signal.SIGINT)
    except Terminated as ended:
        return _say_ended(ended.number)
    except BrokenPipeError:
        # Whoever read the output went away; what is still buffered must not fail once more.
        _leave_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in _NO_ROOM:
            return _crashed(error)
        return _say(f"error: {_unwritten(error)} cannot be written: {error.strerror}", EXIT_USAGE)
    except Exception as error:
        return _crashed(error)


def _ended(verb: Callable[[], int]) -> int:
    """Run a verb; the help of one ends by an exception, and has printed all the same."""
    try:
        return verb()
    except Terminated:
        raise
    except SystemExit as ended:
        if isinstance(ended.code, int):
            return ended.code
        raise


def _crashed(error: Exception) -> int:
    # A library that a signal meets while it is imported makes another error of it.
    came = _first_to_end()
    return _say(crash_sentence(error), EXIT_CRASH) if came is None else _say_ended(came)


def _unwritten(error: OSError) -> str:
    """Name what there was no room for; standard output is not written to again."""
    if error.filename is not None:
        return str(error.filename)
    try:
        os.write(1, b"\n")
    except OSError:
        _leave_output()
        return "standard output"
    return "a file"


def _leave_output(stream: int = 1) -> None:
    """Let what is still buffered for a stream go nowhere: standard output's number, or another."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)


def raise_what_came() -> None:
    """Raise for a signal whose exception was lost on the way.

    Raises Interrupted or Terminated.
    """
    number = _first_to_end()
    if number is not None:
        raise ending(number)


def _first_to_end() -> int | None:
    """Return the signal that ends the process, SIGINT before the others; None if none came."""
    return next((number for number in (signal.SIGINT, *TERMINATING) if number in _came), None)


def ending(number: int) -> BaseException:
    """Return what is raised for a signal that ends the program."""
    return Interrupted() if number == signal.SIGINT else Terminated(128 + number)


def crash_sentence(error: BaseException) -> str:
    """Return one sentence of a crash, after writing its traceback to a file that it names."""
    # A third of the time that the command takes to start, and hardly ever needed.
    import tempfile
    import traceback

    what = error_line(error)
    details = "".join(traceback.format_exception(error))
    try:
        handle, path = tempfile.mkstemp(prefix="kline-harness-crash-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(details)
    except OSError as failed:
        return f"crash: {what} (no details: no file can be written: {failed.strerror})"
    return f"crash: a defect of kline-harness, not a verdict: {what}; details are in {path}"


def _say(line: str, code: int) -> int:
    # Where nothing can be said the code has to do.
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _leave_output(2)
    return code


def _say_ended(number: int) -> int:
    # A shell's rule for what a signal ended: 128 and its number.
    return _say("interrupted" if number == signal.SIGINT else "terminated", 128 + number)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Say nothing of a signal that came inside of a finalizer: `raise_what_came` has it later."""
    if not isinstance(lost.exc_value, Interrupted | Terminated):
        sys.__unraisablehook__(lost)


def _end(number: int, frame: object) -> None:
    _came.append(number)
    raise ending(number)
