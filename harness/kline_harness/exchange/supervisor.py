"""Runs a service in a process group of its own, and ends the group with whoever asked for it.

Standard input is a pipe that only the server holds: when it closes, by a word or by a kill, the
service and everything that it has started are ended.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

_POLL_SECONDS = 0.05
GRACE_SECONDS = 5.0


def main(arguments: list[str]) -> int:
    """Run ``FD COMMAND...``: a byte is written to FD when the command starts."""
    started, command = int(arguments[0]), arguments[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(started, b"1")
    os.close(started)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        print(f"{command[0]}: cannot be started: {error.strerror}", file=sys.stderr)
        return 127
    try:
        while child.poll() is None:
            ready, _, _ = select.select([0], [], [], _POLL_SECONDS)
            if ready and not os.read(0, 1):
                _end(child)
                break
    finally:
        # What the service has started may outlive it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    code = child.returncode
    return code if code >= 0 else 128 - code


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
