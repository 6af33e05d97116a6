"""Every command of README and docs is run once, in a folder with files as the pages name them.

What needs the network, another machine's program or minutes is not: it is printed as skipped, with
the reason and with the tests that run it otherwise.
"""

from __future__ import annotations

import contextlib
import glob
import io
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kline_harness.cli import run

from tests.replays import ROOT, UM_DAY, UM_STREAM
from tests.test_docs import COMMANDS, words_of

CASE = ROOT / "fixtures" / "cases" / "case03"
DAY = "BTCUSDT-aggTrades-2024-05-15.zip"
OWN = f"{ROOT / 'docs/examples/own_aggregator.py'}:Klines"
PROGRAM = f'process:"{sys.executable}" "{ROOT / "docs/examples/subjects/aggregator.py"}"'


@dataclass(frozen=True)
class Runs:
    """How a command is run: words that stand for others, the exit code, and what it leaves."""

    code: int = 0
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    leaves: str = ""
    says: str = ""


@dataclass(frozen=True)
class Skipped:
    """Why a command is not run here."""

    why: str


FETCHED = Skipped("needs days that were fetched; tests/history replays such ones")
# By the verb: commands of these are not run here.
ELSEWHERE = {
    "fetch": "needs the network; tests/history fetches the same from a server of its own",
    "watch": "serves until it is stopped; tests/live runs it",
    "serve": "serves until it is stopped; tests/exchange runs it",
    "collect": "needs a service; tests/exchange/test_your_service_page.py runs the whole page",
    "campaign": "starts a cluster of workers for a month; tests/campaign runs small ones",
    "reproduce": "needs a violation; tests/explore shrinks and replays one",
    "check-aggregator": "takes a minute for every case; tests/testing and scripts/clients run it",
}
SMALL = {"1000": ["2"], "ARCHIVE": [DAY]}
# By the command as it stands on a page.
TABLE: dict[str, Runs | Skipped] = {
    f"replay {DAY} --klines BTCUSDT-*-2024-05-15.zip": Runs(
        leaves="reports/um-BTCUSDT-2024-05-15-exact/report.html", says="Valid: "
    ),
    "replay um:BTCUSDT:2024-07-18": FETCHED,
    "replay um:BTCUSDT:2024-07-01..2024-07-31": FETCHED,
    "inspect *.zip": Runs(says=DAY),
    "compare OURS.csv --klines THEIRS.csv": Runs(
        1, {one: [f"HENUSDT-1m-{one}"] for one in ("OURS.csv", "THEIRS.csv")}, says="25 unexplained"
    ),
    "gate suite.toml": Runs(says="stream"),
    "diff reports/A reports/B": Runs(1),
    "export reports/A klines --out csv/": Runs(leaves="csv/ALFAUSDT-1m.csv"),
    "explore ARCHIVE --seeds 1000": Runs(words=SMALL),
    "explore ARCHIVE... --seeds 1000 --workers 2": Runs(words=SMALL),
    "report reports/": Runs(leaves="reports/index.html"),
    "replay fixtures/klagg/q01.txt --aggregator klagg --scenario fixtures/klagg/q01.toml": Runs(1),
    "replay fixtures/klagg/q01.txt --scenario fixtures/klagg/q01.toml": Runs(
        1, {"fixtures/klagg/q01.txt": ["fixtures/klagg/q01.txt", "--out", "q01"]}
    ),
    "completion bash": Runs(says="complete"),
    "gate suite.toml --update": Runs(leaves="suite.baseline/stream.txt"),
    "gate suite.toml --junit gate.xml --json gate.json --markdown gate.md": Runs(leaves="gate.md"),
    "gate suite.toml --annotations github": Runs(),
    "gate suite.toml --annotations gitlab": Runs(),
    "gate suite.toml --annotations github --junit gate.xml": Runs(leaves="gate.xml"),
    "gate suite.toml --annotations gitlab --junit gate.xml": Runs(leaves="gate.xml"),
    "inspect FILE... [--json] [--symbol S] [--market spot|um|cm] [--columns MAP.toml]": Runs(
        words={"FILE": ["TRADES.csv"], "MAP.toml": ["map.toml"], "S": ["TINYUSDT"]},
        says='"verdict"',
    ),
    'inspect data "more/*.csv"': Runs(says="HENUSDT-1m.csv"),
    'replay TRADES --aggregator "process:COMMAND"': Runs(
        words={"TRADES": [DAY], "process:COMMAND": [PROGRAM, "--intervals", "1h", "--out", "own"]},
        leaves="own/report.html",
    ),
    "replay TRADES --aggregator mine.py:Klines": Runs(
        words={"TRADES": [DAY], "mine.py:Klines": [OWN, "--intervals", "1h", "--out", "mine"]},
        leaves="mine/report.html",
    ),
    "replay TRADES... --scenario FILE.toml": Runs(
        words={"TRADES": [DAY], "FILE.toml": ["FILE.toml", "--out", "scenario"]}
    ),
    "replay TRADES.csv --columns map.toml": Runs(leaves="reports"),
}
SUITE = """
[[case]]
name = "stream"
trades = "stream.txt.gz"
klines = "ALFAUSDT-1m-2024-05-15.csv"
intervals = "1m"
allow = ["edge"]
"""
MAP = 'price = "px"\nquantity = "size"\ntime = "ts"\nsymbol = "instrument"\n'


def commands() -> list[str]:
    """Return the words of every command, each once; a verb alone is a name in running text."""
    found = (command.removeprefix("kline-harness ") for _, command in COMMANDS)
    return list(dict.fromkeys(one for one in found if " " in one and not one.startswith("VERB")))


def renamed(source: Path, target: Path) -> None:
    """Copy an archive of the bundled day under another symbol, its member as well."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        [name] = old.namelist()
        new.writestr(name.replace("BRAVOUSDT", "BTCUSDT"), old.read(name))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the pages name, and two runs."""
    folder = tmp_path_factory.mktemp("docs")
    for what in ("aggTrades", "trades", "1m", "1h", "1d"):
        name = f"{{}}-{what}-2024-05-15.zip"
        renamed(UM_DAY / name.format("BRAVOUSDT"), folder / name.format("BTCUSDT"))
    (folder / "fixtures").symlink_to(ROOT / "fixtures")
    shutil.copy(CASE / "HENUSDT-1m-ours.csv", folder / "HENUSDT-1m-OURS.csv")
    shutil.copy(CASE / "HENUSDT-1m.csv", folder / "HENUSDT-1m-THEIRS.csv")
    for name in ("data", "more", "reports"):
        (folder / name).mkdir()
    shutil.copy(folder / "BTCUSDT-1h-2024-05-15.zip", folder / "data")
    shutil.copy(CASE / "HENUSDT-1m.csv", folder / "more")
    shutil.copy(UM_STREAM / "ALFAUSDT-1m-2024-05-15.csv", folder)
    shutil.copy(UM_STREAM / "ALFAUSDT-trade-stream.txt.gz", folder / "stream.txt.gz")
    (folder / "suite.toml").write_text(SUITE)
    (folder / "FILE.toml").write_text('intervals = ["1h"]\nexpectations = false\n')
    (folder / "map.toml").write_text(MAP)
    rows = (f"{1_715_731_200_000 + at * 1000},{100 + at % 5}.5,2,TINYUSDT" for at in range(90))
    (folder / "TRADES.csv").write_text("ts,px,size,instrument\n" + "\n".join(rows) + "\n")
    for name, intervals in (("A", "1m"), ("B", "1m,5m")):
        words = [str(folder / "stream.txt.gz"), "--intervals", intervals, "--quiet"]
        run(["replay", *words, "--out", str(folder / "reports" / name)])
    run(["gate", str(folder / "suite.toml"), "--update"])
    return folder


def spelled(command: str, runs: Runs, folder: Path) -> list[str]:
    """Return the words as a shell would hand them over, with those that stand for others."""
    found: list[str] = []
    for word in words_of(f"kline-harness {command}"):
        if word in runs.words:
            found += runs.words[word]
        elif "*" in word and '"' not in command:
            found += sorted(glob.glob(word, root_dir=folder))
        else:
            found.append(word)
    return found


def test_every_command_of_the_pages_is_in_the_table() -> None:
    run_here = {one for one in commands() if one.split()[0] not in ELSEWHERE}
    assert sorted(run_here - set(TABLE)) == []
    assert sorted(set(TABLE) - run_here) == []


@pytest.mark.unbalanced
@pytest.mark.parametrize("command", [name for name in TABLE if isinstance(TABLE[name], Runs)])
def test_a_command_does_what_the_page_says(
    place: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    runs = TABLE[command]
    assert isinstance(runs, Runs)
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "200")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = run(spelled(command, runs, place))
    assert code == runs.code, printed.getvalue()
    assert runs.says in printed.getvalue()
    assert not runs.leaves or (place / runs.leaves).exists()


NOT_RUN = {name: one.why for name, one in TABLE.items() if isinstance(one, Skipped)}
NOT_RUN |= {one: ELSEWHERE[verb] for one in commands() if (verb := one.split()[0]) in ELSEWHERE}


@pytest.mark.parametrize("command", NOT_RUN)
def test_a_command_that_is_run_elsewhere(command: str) -> None:
    pytest.skip(f"{command.split()[0]}: {NOT_RUN[command]}")
