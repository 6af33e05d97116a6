"""A disk that is full while a run is under way: said in one sentence, and nothing is left."""

from __future__ import annotations

import errno
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.exchange.loopback import every_second
from tests.exchange.services import listens
from tests.exchange.stored import Run, klines, stored, write_klagg
from tests.exchange.test_collect import collect
from tests.exchange.test_reach import alive

# What stands for a full disk: the files of the klines of a run, or served.json.
KLINES = (
    "import tempfile\nfrom kline_harness.exchange import kline_store\n"
    "class Full:\n"
    "    gettempdir = staticmethod(tempfile.gettempdir)\n"
    "    TemporaryFile = staticmethod(lambda **kw: open('/dev/full', 'w+b', buffering=0))\n"
    "kline_store.tempfile = Full\n"
)
RECORD = (
    "import os\n"
    f"def full(number): raise OSError({errno.ENOSPC}, 'No space left on device')\n"
    "os.fsync = full\n"
)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("patch", "words"), [(KLINES, "no room for the klines"), (RECORD, "served.json")]
)
def test_of_the_server(tmp_path: Path, patch: str, words: str) -> None:
    script = tmp_path / "service.sh"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path / 'pid'}\nexec sleep 1000\n")
    script.chmod(0o755)
    code = f"{patch}from kline_harness.cli import main\nmain()\n"
    given = ["serve", str(every_second(tmp_path, 130)), "--out", str(tmp_path / "out")]
    given += ["--speed", "60", "--linger", "0", "--hold", "0"]
    if patch is KLINES:
        given += ["--run", str(script), "--rebase", "--speed", "1", "--start"]
        given += ["2024-05-15T00:00:58Z"]
    server = subprocess.Popen(
        [sys.executable, "-c", code, *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    _, error = server.communicate(timeout=60)
    assert server.returncode == 2, error
    assert words in error
    assert error.count("\n") == 1
    if ":" in line:
        assert not listens(int(line.rpartition(":")[2]))
    if (tmp_path / "pid").exists():
        number, end = int((tmp_path / "pid").read_text()), time.monotonic() + 60
        while alive(number):
            assert time.monotonic() < end
            time.sleep(0.1)


def test_of_collect(tmp_path: Path) -> None:
    run = Run()
    store = write_klagg(tmp_path / "klines.db", stored(("1m",), run.ended_ns))
    served = run.write(tmp_path)

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    words = ["collect", str(store), "--run", str(served), "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "kline_harness", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=small_files,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    # Nothing half-written.
    assert not (tmp_path / "out").exists()


def test_a_table_of_months_is_not_one_of_minutes(tmp_path: Path) -> None:
    """k_alfa_1M is read as 1M where a service writes the interval as it is."""
    run = Run(symbols=("ALFAUSDT",))
    day = klines("ALFAUSDT", "1m", run.ended_ns)
    store = write_klagg(tmp_path / "k.db", {("ALFAUSDT", "1M"): day[:1]})
    ran = collect(tmp_path, store, run, "--intervals", "1m")
    assert {one["interval"] for one in ran.run["comparison"]["not_compared"]} | {
        one["interval"] for one in ran.run["comparison"]["series"]
    } >= {"1m"}
    assert ran.check("store")["counts"]["forming"] == 1
