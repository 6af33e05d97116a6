"""The example subjects pass the klines specification, and their planted bug does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from kline_harness.aggregators.process import ProcessAggregator
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.testing.specification import SpecCase, read_cases, run_case, specification
from kline_harness.testing.subject_kit import conduct

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


def judge(command: str, case: SpecCase) -> str:
    """What a subject gets wrong in a case."""
    options = ProcessOptions(answer_ns=60 * 10**9)
    subject = ProcessAggregator(command, case.intervals, case.symbols, options=options)
    return run_case(case, subject) or conduct(subject)


@pytest.fixture(params=[*SUBJECTS, "rust"], scope="module")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return command_of(request.param, tmp_path_factory)


def test_it_passes_every_case(subject: str) -> None:
    cases = read_cases(specification())
    assert {case.name: wrong for case in cases if (wrong := judge(subject, case))} == {}


def test_its_planted_bug_is_found(subject: str) -> None:
    (case,) = (one for one in read_cases(specification()) if one.name == "A01-opening-instant")
    wrong = "X 1m: expected a kline that opens at 1704067200000000000"
    assert judge(f"{subject} --bug", case).startswith(wrong)
