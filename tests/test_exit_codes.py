"""How the command ends when it does not end by itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replays import UM_STREAM

STREAM = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
# What a verb calls first, replaced by something that raises.
ENTRIES = {
    "replay": ("kline_harness.replay.scenario_file.scenario_of", ["replay", str(STREAM)]),
    "inspect": ("kline_harness.inspection.inspect_files", ["inspect", str(STREAM)]),
    "compare": (
        "kline_harness.replay.file_comparison.files_compared",
        ["compare", "a", "--klines", "b"],
    ),
    "report": ("kline_harness.report.build_report", ["report", "."]),
    "gate": ("kline_harness.gate.load_suite", ["gate", "suite.toml"]),
    "explore": ("kline_harness.explore.command.explore_files", ["explore", str(STREAM)]),
    "reproduce": ("kline_harness.explore.bundle.reproduce", ["reproduce", "bundle"]),
}
CODE = """
import importlib, sys
module, _, name = sys.argv.pop(1).rpartition(".")
raised = sys.argv.pop(1)
def fail(*given, **options):
    raise eval(raised)
from kline_harness import cli
from kline_harness.errors import ContractError
setattr(importlib.import_module(module), name, fail)
cli.main()
"""


def run(verb: str, raised: str, folder: Path) -> subprocess.CompletedProcess[str]:
    entry, words = ENTRIES[verb]
    command = [sys.executable, "-c", CODE, entry, raised, *words]
    environment = {"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=folder, env=environment
    )


@pytest.mark.parametrize("verb", ENTRIES)
def test_a_crash_is_one_sentence_and_says_where_the_details_are(verb: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").touch()
    ran = run(verb, "KeyError('two\\nlines')", tmp_path)
    assert (ran.returncode, ran.stdout) == (70, "")
    said = re.fullmatch(r"crash: .*KeyError: 'two\\nlines'; details are in (.+)\n", ran.stderr)
    assert said is not None, ran.stderr
    details = Path(said[1]).read_text()
    assert details.startswith("Traceback")
    assert "KeyError" in details


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        ("KeyboardInterrupt", 130, "interrupted\n"),
        ("ContractError('a kline twice')", 1, "error: the contract is broken: a kline twice\n"),
        ("BrokenPipeError", 141, ""),
    ],
)
def test_other_early_ends(raised: str, code: int, line: str, tmp_path: Path) -> None:
    ran = run("inspect", raised, tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", line)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_ends_the_command_without_a_word() -> None:
    command = f"{sys.executable} -m kline_harness.cli inspect --json {STREAM}; echo $? >&2"
    ran = subprocess.run(
        ["bash", "-c", f"({command}) | true"], capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == "141\n"


@pytest.mark.parametrize("verb", ["inspect", "replay --audit off --no-report", "compare"])
@pytest.mark.parametrize("both", [False, True], ids=["stdout", "stdout and stderr"])
def test_a_table_for_a_reader_that_went_away_has_no_verdict_s_exit_code(
    verb: str, both: bool, tmp_path: Path
) -> None:
    klines = STREAM.with_name("ALFAUSDT-1m-2024-05-15.csv")
    files = [klines, "--klines", klines] if verb == "compare" else [STREAM]
    files += ["--out", tmp_path / "run"] if "replay" in verb else []
    # The reader is gone before the command begins: its end does not depend on who is faster.
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "kline_harness.cli", *verb.split(), *map(str, files)]
    errors = write if both else subprocess.PIPE
    ran = subprocess.run(command, stdout=write, stderr=errors, timeout=120)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (141, None if both else b"")


def test_a_closed_standard_output_is_no_crash() -> None:
    command = f"{sys.executable} -m kline_harness.cli inspect {STREAM} >&-"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [("SIGINT", 130, "interrupted\n"), ("SIGTERM", 143, "terminated\n")],
)
def test_a_signal_that_a_library_makes_another_error_of_is_no_crash(
    number: str, code: int, line: str, tmp_path: Path
) -> None:
    raised = """
import os, signal
from kline_harness import exit_codes
def verb():
    try:
        os.kill(os.getpid(), signal.%s)
    except BaseException as error:
        raise ImportError("initialization failed") from error
raise SystemExit(exit_codes.run_to_exit(verb))
"""
    ran = subprocess.run(
        [sys.executable, "-c", raised % number],
        capture_output=True,
        text=True,
        env={"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", line)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code", "line"),
    [("SIGINT", 130, "interrupted\n"), ("SIGTERM", 143, "terminated\n")],
)
@pytest.mark.parametrize(
    "where",
    ["exec({kill!r})", "type('', (), {{'__del__': lambda self: {kill}}})() and None"],
    ids=["executed text", "a finalizer"],
)
def test_a_signal_ends_the_command_wherever_it_comes(
    where: str, number: str, code: int, line: str, tmp_path: Path
) -> None:
    kill = f"os.kill(os.getpid(), signal.{number})"
    program = f"""
import os, signal
from kline_harness import exit_codes
raise SystemExit(exit_codes.run_to_exit(lambda: {where.format(kill=kill)} or 0))
"""
    (tmp_path / "program.py").write_text(program)
    command = [sys.executable, "-m", "program"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, "", line)


VERBS = {
    "inspect": ["inspect", str(STREAM)],
    "inspect --json": ["inspect", "--json", str(STREAM)],
    "help": ["--help"],
    "help of a verb": ["replay", "--help"],
    "version": ["--version"],
}


@pytest.fixture(params=["", "1"], ids=["buffered", "unbuffered"])
def buffered(request: pytest.FixtureRequest) -> dict[str, str]:
    """What is buffered fails when the program ends, what is not where it is written."""
    return os.environ | {"PYTHONUNBUFFERED": str(request.param)}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("verb", VERBS)
def test_a_full_standard_output_is_one_sentence_and_no_verdict(
    verb: str, buffered: dict[str, str]
) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "kline_harness", *VERBS[verb]],
            stdout=full,
            stderr=subprocess.PIPE,
            env=buffered,
            text=True,
            timeout=60,
        )
    said = "error: standard output cannot be written: No space left on device\n"
    assert (ran.returncode, ran.stderr) == (2, said)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize(("words", "code"), [(["inspect", "nothing"], 2), (["--version"], 0)])
def test_a_full_standard_error_changes_no_exit_code(
    words: list[str], code: int, buffered: dict[str, str]
) -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "kline_harness", *words],
            stdout=subprocess.DEVNULL,
            stderr=full,
            env=buffered,
            timeout=60,
        )
    assert ran.returncode == code


@pytest.mark.parametrize("blocks", [0, 8, 40])
def test_a_run_that_may_not_write_so_much_leaves_nothing(tmp_path: Path, blocks: int) -> None:
    """A limit on the size of files stands for a disk without room at whatever is written then."""
    command = f"ulimit -f {blocks}; {sys.executable} -m kline_harness replay {STREAM} --out run"
    ran = subprocess.run(
        ["bash", "-c", f"{command} --intervals 1m --audit off"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert ran.returncode == 2
    assert re.fullmatch(r"error: run: .*cannot be written: .*File too large\n", ran.stderr)
    assert list(tmp_path.iterdir()) == []
