"""An install without extras: no Great Expectations, no pandas, no matplotlib."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.replays import ROOT, UM_DAY

ALFA = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
WITHOUT = """
import importlib.util, sys
lacking = set("LACKING".split())
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in lacking else find(name, *more)
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in lacking:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
"""


def light(
    code: str, *words: str | Path, lacking: str = "great_expectations pandas matplotlib"
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT.replace("LACKING", lacking) + code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_a_full_audit_says_that_the_suite_was_not_run(tmp_path: Path) -> None:
    code = "from kline_harness import cli\ncli.main()"
    klines = sorted(UM_DAY.glob("ALFAUSDT-1h-*.zip"))
    out = tmp_path / "run"
    ran = light(code, "replay", ALFA, "--intervals", "1h", "--out", out, "--klines", *klines)
    assert ran.returncode == 0, ran.stderr
    sentence = "; Great Expectations is not installed, so that its suite was not run."
    assert sentence in ran.stdout.replace("\n", " ")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["sentence"].endswith(sentence)
    assert "expectations" not in [check["check"] for check in run["checks"]]
    assert run["changed_options"]["expectations"] is False
    page = (tmp_path / "run" / "report.html").read_text()
    assert "drawn by matplotlib, which was not installed" in page
    assert "No expectations were checked." in page


@pytest.mark.parametrize("call", ["run.klines.to_pandas()", "run.findings.to_pandas()"])
def test_to_pandas_names_what_is_missing(call: str, tmp_path: Path) -> None:
    code = f"""
import kline_harness as kh
run = kh.replay({str(ALFA)!r}, intervals="1h", audit="off", out={str(tmp_path / "run")!r})
try:
    {call}
except kh.UserError as error:
    print(error)
"""
    ran = light(code)
    assert ran.returncode == 0, ran.stderr
    assert "pandas is not installed" in ran.stdout
    assert "kline-harness[full]" in ran.stdout


@pytest.mark.parametrize("library", ["aiohttp", "cryptography"])
@pytest.mark.parametrize("call", ["kh.serve({alfa!r})", "from kline_harness import serve"])
def test_serve_from_python_names_its_extra(library: str, call: str) -> None:
    code = f"""
import kline_harness as kh
try:
    {call.format(alfa=str(ALFA))}
except kh.UsageError as error:
    print(error)
"""
    ran = light(code, lacking=library)
    assert ran.returncode == 0, ran.stderr
    said = f"serve: expected the extra `exchange`, found no {library}: "
    assert ran.stdout == f"{said}pip install 'kline-harness[exchange]'\n"


@pytest.mark.parametrize(
    ("verb", "extra", "library"),
    [
        ("serve", "exchange", "aiohttp"),
        ("serve", "exchange", "cryptography"),
        ("watch", "live", "aiohttp"),
    ],
)
def test_a_verb_names_its_extra(verb: str, extra: str, library: str) -> None:
    ran = light("from kline_harness import cli\ncli.main()", verb, ALFA, lacking=library)
    assert ran.returncode == 2
    said = f"{verb}: expected the extra `{extra}`, found no {library}: "
    assert f"{said}pip install 'kline-harness[{extra}]'" in " ".join(ran.stderr.split())
