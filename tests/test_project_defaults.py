"""Options of a project's own pyproject.toml, and completion in a shell."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.replays import UM_DAY, command

ALFA = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def write(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(text, encoding="utf-8")


def test_options_of_the_nearest_project_are_taken_and_recorded(project: Path) -> None:
    write(
        project,
        '[tool.kline-harness]\nmarket = "um"\n[tool.kline-harness.replay]\n'
        'intervals = "1h"\naudit = "off"\nno-report = true\n',
    )
    ran = command("replay", ALFA, "--out", project / "run", folder=project / "run")
    # Without an audit nobody counts what was delivered.
    assert ran.run["series"] == {"count": 0, "klines": 0, "quiet": 0}
    assert [one["text"] for one in ran.run["scenario"]["intervals"]] == ["1h"]
    assert ran.run["scenario"]["market"] == "um"
    words = shlex.split(ran.run["command"])
    assert words == [
        *("kline-harness", "replay", "--market", "um", "--intervals", "1h"),
        *("--audit", "off", "--no-report", ALFA.name),
    ]


def test_a_given_option_wins(project: Path) -> None:
    write(project, '[tool.kline-harness.replay]\nintervals = "1h"\naudit = "off"\n')
    ran = command(
        *("replay", ALFA, "--intervals=4h", "--no-report", "--out", project / "run"),
        folder=project / "run",
    )
    assert [one["text"] for one in ran.run["scenario"]["intervals"]] == ["4h"]


def test_paths_are_relative_to_the_project(project: Path) -> None:
    (project / "slow.toml").write_text('intervals = ["2h"]\naudit = "off"\n')
    write(project, '[tool.kline-harness.replay]\nscenario = "slow.toml"\n')
    ran = command("replay", ALFA, "--no-report", "--out", project / "run", folder=project / "run")
    assert [one["text"] for one in ran.run["scenario"]["intervals"]] == ["2h"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[tool.kline-harness.replay]\nintervalls = "1h"',
            "key intervalls: no option --intervalls",
        ),
        ('[tool.kline-harness.reply]\naudit = "off"', "[tool.kline-harness.reply]: unknown"),
        ("[tool.kline-harness.replay]\nno-report = 1", "expected true or false, found 1"),
        ('[tool.kline-harness.replay]\nseed = ["1"]', "expected one value, found ['1']"),
        ("[tool.kline-harness.replay]\nseed = 1.5", "expected text or a whole number, found 1.5"),
        ('[tool.kline-harness.replay]\naudit = "half"', "invalid choice: 'half'"),
        ("[tool.kline-harness\n", "cannot be read"),
    ],
)
def test_what_does_not_fit_is_one_sentence(text: str, said: str, project: Path) -> None:
    write(project, text)
    ran = command("replay", ALFA, "--out", project / "run")
    assert ran.exit_code == 2
    assert said in ran.output
    assert not (project / "run").exists()


def test_projects_without_the_table_are_none_of_ours(project: Path) -> None:
    write(project, "[project\nnot TOML at all")
    ran = command(
        *("replay", ALFA, "--intervals", "1h", "--audit", "off", "--no-report"),
        *("--out", project / "run"),
    )
    assert ran.exit_code != 2


def test_bash_completes_verbs_and_options() -> None:
    script = command("completion", "bash").output
    asked = (
        "COMP_WORDS=(kline-harness rep); COMP_CWORD=1; _shtab_kline_harness;"
        " echo ${COMPREPLY[@]}; COMP_WORDS=(kline-harness replay --au); COMP_CWORD=2;"
        " COMPREPLY=(); _shtab_kline_harness; echo ${COMPREPLY[@]}"
    )
    ran = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["replay report reproduce", "--audit"]
