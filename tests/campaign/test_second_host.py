"""Workers of two hosts, of which one joins and leaves while a campaign runs.

The second host is a network namespace: it has addresses of its own and no way to the first but a
cable. Needs root; run with KILLS set, as the long form of the tests beside it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.campaign.test_campaign import HARNESS, results, run, write_campaign

HOST, OTHER, SPACE = "10.203.0.1", "10.203.0.2", "kh_second_host"
ADDRESS = f"tcp://{HOST}:18786"

pytestmark = pytest.mark.skipif(
    "KILLS" not in os.environ or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="the long form, by root",
)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def second_host() -> Iterator[list[str]]:
    """What to put before a command for it to run on the second host."""
    ip("netns", "add", SPACE)
    try:
        ip("link", "add", "kh0", "type", "veth", "peer", "name", "kh1")
        ip("link", "set", "kh1", "netns", SPACE)
        ip("addr", "add", f"{HOST}/24", "dev", "kh0")
        ip("link", "set", "kh0", "up")
        inside = ["ip", "netns", "exec", SPACE]
        for words in (
            ["addr", "add", f"{OTHER}/24", "dev", "kh1"],
            ["link", "set", "kh1", "up"],
            ["link", "set", "lo", "up"],
        ):
            subprocess.run([*inside, "ip", *words], check=True)
        yield inside
    finally:
        ip("netns", "del", SPACE)


def started(*words: str) -> subprocess.Popen[bytes]:
    log = subprocess.DEVNULL
    return subprocess.Popen([*words], stdout=log, stderr=log, start_new_session=True)


def ended(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_a_worker_of_a_second_host_joins_and_leaves(second_host: list[str], tmp_path: Path) -> None:
    file, out = write_campaign(tmp_path, 8, 6_000, "task_seconds = 0"), tmp_path / "out"
    run("campaign", file, "--out", tmp_path / "local", "--workers", 2)
    python = [sys.executable, "-m"]
    worker = ["distributed.cli.dask_worker", ADDRESS, "--nthreads", "1", "--no-dashboard"]
    scheduler = ["distributed.cli.dask_scheduler", "--host", HOST, "--port", "18786"]
    processes = [started(*python, *scheduler, "--no-dashboard")]
    try:
        campaign = started(
            *HARNESS, "campaign", str(file), "--out", str(out), "--scheduler", ADDRESS
        )
        joined = started(*second_host, *python, *worker, "--host", OTHER)
        processes += [campaign, joined]
        deadline = time.monotonic() + 60
        while not list((out / "cache").glob("??/*.parquet")):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        # What is there was done by the one worker there is, on the second host.
        assert campaign.poll() is None
        assert not (out / "campaign.json").exists()
        ended(joined)
        assert campaign.poll() is None
        processes.append(started(*python, *worker, "--host", HOST))
        assert campaign.wait(timeout=300) in (0, 1, 3)
    finally:
        for process in processes:
            ended(process)
    assert results(out) == results(tmp_path / "local")
