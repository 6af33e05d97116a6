"""The example service and the server as processes of their own, on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.exchange.stored import MIDNIGHT, MINUTE, SYMBOLS, archive
from tests.replays import Ran

T = TypeVar("T")
SERVICE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "service" / "service.py"
START = "2024-05-15T00:30:00Z"
# What the service waits for the last trades of a minute: a third of a second on the wall at x60.
GRACE_MS = 20_000
START_NS = MIDNIGHT + 30 * MINUTE


def excerpt(folder: Path, minutes: int) -> list[Path]:
    """The trades of the day up to so many minutes after half past midnight."""
    paths = []
    for symbol in SYMBOLS:
        with zipfile.ZipFile(archive(symbol)) as file:
            lines = file.read(file.namelist()[0]).decode().splitlines()
        end_ms = (START_NS + minutes * MINUTE) // 1_000_000
        kept = [x for x in lines if not x[:1].isdigit() or int(x.split(",")[5]) < end_ms]
        path = folder / f"{symbol}-aggTrades.csv"
        path.write_text("\n".join(kept) + "\n")
        paths.append(path)
    return paths


@dataclass
class Server:
    """A server that runs: its port, and the folder of served.json."""

    process: subprocess.Popen[str]
    port: int
    folder: Path

    def socks(self) -> int:
        """The port of its SOCKS5 endpoint, from what it says next."""
        assert self.process.stdout is not None
        line = next(line for line in self.process.stdout if line.startswith("SOCKS5 for"))
        return int(line.rpartition(":")[2])

    def said(self) -> list[str]:
        """Wait for its end by itself; what it and its service have said since it was ready."""
        lines = self.process.communicate(timeout=300)[0].splitlines()
        assert not listens(self.port)
        return lines

    def ended(self) -> None:
        """Wait for its end by itself; nothing listens any more then."""
        self.process.wait(300)
        assert not listens(self.port)


@contextmanager
def serving(
    folder: Path, minutes: int, *words: str, speed: str = "60", market: str = "um"
) -> Iterator[Server]:
    """Serve the first minutes after half past midnight."""
    run = folder / "run"
    command = [sys.executable, "-m", "kline_harness", "serve", *map(str, excerpt(folder, minutes))]
    command += ["--market", market, "--speed", speed, "--start", START, "--out", str(run), *words]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
    )
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert " on 127.0.0.1:" in ready, ready + process.stdout.read()
        port = int(ready.split(" on 127.0.0.1:")[1].split()[0])
        yield Server(process, port, run)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=300)


def service(
    port: int, store: Path, *words: str, clock: str = "60", before: Sequence[str] = (), **more: Any
) -> subprocess.Popen[str]:
    """Start the service on a server of this machine."""
    options = ["--rest", f"http://127.0.0.1:{port}", "--stream", f"ws://127.0.0.1:{port}"]
    if port == 0:
        # The exchange's own host names, which are its defaults.
        options = []
    options += ["--db", str(store), "--clock", clock, "--grace", str(GRACE_MS), "--retries", "1"]
    options += ["--pace", "0.2", "--intervals", "1m,5m", *words]
    return subprocess.Popen(
        [*before, sys.executable, str(SERVICE), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def summary(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """Wait for a service's end: its exit code, its counts, the lines of its log."""
    out, log = process.communicate(timeout=300)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return process.returncode, json.loads(out.splitlines()[-1]) if out else {}, lines


def valid_in_time(
    folder: Path, attempt: Callable[[Path], tuple[Ran, int | None]], grace_ms: int = GRACE_MS
) -> Ran:
    """Return the first run of three that is valid; skip where the machine was late in all.

    `attempt` runs in a folder of its own and returns the judged run, and by how many virtual
    milliseconds the service was late; None where that makes no difference to it. It waits for
    `grace_ms`. A run that is not valid though both service and server were in time fails.
    """
    for number in range(3):
        place = folder / str(number)
        place.mkdir()
        ran, service_ms = attempt(place)
        # On a machine that is late enough the service has ended, and nothing was judged.
        server_ns = ran.run["served"]["late_ns"] if (ran.folder / "run.json").exists() else 0
        # A message that was sent late can be read late on top of it.
        late_ms = (service_ms or 0) + server_ns // 1_000_000
        if ran.exit_code == 0 or service_ms is None or late_ms < grace_ms:
            break
    else:
        pytest.skip(f"the machine was late by {late_ms / 1000:.1f} s of virtual time")
    assert ran.exit_code == 0, ran.output
    return ran


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for_rows(store: Path, rows: int) -> None:
    """Wait until the service has stored something beside its history."""
    import sqlite3

    end = time.monotonic() + 300
    while time.monotonic() < end:
        if store.exists():
            try:
                with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as database:
                    query = "SELECT count(*) FROM k_alfa_1m WHERE open_time >= ?"
                    found = database.execute(query, (START_NS // 1_000_000,)).fetchone()[0]
                if found >= rows:
                    return
            except sqlite3.Error:
                pass
        time.sleep(0.05)
    raise AssertionError(f"no {rows} rows in {store}")


def kill(process: subprocess.Popen[str]) -> None:
    """End a process as a crash of the machine would."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait(300)


def in_a_thread(job: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
    """Run a coroutine in a loop of another thread."""
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(asyncio.run(job()))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found
