"""The example subjects pass the klines specification, and their planted bug does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.process import ProcessAggregator, ProcessOptions
from kline_harness.interval import parse_interval
from kline_harness.verdict import Verdict

from tests.feeds import build
from tests.spec.mutants import comparable
from tests.spec.test_spec import CASES, item_of, load, rows

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "subjects"
SUBJECTS = {
    "python": (sys.executable, "aggregator.py"),
    "node": ("node", "aggregator.js"),
    "perl": ("perl", "aggregator.pl"),
}


def command_of(name: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command that runs an example; skips the test where its language is not there."""
    if name == "rust":
        return built(tmp_path_factory)
    program, script = SUBJECTS[name]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return f"{program} {EXAMPLES / script}"


def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Rust example, compiled outside of the checkout."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed")
    source = tmp_path_factory.mktemp("rust")
    shutil.copytree(EXAMPLES / "rust", source, dirs_exist_ok=True)
    done = subprocess.run(
        ["cargo", "build", "--release", "--quiet"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and "error[" not in done.stderr:
        pytest.skip(f"cargo cannot build here: {done.stderr.strip().splitlines()[-1:]}")
    assert done.returncode == 0, done.stderr
    return str(source / "target" / "release" / "kline-subject-example")


def judge(command: str, case: dict[str, Any]) -> tuple[list[dict[str, Any]], Verdict]:
    intervals = [parse_interval(name) for name in case["intervals"]]
    options = ProcessOptions(answer_s=60.0)
    subject = ProcessAggregator(command, intervals, case["symbols"], options=options)
    found: list[dict[str, Any]] = []
    for after, message in enumerate(case["in"]):
        if message["type"] == "end":
            found += rows(subject.finish(message["at_ns"]), after)
        else:
            found += rows(subject.advance(build([item_of(message)])), after)
    return found, subject.verdict()


@pytest.fixture(params=[*SUBJECTS, "rust"], scope="module")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return command_of(request.param, tmp_path_factory)


def test_it_passes_every_case(subject: str) -> None:
    failed = []
    for path in CASES:
        case = load(path)
        found, verdict = judge(subject, case)
        if verdict.findings or comparable(found) != comparable(case["finals"]):
            failed.append(path.stem)
    assert failed == []


def test_its_planted_bug_is_found(subject: str) -> None:
    (path,) = (path for path in CASES if path.stem == "A01-opening-instant")
    case = load(path)
    found, _ = judge(f"{subject} --bug", case)
    assert comparable(found) != comparable(case["finals"])
