"""The commands of docs/your-service.md, as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from tests.exchange.services import valid_in_time
from tests.replays import ROOT, Ran

PAGE = ROOT / "docs" / "your-service.md"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def run_page(folder: Path) -> tuple[Ran, int | None]:
    (script,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.S)
    for name in ("docs", "fixtures"):
        (folder / name).symlink_to(ROOT / name)
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    shell = shutil.which("sh")
    assert shell is not None
    script = script.replace("18700", str(free_port()))
    process = subprocess.Popen(
        [shell, "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said = process.communicate(timeout=300)[0]
    finally:
        # Whatever the script has left, such as a server that nobody asked anything.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    (counts,) = [
        json.loads(line)
        for line in said.splitlines()
        if line.startswith('{"') and "late_ms" in line
    ]
    return Ran(process.returncode, said[-3000:], folder / "judged"), counts["late_ms"]


def test_the_commands_of_the_page_run_and_come_to_valid(tmp_path: Path) -> None:
    ran = valid_in_time(tmp_path, run_page, grace_ms=15_000)
    assert ran.run["verdict"] == "valid"
    # Seven intervals; the weekly kline is not over.
    assert {one["interval"] for one in ran.run["comparison"]["series"]} >= {"1m", "1h", "4h", "1d"}
    assert (ran.folder / "report.html").exists()
