"""Whole processes, timed; and the archives they read, made once and kept in ``BENCH_DIR``."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Timed:
    """What a whole process took, from start to exit."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str]) -> Timed:
    """Run a command and time it.

    Raises SystemExit when it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(wall, cpu, usage.ru_maxrss / 1024)


def kept() -> Path:
    """Return where archives are kept from one session to the next."""
    folder = Path(os.environ.get("BENCH_DIR", ".benchmarks")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def archives(trades: int, *words: str) -> list[Path]:
    """Return archives of as many trades each, as ``tests/benchmarks/day.py`` makes them.

    In a process of its own: a child's peak memory begins at that of the process it is made from.
    """
    command = [sys.executable, "-m", "tests.benchmarks.day", str(kept()), str(trades), *words]
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return [Path(line) for line in made.stdout.splitlines()]
