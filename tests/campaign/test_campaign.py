"""The verb ``campaign`` from outside: two workers, the same bytes as one replay of each symbol."""

from __future__ import annotations

import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.campaign.days import folder_bytes, rows_of, write_days

KILLS = int(os.environ.get("KILLS", "2"))
"""How often a campaign is killed; KILLS=20 for the long form."""
DAYS, TRADES = (31, 20_000) if "KILLS" in os.environ else (4, 2_000)
SYMBOLS = ("ALFAUSDT", "BETAUSDT", "GAMAUSDT", *(("DELTUSDT",) if "KILLS" in os.environ else ()))
HARNESS = [str(Path(sys.executable).with_name("kline-harness"))]


def write_campaign(folder: Path, days: int, per_day: int, *more: str) -> Path:
    for symbol in SYMBOLS:
        write_days(folder / "data", symbol, rows_of(symbol, days, per_day, id_jumps=500))
    file = folder / "july.toml"
    lines = ['trades = ["data/*.csv"]', "expectations = false", "report = false", *more]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def run(*words: object, expected: tuple[int, ...] = (0, 1, 3)) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*HARNESS, *map(str, words)], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode in expected, done.stderr
    return done


def results(out: Path) -> dict[str, bytes]:
    """Every result: run folders, tables, and what they came to. Not what is kept for later."""
    found: dict[str, bytes] = {}
    for name in ("runs", "dataset", "days"):
        found |= {f"{name}/{path}": data for path, data in folder_bytes(out / name).items()}
    return found | {name: (out / name).read_bytes() for name in ("campaign.json", "index.html")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A campaign's file, and the folder of a campaign that nothing disturbed."""
    folder = tmp_path_factory.mktemp("campaign")
    file = write_campaign(folder, DAYS, TRADES, "task_seconds = 0")
    run("campaign", file, "--out", folder / "whole", "--workers", 2)
    return file, folder / "whole"


def test_each_symbol_is_one_replay_to_the_byte(whole: tuple[Path, Path], tmp_path: Path) -> None:
    file, out = whole
    scenario = tmp_path / "s.toml"
    scenario.write_text("expectations = false\n", encoding="utf-8")
    for symbol in SYMBOLS:
        files = sorted((file.parent / "data").glob(f"{symbol}-*.csv"))
        run("replay", *files, "--scenario", scenario, "--no-report", "--out", tmp_path / symbol)
        one, ours = (folder_bytes(p) for p in (tmp_path / symbol, out / "runs" / f"{symbol}-exact"))
        records = [json.loads(folder.pop("run.json")) for folder in (one, ours)]
        # The one thing that is not the replay's: what was typed.
        assert [record.pop("command").split()[1] for record in records] == ["replay", "campaign:"]
        assert records[0] == records[1]
        assert one == ours
        assert len(one) >= 5


def test_what_is_done_is_not_done_again(whole: tuple[Path, Path]) -> None:
    file, out = whole
    before = results(out)
    assert " 0 runs new" in run("campaign", file, "--out", out, "--workers", 1).stdout
    assert results(out) == before
    # One input more, and that symbol alone is run again.
    damaged = out / "runs" / "BETAUSDT-exact" / "run.json"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert " 1 run new" in run("campaign", file, "--out", out, "--workers", 1).stdout
    assert results(out) == before


def children(pid: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(one) for one in thread.read_text().split()]
    return found + [deeper for one in found for deeper in children(one)]


def workers(pid: int) -> list[int]:
    """The processes of a campaign that are workers: forks of the one that forks, its children."""
    servers = [child for child in children(pid) if b"forkserver" in command(child)]
    return [child for child in servers if any(child in children(one) for one in servers)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def finished_tasks(out: Path) -> int:
    return len([*out.glob("cache/??/*.parquet"), *out.glob("done/*.json")])


def test_whatever_is_killed_the_same_bytes(whole: tuple[Path, Path], tmp_path: Path) -> None:
    file, undisturbed = whole
    expected, draw = results(undisturbed), random.Random(17)
    killed = {"worker": 0, "scheduler": 0}
    tasks = finished_tasks(undisturbed)
    for number in range(KILLS):
        out = tmp_path / f"killed{number}"
        what = ("worker", "scheduler")[number % 2]
        campaign = subprocess.Popen(
            [*HARNESS, "campaign", file, "--out", out, "--workers", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # At a random moment, by what is done and not by a clock: before the last two tasks.
        moment = draw.randrange(tasks - 2)
        while campaign.poll() is None and (
            len(workers(campaign.pid)) < 2 or finished_tasks(out) < moment
        ):
            time.sleep(0.01)
        time.sleep(draw.random() / 20)
        try:
            victims = workers(campaign.pid)
            if campaign.poll() is None and (what == "scheduler" or victims):
                victim = campaign.pid if what == "scheduler" else draw.choice(victims)
                os.kill(victim, signal.SIGKILL)
                killed[what] += 1
        except (FileNotFoundError, ProcessLookupError):
            pass
        campaign.wait(timeout=900)
        run("campaign", file, "--out", out, "--workers", 2)
        assert results(out) == expected, f"after kill {number}, of a {what}"
    print(f"killed: {killed}")
    assert sum(killed.values()) >= KILLS // 2


# What a worker opens ends it at once: a file of trades while it is digested, the lock of a run.
KILLER = """
import multiprocessing, os, sys

def end(event, args):
    if event == "open" and {word!r} in str(args[0]) and multiprocessing.parent_process():
        os._exit(1)

sys.addaudithook(end)
"""


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("BETAUSDT-trades-2024-07-02", "BETAUSDT: BETAUSDT-trades-2024-07-02.csv: each of 2 "),
        (".BETAUSDT-exact.lock", "BETAUSDT-exact: each of 2 "),
    ],
)
def test_a_task_that_ends_its_workers_fails_alone(
    whole: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    what: str,
) -> None:
    file, undisturbed = whole
    retries = file.with_name("retries.toml")
    retries.write_text(file.read_text() + "retries = 1\n")
    out = tmp_path / "out"
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(KILLER.format(word=word))
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", str(tmp_path / "hook"))
        done = run("campaign", retries, "--out", out, "--workers", 2, expected=(1,))
    assert f"failed  BETAUSDT-exact: {what}" in done.stdout
    told = json.loads((out / "campaign.json").read_text())
    # The others have doubts and errors of their own; alone it would be unknown.
    assert (told["verdict"], told["exit_code"]) == ("failed", 1)
    assert [(one["name"], one["exit_code"]) for one in told["failed"]] == [("BETAUSDT-exact", 3)]
    others = {f"{symbol}-exact" for symbol in SYMBOLS} - {"BETAUSDT-exact"}
    assert {one["name"] for one in told["runs"]} == others
    ours, theirs = results(out), results(undisturbed)
    alone = [name for name in theirs if "BETAUSDT" in name]
    assert [name for name in ours if "BETAUSDT" in name] == []
    for name in set(theirs) - set(alone) - {"campaign.json", "index.html"}:
        assert name.endswith("dataset.json") or ours[name] == theirs[name], name
    run("campaign", retries, "--out", out, "--workers", 2)
    assert results(out) == theirs


def test_one_campaign_in_a_folder_at_a_time(whole: tuple[Path, Path]) -> None:
    file, out = whole
    before = results(out)
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("campaign", file, "--out", out, expected=(2,))
        assert "another campaign is at work there" in done.stderr
        run("campaign", file, "--out", out, "--plan", expected=(2,))
    assert results(out) == before
