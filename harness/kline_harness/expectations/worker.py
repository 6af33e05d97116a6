"""The process that runs the suite, started early and asked late."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import IO

from kline_harness.expectations.answer import Answer, crashed

TIMEOUT_S = 600.0
# What is freed goes back to the system at once: columns of a month of seconds come and go.
_FRUGAL = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}


class ExpectationsWorker:
    """Runs the suite in another process, which imports what it needs while the replay runs.

    start() at the beginning, result() at the end; close(), or leaving a ``with`` block, ends the
    process whatever state it is in. `command` is the worker's program, for tests.
    """

    def __init__(
        self, command: tuple[str, ...] | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._command = command or (sys.executable, "-m", "kline_harness.expectations")
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._stderr: IO[str] | None = None

    def start(self) -> None:
        """Spawn the worker; it begins to import at once."""
        if self._process is not None:
            return
        package = Path(__file__).resolve().parents[2]
        paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
        # A file, not a pipe: nobody reads before the end, and a full pipe would block the worker.
        self._stderr = tempfile.TemporaryFile(  # noqa: SIM115 - closed by close()
            "w+", encoding="utf-8", errors="replace"
        )
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            encoding="utf-8",
            env=os.environ | _FRUGAL | {"PYTHONPATH": os.pathsep.join(paths)},
        )

    def result(self, directory: Path, contract_size: Decimal | None = None) -> Answer:
        """Return what the suite says of a stored dataset, or that it crashed."""
        self.start()
        assert self._process is not None
        size = None if contract_size is None else f"{contract_size:f}"
        question = json.dumps({"directory": str(directory), "contract_size": size})
        try:
            output, _ = self._process.communicate(f"{question}\n", timeout=self._timeout_s)
            code = self._process.returncode
            answer: Answer = json.loads(output) if code == 0 else self._crashed(code)
        except subprocess.TimeoutExpired:
            answer = crashed(f"no answer within {self._timeout_s:g} s")
        except ValueError:
            answer = crashed("the answer is not one JSON object")
        self.close()
        return answer

    def _crashed(self, code: int) -> Answer:
        assert self._stderr is not None
        self._stderr.seek(0)
        lines = self._stderr.read().split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return crashed(last or f"exit code {code}")

    def close(self) -> None:
        """End the process and free what it held."""
        process, self._process = self._process, None
        stderr, self._stderr = self._stderr, None
        if process is not None:
            process.kill()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
            process.wait()
        if stderr is not None:
            stderr.close()

    def __enter__(self) -> ExpectationsWorker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
