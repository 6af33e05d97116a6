"""A person's runs with an aggregator of their own, from the command to the run folder."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from tests.replays import UM_DAY, Ran, command, replay
from tests.subjects.test_examples import EXAMPLES, SUBJECTS, command_of

HERE = Path(__file__).parent
PYTHON = f"{sys.executable} {EXAMPLES / 'aggregator.py'}"
DAY = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
KLINES = [UM_DAY / f"ALFAUSDT-{interval}-2024-05-15.zip" for interval in ("1m", "5m", "1h")]
# More with KILLS=200 in the environment.
KILLS = int(os.environ.get("KILLS", "12"))
# A quiet hour of a made-up market: enough to tick, little to wait for.
ROWS = [f"{n},100.{n},1.5,{n},{n},{1715731200000 + 17_000 * n},{n % 2 > 0}" for n in range(1, 120)]


@pytest.fixture
def hour(tmp_path: Path) -> Path:
    path = tmp_path / "XUSDT-aggTrades.csv"
    path.write_text("\n".join(ROWS) + "\n", encoding="utf-8")
    return path


def judged(folder: Path, subject: str, *words: str | Path) -> Ran:
    return replay(folder, DAY, "--klines", *KLINES, "--aggregator", subject, *words)


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_right_program_is_valid_and_its_bug_invalid(
    name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    subject = f"process:{command_of(name, tmp_path_factory)}"
    right = judged(tmp_path / "right", subject)
    assert (right.exit_code, right.run["verdict"]) == (0, "valid")
    assert right.series("ALFAUSDT", "1m")["identical"] == 1440
    assert right.check("exactness")["counts"]["differing"] == 0
    wrong = judged(tmp_path / "wrong", f"{subject} --bug")
    assert wrong.exit_code == 1
    found = {finding["kind"] for finding in wrong.findings()}
    assert {"not_exact", "unexplained"} <= found


def test_a_program_gives_what_the_exact_aggregator_gives(tmp_path: Path) -> None:
    exact = replay(tmp_path / "exact", DAY, "--intervals", "1m,1h")
    own = replay(tmp_path / "own", DAY, "--intervals", "1m,1h", "--aggregator", f"process:{PYTHON}")
    counts = own.check("exactness")["counts"]
    assert counts["identical"] == exact.run["channels"][0]["published"] == counts["klines"]


ENDS = {
    "dies": (3, "exited"),
    "gives up": (3, "gave_up"),
    "hangs": (3, "late"),
    "log line": (1, "protocol_broken"),
    "another symbol": (1, "unknown_symbol"),
    "after done": (1, "after_done"),
}


@pytest.mark.parametrize("mode", ENDS)
def test_one_that_misbehaves_leaves_a_whole_run_folder(
    mode: str, hour: Path, tmp_path: Path
) -> None:
    code, kind = ENDS[mode]
    scenario = tmp_path / "scenario.toml"
    scenario.write_text('[process]\nanswer = "1s"\n')
    subject = f"process:{sys.executable} {HERE / 'misbehaving.py'} {mode!r}"
    words = ("--aggregator", subject, "--scenario", scenario, "--intervals", "1m")
    ran = replay(tmp_path / "run", hour, *words)
    assert ran.exit_code == code
    assert kind in {finding["kind"] for finding in ran.findings()}
    assert ran.check("subject")["counts"][kind] >= 1


def test_the_same_bytes_whatever_the_pipes_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = f"process:{sys.executable} {HERE / 'slowed.py'} {PYTHON}"
    folders = []
    for seed in (None, "1", "2"):
        if seed is not None:
            monkeypatch.setenv("SLOWED", seed)
        ran = judged(tmp_path / f"run-{seed}", subject)
        assert ran.exit_code == 0
        folders.append(contents(ran.folder))
    assert folders[0] == folders[1] == folders[2]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see processes")
def test_kills_at_random_phases(hour: Path, tmp_path: Path) -> None:
    draw = Random(3)
    for number in range(KILLS):
        after = draw.randrange(300)
        subject = f"process:{sys.executable} {HERE / 'dying.py'} {after} {PYTHON}"
        words = ("--aggregator", subject, "--intervals", "1m")
        ran = replay(tmp_path / f"run-{number}", hour, *words)
        kinds = [one["kind"] for one in ran.findings() if one["check"] == "subject"]
        # Whole, though nobody knows what the program would have published.
        assert (ran.exit_code, kinds) in [(3, ["exited"]), (0, [])], after
        assert ran.run["exit_code"] == ran.exit_code
        assert not list(tmp_path.glob(".*.partial"))
    end = time.monotonic() + 60
    while running("dying.py") and time.monotonic() < end:
        time.sleep(0.05)
    assert running("dying.py") == []


def running(word: str) -> list[str]:
    """The processes with a word in their command that this one started."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if folder.name.isdigit() and any(one.endswith(word) for one in words):
            found.append(folder.name)
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_the_program_too(number: int, hour: Path, tmp_path: Path) -> None:
    # It answers nothing, reads no end of its stdin, and has a child that has left its group.
    token = f"token-of-{os.getpid()}-{number}"
    subject = f"process:{sys.executable} {HERE / 'misbehaving.py'} deaf {token}"
    harness = Path(sys.executable).parent / "kline-harness"
    words = ["--aggregator", subject, "--intervals", "1m", "--no-report"]
    run = subprocess.Popen(
        [harness, "replay", hour, *words, "--out", tmp_path / "out" / "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # The harness has the words as one; the program alone ends with the token.
    end = time.monotonic() + 120
    while len([pid for pid in running(token) if pid != str(run.pid)]) < 2:
        assert time.monotonic() < end
        time.sleep(0.01)
    run.send_signal(number)
    output, errors = run.communicate(timeout=120)
    if number == signal.SIGKILL:
        # Nobody is left to do it at once: the guard does.
        assert (run.returncode, output, errors) == (-9, "", "")
        while running(token):
            assert time.monotonic() < end
            time.sleep(0.05)
        return
    assert (run.returncode, output) == (128 + number, "")
    assert errors in ("interrupted\n", "terminated\n")
    assert running(token) == []
    assert [path.name for path in tmp_path.iterdir()] == [hour.name]


INTERRUPTED = """
import os, signal, subprocess, sys
from kline_harness.aggregators.subject_process import SubjectProcess

class Started(subprocess.Popen):
    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        os.kill(os.getpid(), signal.SIGINT)

subprocess.Popen = Started
SubjectProcess(sys.argv[1:], 1000)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to see processes")
def test_an_interrupted_start_leaves_no_program(tmp_path: Path) -> None:
    token = f"token-of-{os.getpid()}-start"
    words = [sys.executable, str(HERE / "misbehaving.py"), "hangs", token]
    ran = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, *words], capture_output=True, text=True, timeout=60
    )
    assert "KeyboardInterrupt" in ran.stderr
    assert running(token) == []


BUGS = ("EndIncluded", "ArrivalDecides", "CountsRows", "KeepsThePrice", "LateIsAdded")


@pytest.mark.unbalanced
@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_of_ones_own_is_found_and_shrunk(bug: str, tmp_path: Path) -> None:
    subject = f"{HERE / 'five_bugs.py'}:{bug}"
    ran = command(
        *("explore", DAY, "--aggregator", subject, "--seeds", "40", "--out", tmp_path / "out"),
    )
    assert ran.exit_code == 1
    (bundle, *_) = sorted((tmp_path / "out").glob("seed-*"))
    with (bundle / "trades.csv").open(encoding="utf-8") as lines:
        trades = len(list(csv.reader(lines))) - 1
    assert trades <= 20
    assert command("reproduce", bundle).exit_code == 0


def test_a_program_is_explored_shrunk_and_reproduced(tmp_path: Path) -> None:
    subject = f"process:{PYTHON} --bug"
    words = ("--aggregator", subject, "--seeds", "1", "--out", tmp_path / "out")
    assert command("explore", DAY, *words).exit_code == 1
    (bundle,) = (tmp_path / "out").glob("seed-*")
    assert json.loads((bundle / "bundle.json").read_text())["subject"] == subject
    assert command("reproduce", bundle).exit_code == 0


def test_a_gate_holds_a_program(tmp_path: Path) -> None:
    suite = tmp_path / "suite.toml"
    for option, code in (("", 0), (" --bug", 1)):
        suite.write_text(
            f"[[case]]\nname = 'own'\ntrades = ['{DAY}']\nklines = ['{KLINES[0]}']\n"
            f"intervals = ['1m']\naggregator = \"process:{PYTHON}{option}\"\n"
        )
        words = () if option else ("--update",)
        assert command("gate", suite, *words).exit_code == code


def test_the_kit_as_a_verb(tmp_path: Path) -> None:
    junit, results = tmp_path / "kit.xml", tmp_path / "kit.json"
    options = ("--junit", junit, "--json", results)
    right = command("check-aggregator", "exact", *options)
    assert right.exit_code == 0
    assert "exact: 132 passed, 9 skipped" in right.output
    assert ElementTree.parse(junit).getroot().attrib["failures"] == "0"
    rows = json.loads(results.read_text())["results"]
    assert {row["status"] for row in rows} == {"passed", "skipped"}
    wrong = command(
        "check-aggregator", f"{HERE / 'five_bugs.py'}:EndIncluded", *options, "--failed"
    )
    assert wrong.exit_code == 1
    assert "failed   specification  A01-opening-instant" in wrong.output
    assert int(ElementTree.parse(junit).getroot().attrib["failures"]) > 10


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nope",), "unknown aggregator 'nope'"),
        (("exact", "--answer", "soon"), "--answer"),
        (("exact", "--spec", "/no/such/folder"), "found none"),
        (("process:/no/such/program",), "cannot be started"),
        (("exact", "--junit", "/no/such/x.xml"), "/no/such/x.xml: cannot be written: No such file"),
        (("exact", "--json", "/no/such/x.json"), "/no/such/x.json: cannot be written"),
    ],
)
def test_the_kit_says_what_it_cannot_do(words: tuple[str, ...], says: str) -> None:
    ran = command("check-aggregator", *words)
    assert ran.exit_code == 2
    assert says in ran.output
