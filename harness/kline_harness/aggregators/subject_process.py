"""A program that runs beside the replay, and the three pipes to it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

from kline_harness.errors import UsageError

STDERR_LINES = 64
# Beyond that much output that nobody has read yet, a program is taken to flood.
_WAITING_BYTES_MAX = 256 << 20
_GRACE_S = 2.0
_POLL_S = 0.005
# Characters of a line of stderr.
_SHOWN = 1_000
_READ_BYTES = 1 << 16
_PIPE_BYTES = 1 << 20


class LateError(Exception):
    """The program did not answer within its time."""


class FloodError(Exception):
    """The program wrote more than can be kept."""


class LongLineError(Exception):
    """A line is longer than the protocol allows; the argument is its beginning."""


class SubjectProcess:
    """A program in a process group of its own.

    Its stdout and stderr are read at all times and its stdin is written by a thread, so neither
    side can wait for the other. However the replay ends, the whole group is ended with it.
    """

    def __init__(self, command: Sequence[str], line_bytes_max: int) -> None:
        """Start the program.

        Raises UsageError if it cannot be started.
        """
        try:
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"aggregator process: {command[0]!r} cannot be started: {reason}"
            ) from None
        # Also when the replay is given up half-way: at the latest as the interpreter exits.
        self._ended = weakref.finalize(self, _end, self._child)
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._inbox = _Lines(line_bytes_max)
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        for pipe in (self._child.stdin, self._child.stdout):
            _widen(pipe)
        self._threads = [
            _thread(_write, self._child.stdin, self._outbox),
            _thread(_read, self._child.stdout, self._inbox),
            _thread(_read_stderr, self._child.stderr, self._stderr),
        ]

    @property
    def pid(self) -> int:
        """Return the id of the program, which is that of its group."""
        return self._child.pid

    def send(self, line: bytes) -> None:
        """Write to the program's stdin, some time."""
        self._outbox.put(line)

    def line(self, timeout_s: float) -> bytes | None:
        """Return the next line of its stdout; None at its end.

        Raises LateError after `timeout_s` seconds without one, FloodError, LongLineError.
        """
        return self._inbox.get(timeout_s)

    def stop(self, *, patiently: bool) -> dict[str, Any]:
        """End the program and its whole group; return how it ended and its last lines of stderr.

        With `patiently` it is given a moment to exit by itself at the end of its stdin.
        """
        self._outbox.put(None)
        child = self._child
        exited = _has_exited(child, _GRACE_S if patiently else 0.0)
        self._ended()
        for thread in self._threads:
            thread.join(_GRACE_S)
        code = child.returncode
        how: dict[str, Any] = {"stderr": list(self._stderr)}
        if not exited:
            how["ended_by"] = "the harness"
        elif code < 0:
            how["signal"] = signal.Signals(-code).name
        else:
            how["exit_code"] = code
        return how


class _Lines:
    """Lines that were read and not yet taken."""

    def __init__(self, line_bytes_max: int) -> None:
        self._limit = line_bytes_max
        self._lines: deque[bytes | None] = deque()
        self._bytes = 0
        self._part = b""
        self._trouble: Exception | None = None
        self._changed = threading.Condition()

    def add(self, data: bytes) -> None:
        """Take what was read; nothing: the end."""
        with self._changed:
            if not data:
                # A last line without its end is a line.
                self._lines += [self._part, None] if self._part else [None]
                self._part = b""
            elif self._trouble is None:
                *whole, self._part = (self._part + data).split(b"\n")
                self._lines += whole
                self._bytes += len(data)
                longest = max([self._part, *whole], key=len)
                if len(longest) > self._limit:
                    self._trouble = LongLineError(longest[:200].decode(errors="replace"))
                elif self._bytes > _WAITING_BYTES_MAX:
                    self._trouble = FloodError()
                if self._trouble is not None:
                    self._lines.clear()
                    self._part = b""
            self._changed.notify()

    def get(self, timeout_s: float) -> bytes | None:
        """Return the next line, None at the end; wait for it."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._lines or self._trouble, timeout_s):
                raise LateError
            if self._trouble is not None:
                raise self._trouble
            line = self._lines[0]
            if line is not None:
                self._lines.popleft()
                self._bytes -= len(line) + 1
            return line


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more than the usual 64 KiB, where the system can: fewer switches."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _thread(work: object, *arguments: object) -> threading.Thread:
    assert callable(work)
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread


def _write(pipe: IO[bytes], outbox: SimpleQueue[bytes | None]) -> None:
    try:
        while (data := outbox.get()) is not None:
            view = memoryview(data)
            while view:
                view = view[pipe.write(view) :]
    except OSError:
        # The program has closed its stdin or is gone; its stdout will say so.
        pass
    finally:
        pipe.close()


def _read(pipe: IO[bytes], lines: _Lines) -> None:
    while data := pipe.read(_READ_BYTES):
        lines.add(data)
    lines.add(b"")
    pipe.close()


def _read_stderr(pipe: IO[bytes], kept: deque[str]) -> None:
    part = b""
    while data := pipe.read(_READ_BYTES):
        *whole, part = (part + data).split(b"\n")
        # A line without end is cut, so that it cannot fill the memory.
        part = part[-_READ_BYTES:]
        kept.extend(line.decode(errors="replace")[:_SHOWN] for line in whole)
    if part:
        kept.append(part.decode(errors="replace")[:_SHOWN])
    pipe.close()


def _has_exited(child: subprocess.Popen[bytes], within_s: float) -> bool:
    """Tell whether a program exits by itself; it stays unreaped, so that its group's id is kept."""
    flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
    pause = threading.Event()
    for _ in range(max(1, int(within_s / _POLL_S))):
        if os.waitid(os.P_PID, child.pid, flags) is not None:
            return True
        if within_s:
            pause.wait(_POLL_S)
    return False


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a program's whole group, and wait for the program."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
