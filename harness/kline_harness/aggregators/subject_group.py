"""All processes of a program, ended: its group, and those that left it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# In the environment of a program and, unless they clear it, of all that it starts.
MARK = "KLINE_SUBJECT"
_PROC = Path("/proc")
# A process that starts others while they are ended is looked at again, but not for ever.
_ROUNDS = 20
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


def end_group(child: subprocess.Popen[bytes], mark: str, before: dict[int, str]) -> int:
    """End a program's group and whatever of it has left the group; return how many had.

    `before` are those that were seen of it when it ran: of one that has exited, no descent is
    known any more.
    """
    known = before | family(child.pid, mark)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    ended = set[int]()
    for _ in range(_ROUNDS):
        known |= family(child.pid, mark)
        left = {pid for pid, start in known.items() if _is_outside(pid, start, child.pid)} - ended
        if not left:
            break
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= left
    child.wait()
    return len(ended)


def _is_outside(pid: int, started: str, group: int) -> bool:
    """Tell whether a process runs, is still that one, and is in another group."""
    fields = _fields(pid)
    if not fields or fields[_STARTED] != started:
        return False
    return fields[0] not in "ZX" and int(fields[2]) != group


def _is_marked(pid: int, mark: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{MARK}={mark}".encode() in environment.split(b"\0")


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
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
