"""docs/gate.md: every command shown is run, every example used."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from kline_harness.cli import main

from tests.gate.suites import make_suite, run

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"(?:\$|- run:|    -) (kline-harness .*)", DOCS)))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (example,) = blocks("toml")
    path = make_suite(tmp_path, example + 'audit = "off"\n')
    run(path, update=True)
    return path


def test_commands_are_found() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_runs(command: str, suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    for name in re.findall(r"[\w.-]+\.(?:xml|json|md)", command):
        assert (suite.parent / name).is_file()
    assert (suite.parent / "gl-code-quality-report.json").exists() is ("gitlab" in command)


def test_the_digest_by_hand(suite: Path) -> None:
    (command,) = blocks("sh")
    found = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (
        f"sha256={found.stdout.strip()}" in (suite.parent / "suite.baseline/stream.txt").read_text()
    )


def test_the_keys_are_the_suites_own() -> None:
    (example,) = blocks("toml")
    assert set(tomllib.loads(example)) == {"case"}


def test_the_test_shown_passes(suite: Path) -> None:
    (example,) = blocks("python")
    (suite.parent / "test_shown.py").write_text(example)
    command = next(line for line in DOCS.split("\n") if line.startswith("$ pytest"))
    arguments = [*shlex.split(command)[2:], "-p", "no:cacheprovider"]
    found = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=suite.parent,
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout
    assert "2 passed" in found.stdout
