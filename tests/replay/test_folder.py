"""The run folder under kills, signals, a second run, full disks and links: with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from kline_harness.errors import OutputError
from kline_harness.replay import folder as folders
from kline_harness.replay.folder import run_folder

from tests.replays import UM_DAY, replay

KILLS = 40
TRADES = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
# Forks a process that replaces the folder again and again, and kills it at some instant.
KILLER = """
import json, os, random, signal, sys, time
from pathlib import Path
from kline_harness.replay import folder
target, kills, exchange = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "exchange"
if not exchange:
    folder.exchange = lambda one, other: False
def write(number):
    with folder.run_folder(target) as partial:
        (partial / "klines").mkdir()
        for name in ("a", "klines/b", "run.json"):
            (partial / name).write_text(str(number))
def whole():
    return len({(target / name).read_text() for name in ("a", "klines/b", "run.json")}) == 1
write(0)
random.seed(1)
absent = 0
for kill in range(kills):
    child = os.fork()
    if child == 0:
        number = 0
        while True:
            number += 1
            write(f"{kill} {number}")
    end = time.monotonic() + random.uniform(0.001, 0.03)
    while time.monotonic() < end:
        absent += not (target / "run.json").is_file()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if exchange:
        assert whole()
write("last")
assert whole()
print(json.dumps({"absent": absent, "left": sorted(os.listdir(target.parent))}))
"""


def killed(target: Path, how: str) -> dict[str, object]:
    words = [sys.executable, "-c", KILLER, str(target), str(KILLS), how]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    result: dict[str, object] = json.loads(ran.stdout)
    return result


def test_kills_at_any_instant_leave_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    result = killed(tmp_path / "run", "exchange")
    assert result == {"absent": 0, "left": ["run"]}


def test_without_an_exchange_kills_lose_no_folder(tmp_path: Path) -> None:
    assert killed(tmp_path / "run", "renames")["left"] == ["run"]


def test_a_folder_set_aside_by_a_killed_run_is_put_back(tmp_path: Path) -> None:
    with run_folder(tmp_path / "run") as partial:
        (partial / "run.json").write_text("good")
    (tmp_path / "run").rename(tmp_path / ".run.old")
    with pytest.raises(RuntimeError), run_folder(tmp_path / "run") as partial:
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (tmp_path / "run" / "run.json").read_text() == "good"


def test_leftovers_of_other_folders_are_not_touched(tmp_path: Path) -> None:
    others = [".run.b.0123abcd.partial", ".run2.0123abcd.partial", ".run.notes.partial"]
    for name in [*others, ".run.0123abcd.partial", ".run.partial"]:
        (tmp_path / name).mkdir()
    with run_folder(tmp_path / "run"):
        pass
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "run"])


def start(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kline_harness.cli", "replay", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(folder: Path, pattern: str) -> None:
    end = time.monotonic() + 30
    while not list(folder.glob(pattern)):
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [
        (signal.SIGINT, 130, "interrupted\n"),
        (signal.SIGTERM, 143, "terminated\n"),
        (signal.SIGHUP, 129, "terminated\n"),
    ],
)
@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.4])
def test_a_signal_leaves_nothing_and_says_one_line(
    number: int, code: int, line: str, delay_s: float, tmp_path: Path
) -> None:
    process = start(TRADES, "--out", tmp_path / "new" / "run")
    wait_for(tmp_path, "new/.run.*.partial")
    time.sleep(delay_s)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (code, "", line)
    assert list(tmp_path.iterdir()) == []


def test_of_two_runs_into_one_folder_the_second_is_refused(tmp_path: Path) -> None:
    with run_folder(tmp_path / "run") as partial:
        (partial / "run.json").write_text("first")
        process = start(TRADES, "--out", tmp_path / "run", "--audit", "off", "--no-report")
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, output) == (2, "")
        assert errors == f"error: {tmp_path / 'run'}: another run is writing there, expected none\n"
    assert (tmp_path / "run" / "run.json").read_text() == "first"
    assert os.listdir(tmp_path) == ["run"]


def test_a_lock_of_a_dead_process_is_none(tmp_path: Path) -> None:
    (tmp_path / ".run.lock").touch()
    with run_folder(tmp_path / "run"):
        pass
    assert os.listdir(tmp_path) == ["run"]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk" / "real")
    for content in ("first", "second"):
        with run_folder(tmp_path / "run") as partial:
            (partial / "run.json").write_text(content)
        assert (tmp_path / "run").readlink() == tmp_path / "disk" / "real"
        assert (tmp_path / "disk" / "real" / "run.json").read_text() == content
    assert os.listdir(tmp_path / "disk") == ["real"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc on this system")
def test_a_folder_in_which_no_file_can_be_made_is_refused_at_once() -> None:
    # The system says of a file that is made there what it says of one in a folder that is gone.
    said = r"^/proc/x: cannot be written: No such file"
    with pytest.raises(OutputError, match=said), run_folder(Path("/proc/x")):
        pytest.fail("a folder was made")


@pytest.mark.parametrize("word", ["loop", "file/run", "n" * 300, "/"])
def test_a_place_that_cannot_be_is_said(word: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("mine")
    ran = replay(tmp_path / word, TRADES, "--audit", "off")
    assert ran.exit_code == 2
    assert ran.output.startswith(f"error: {tmp_path / word}: ")
    assert sorted(os.listdir(tmp_path)) == ["file", "loop"]


@pytest.mark.parametrize("mode", [0o555, 0o000])
def test_a_parent_that_may_not_be_written(mode: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder) / "parent"
        parent.mkdir()
        parent.chmod(mode)
        Path(folder).chmod(0o755)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may write everywhere, nobody may not
        try:
            with pytest.raises(OutputError, match="run: cannot be written: Permission denied"):
                run_folder(parent / "run").__enter__()
        finally:
            os.seteuid(user)
        parent.chmod(0o700)
        assert os.listdir(parent) == []


def test_a_full_disk_is_one_sentence_and_the_earlier_run_stays(tmp_path: Path) -> None:
    with run_folder(tmp_path / "run") as partial:
        (partial / "run.json").write_text("good")
    # The largest file that may be written: less than the klines need.
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192));"
        "from kline_harness.cli import main; main()"
    )
    words = ["replay", str(TRADES), "--out", str(tmp_path / "run"), "--audit", "off"]
    command = [sys.executable, "-c", code, *words, "--no-report"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr == f"error: {tmp_path / 'run'}: cannot be written: File too large\n"
    assert (tmp_path / "run" / "run.json").read_text() == "good"
    assert os.listdir(tmp_path) == ["run"]


def test_the_second_rename_fails_and_the_earlier_run_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with run_folder(tmp_path / "run") as partial:
        (partial / "run.json").write_text("good")
    monkeypatch.setattr(folders, "exchange", lambda one, other: False)
    with pytest.raises(OutputError), run_folder(tmp_path / "run") as partial:
        partial.rmdir()
    assert (tmp_path / "run" / "run.json").read_text() == "good"
    assert os.listdir(tmp_path) == ["run"]


LOSES = """
import os, signal, sys
from kline_harness import cli
from kline_harness.replay import run
real, number = run.build_report, getattr(signal, sys.argv.pop(1))
def lost(folder):
    try:
        os.kill(os.getpid(), number)
        for _ in range(1000): pass
    except BaseException:
        pass
    return real(folder)
run.build_report = lost
cli.main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_whose_exception_a_library_loses_still_ends_the_run(
    name: str, code: int, tmp_path: Path
) -> None:
    words = ("replay", TRADES, "--intervals", "1h", "--audit", "off", "--out", tmp_path / "run")
    ran = subprocess.run(
        [sys.executable, "-c", LOSES, name, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (code, "")
    assert list(tmp_path.iterdir()) == []
