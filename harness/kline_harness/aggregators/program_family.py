"""All processes of a program, ended: its group, and those that left it.

Run as a program of its own it ends another one, and all that that has started, once its standard
input closes: whoever holds that may be killed and end nothing any more. It is started each time
a subject is, so that it imports little.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

# In the environment of a program and, unless they clear it, of all that it starts.
MARK = "KLINE_HARNESS_PROGRAM"
# What a guard is told where there is nothing left to end.
ENDED = b"ended"
_PROC = "/proc"
# A process that starts others while they are ended is looked at again, but not for ever.
_ROUNDS = 20
_POLL_SECONDS = 0.02
# When a process was started, among the fields of /proc/PID/stat that follow its name.
_STARTED = 19


def family(program: int, mark: str) -> dict[int, str]:
    """Return the processes that a program started, and it itself, with when each was started.

    Known where the system has ``/proc``: by the mark in their environment, or by descent.
    """
    processes = dict(_processes())
    found = {program, *(pid for pid in processes if _is_marked(pid, mark))}
    size = 0
    while size < len(found):
        size = len(found)
        found |= {pid for pid, fields in processes.items() if int(fields[1]) in found}
    return {pid: processes[pid][_STARTED] for pid in found & processes.keys()}


def started(pid: int) -> str:
    """Return when a process was started, as the system counts it; nothing where that is unknown."""
    fields = _fields(pid)
    return fields[_STARTED] if fields else ""


def end_family(program: int, mark: str, before: dict[int, str]) -> int:
    """End a program's group and whatever of it has left the group; return how many had.

    `before` are those that were seen of it when it ran: of one that has exited, no descent is
    known any more.
    """
    known = before | family(program, mark)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program, signal.SIGKILL)
    ended = set[int]()
    for _ in range(_ROUNDS):
        known |= family(program, mark)
        left = {pid for pid, start in known.items() if _is_outside(pid, start, program)} - ended
        if not left:
            break
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= left
    return len(ended)


def _is_outside(pid: int, start: str, group: int) -> bool:
    """Tell whether a process runs, is still that one, and is in another group."""
    fields = _fields(pid)
    return _runs(fields, start) and int(fields[2]) != group


def _runs(fields: list[str], start: str) -> bool:
    return bool(fields) and fields[_STARTED] == start and fields[0] not in "ZX"


def _is_marked(pid: int, mark: str) -> bool:
    try:
        with open(f"{_PROC}/{pid}/environ", "rb") as file:
            return f"{MARK}={mark}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def _processes() -> Iterator[tuple[int, list[str]]]:
    try:
        names = sorted(os.listdir(_PROC))
    except OSError:
        return
    for name in names:
        if name.isdigit() and (fields := _fields(int(name))):
            yield int(name), fields


def _fields(pid: int) -> list[str]:
    """Return state, parent, group and more of a process; nothing where it is gone."""
    try:
        with open(f"{_PROC}/{pid}/stat", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def guard(mark: str, grace_s: float) -> None:
    """Wait until standard input closes, and end what it spoke of.

    It speaks of ``PID STARTED``, then of `ENDED`; a program that was being started when whoever
    holds it was killed is known by its mark alone. One that runs is asked to end by SIGTERM first,
    and given that many seconds.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    answer = b""
    while piece := os.read(0, 1 << 12):
        answer += piece
    words = answer.split()
    if words[-1:] == [ENDED]:
        return
    program, start = int(words[0]) if words else 0, words[1].decode() if words[1:] else ""
    known = family(program, mark) if program else family(os.getpid(), mark)
    known.pop(os.getpid(), None)
    if program and started(program) == start:
        _ask_to_end(program, known, grace_s)
        end_family(program, mark, known)
        return
    # The program itself is gone; its number may be another's by now.
    for pid, since in known.items():
        if _runs(_fields(pid), since) and _is_marked(pid, mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _ask_to_end(program: int, known: dict[int, str], grace_s: float) -> None:
    if grace_s <= 0:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(program, signal.SIGTERM)
    # Not the first of them alone: a wrapper may be gone before what it has started.
    for _ in range(int(grace_s / _POLL_SECONDS)):
        if not any(_runs(_fields(pid), start) for pid, start in known.items()):
            return
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    guard(sys.argv[1], float(sys.argv[2]))
