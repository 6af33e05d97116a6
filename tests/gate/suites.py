"""Small suites in a folder of the test's own: the recording of ten minutes, without an audit."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

from kline_harness.gate import CaseResult, GateResult, load_suite, run_suite

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CASE = """
[[case]]
name = "stream"
trades = "trades.txt.gz"
klines = "ALFAUSDT-1m-2024-05-15.csv"
intervals = "1m"
allow = ["edge"]
audit = "off"
"""


def make_suite(folder: Path, text: str = CASE) -> Path:
    """Write a suite beside copies of the recording and of the exchange's klines of its time."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = FIXTURES / "um-stream"
    shutil.copy(stream / "ALFAUSDT-trade-stream.txt.gz", folder / "trades.txt.gz")
    shutil.copy(stream / "ALFAUSDT-1m-2024-05-15.csv", folder)
    path = folder / "suite.toml"
    path.write_text(text, encoding="utf-8")
    return path


def run(path: Path, *, update: bool = False) -> GateResult:
    """Run a suite with its run folders beside it."""
    return run_suite(load_suite(path), update, work=path.parent / "work")


def run_one(path: Path) -> CaseResult:
    """Run a suite of one case."""
    (case,) = run(path).cases
    return case


def messages(case: CaseResult) -> str:
    """Return all that a case says."""
    return "\n".join(problem.message for problem in case.problems)


def replace_text(path: Path, old: str, new: str) -> None:
    """Change the one place of a file, xz or plain, that holds a text."""
    packed = path.suffix == ".xz"
    content = lzma.decompress(path.read_bytes()) if packed else path.read_bytes()
    text = content.decode()
    assert text.count(old) == 1
    changed = text.replace(old, new).encode()
    path.write_bytes(lzma.compress(changed) if packed else changed)
