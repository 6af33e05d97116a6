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

_SAMPLE_S = 0.01
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Timed:
    """What a whole process took, from start to exit; `memory` is (seconds, MB) as it went on.

    The peak is the process's own: the one that wait tells is inherited from whoever started it.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    memory: tuple[tuple[float, float], ...] = ()


def run(command: Sequence[str]) -> Timed:
    """Run a command and time it.

    Raises SystemExit when it fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
    memory, peak_mb = [], 0.0
    while process.poll() is None:
        held_mb, most_mb = _memory_mb(process.pid)
        memory.append((time.perf_counter() - start, held_mb))
        peak_mb = max(peak_mb, most_mb)
        time.sleep(_SAMPLE_S)
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(wall, cpu, peak_mb, tuple(memory))


def _memory_mb(pid: int) -> tuple[float, float]:
    """Return what a process holds in memory, and the most that it held; 0 once it is over."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0, 0.0
    held, most = (status.partition(f"{name}:")[2].split() for name in ("VmRSS", "VmHWM"))
    return (int(held[0]) / 1024, int(most[0]) / 1024) if most else (0.0, 0.0)


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
