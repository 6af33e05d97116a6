"""A program that runs beside the replay, and the three pipes to it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
import time
import weakref
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any, TypeAlias

from kline_harness.aggregators.program_family import end_family, family
from kline_harness.aggregators.program_guard import ProgramGuard
from kline_harness.errors import UsageError

# What has the bytes of a message, or a piece of it: bytes, or a buffer of Arrow.
Buffer: TypeAlias = Any
STDERR_LINES = 64
# Beyond that much output that nobody has read yet, a program is taken to flood.
_WAITING_BYTES_MAX = 256 << 20
# What a program is given to end by itself: an interpreter on a busy machine takes seconds.
_GRACE_S = 5.0
_POLL_S = 0.005
# Characters of a line of stderr.
_SHOWN = 1_000
_READ_BYTES = 1 << 16
_PIPE_BYTES = 1 << 20
_LOOKED_AFTER = 1_024
# What is written at once: well below what a pipe holds, and what writev takes.
_HELD_BYTES = 1 << 18
_HELD_PIECES = 512


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
        self._deadline_s, self._taken = 0.0, 0
        self._seen = dict[int, str]()
        # A signal raises in the main thread: in the middle of a start it would leave a program
        # whose id is not known yet, which a guard finds by its mark where there is /proc alone.
        with ThreadPoolExecutor(1) as starter:
            try:
                starter.submit(self._begin, list(command)).result()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise UsageError(
                    f"aggregator process: {command[0]!r} cannot be started: {reason}"
                ) from None
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._outbox: SimpleQueue[tuple[Buffer, ...] | None] = SimpleQueue()
        self._held, self._held_bytes = list[Buffer](), 0
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

    def _begin(self, command: list[str]) -> None:
        self._guard = guard = ProgramGuard()
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                env=guard.environment(),
            )
        except BaseException:
            guard.dismiss()
            raise
        guard.watch(self._child.pid)
        # Also when the replay is given up half-way: at the latest as the interpreter exits. Where
        # that is killed, the guard does it.
        self._ended = weakref.finalize(self, _end, self._child, guard, self._seen)

    @property
    def pid(self) -> int:
        """Return the id of the program, which is that of its group."""
        return self._child.pid

    def send(self, *pieces: Buffer) -> None:
        """Write to the program's stdin, some time, one piece after the other.

        Messages are written some at a time: each time costs both sides a switch.
        """
        self._held += pieces
        self._held_bytes += sum(memoryview(piece).nbytes for piece in pieces)
        if self._held_bytes >= _HELD_BYTES or len(self._held) >= _HELD_PIECES:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            self._outbox.put(tuple(self._held))
            self._held, self._held_bytes = [], 0

    def expect_within(self, seconds: float) -> None:
        """Begin to wait for an answer; other lines that come before it put nothing off."""
        self._deadline_s, self._taken = time.monotonic() + seconds, 0

    def line(self) -> bytes | None:
        """Return the next line of its stdout; None at its end.

        Raises LateError when the time of the answer is over, FloodError, LongLineError.
        """
        self._flush()
        left_s = self._deadline_s - time.monotonic()
        self._taken += 1
        # A line that is there is taken, however late it is looked at: but not for ever.
        if left_s < 0 and self._taken % _LOOKED_AFTER == 0:
            raise LateError
        return self._inbox.get(max(0.0, left_s))

    def stop(self, *, patiently: bool) -> dict[str, Any]:
        """End the program and its whole group; return how it ended and its last lines of stderr.

        With `patiently` it is given a moment to exit by itself at the end of its stdin. `escaped`
        counts processes of it that had left its group.
        """
        child = self._child
        self._seen |= family(child.pid, self._guard.mark)
        self._flush()
        self._outbox.put(None)
        exited = _has_exited(child, _GRACE_S if patiently else 0.0)
        escaped = self._ended()
        for thread in self._threads:
            thread.join(_GRACE_S)
        code = child.returncode
        how: dict[str, Any] = {"stderr": list(self._stderr)}
        how |= {"escaped": escaped} if escaped else {}
        if not exited:
            how["ended_by"] = "the harness"
        elif code < 0:
            how["signal"] = signal.Signals(-code).name
        else:
            how["exit_code"] = code
        return how

    def unfinished(self) -> bytes:
        """Return what came of a line without its end."""
        return self._inbox.part()


class _Lines:
    """Lines that were read and not yet taken."""

    def __init__(self, line_bytes_max: int) -> None:
        self._limit = line_bytes_max
        self._lines: deque[bytes | None] = deque()
        self._bytes = 0
        # Pieces of a line whose end did not come yet, joined once it does.
        self._part: list[bytes] = []
        self._part_bytes = 0
        self._trouble: Exception | None = None
        self._changed = threading.Condition()

    def add(self, data: bytes) -> None:
        """Take what was read; nothing: the end."""
        with self._changed:
            if not data:
                # A last line without its end is a line.
                self._lines += [b"".join(self._part), None] if self._part else [None]
                self._part = []
            elif self._trouble is None:
                self._trouble = self._take(data)
                if self._trouble is not None:
                    self._lines.clear()
                    self._part = []
            self._changed.notify()

    def _take(self, data: bytes) -> Exception | None:
        """Cut what was read into lines; return what is too much of it."""
        self._bytes += len(data)
        first, *more = data.split(b"\n")
        self._part.append(first)
        self._part_bytes += len(first)
        if more:
            whole = [b"".join(self._part), *more[:-1]]
            self._lines += whole
            self._part, self._part_bytes = [more[-1]] if more[-1] else [], len(more[-1])
            longest = max(whole, key=len)
            if len(longest) > self._limit:
                return LongLineError(longest[:200].decode(errors="replace"))
        if self._part_bytes > self._limit:
            begin = b"".join(self._part[:200])[:200]
            return LongLineError(begin.decode(errors="replace"))
        return FloodError() if self._bytes > _WAITING_BYTES_MAX else None

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

    def part(self) -> bytes:
        """Return what came of a line without its end."""
        with self._changed:
            return b"".join(self._part)


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


def _write(pipe: IO[bytes], outbox: SimpleQueue[tuple[Buffer, ...] | None]) -> None:
    """Write pieces as they are, in one call to the system where the pipe takes them."""
    try:
        while (pieces := outbox.get()) is not None:
            views = [memoryview(piece).cast("B") for piece in pieces]
            while views:
                written = os.writev(pipe.fileno(), views)
                while views and written >= len(views[0]):
                    written -= len(views.pop(0))
                if views:
                    views[0] = views[0][written:]
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


def _end(child: subprocess.Popen[bytes], guard: ProgramGuard, seen: dict[int, str]) -> int:
    escaped = end_family(child.pid, guard.mark, seen)
    child.wait()
    guard.dismiss()
    return escaped


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
