"""suite.toml: what it may say, and one sentence for everything else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kline_harness.cli import main
from kline_harness.errors import UsageError
from kline_harness.gate import load_suite
from kline_harness.replay import Audit
from kline_harness.verdict import Validity

from tests.gate.suites import CASE, make_suite


def test_a_case_says_what_it_replays(tmp_path: Path) -> None:
    path = make_suite(tmp_path, "# head\n" + CASE + 'verdict = "unknown"\nmarket = "um"\n')
    suite = load_suite(path)
    (case,) = suite.cases
    assert case.trades == (tmp_path / "trades.txt.gz",)
    assert [interval.text for interval in case.scenario.intervals] == ["1m"]
    assert (case.scenario.audit, case.scenario.market) == (Audit.OFF, "um")
    assert (case.verdict, case.allow, case.line) == (Validity.UNKNOWN, ("edge",), 3)
    assert case.options == ("--intervals", "1m", "--audit", "off", "--market", "um")
    assert suite.baseline == tmp_path / "suite.baseline"


def test_globs_are_relative_to_the_suite_and_go_up(tmp_path: Path) -> None:
    make_suite(tmp_path)
    (tmp_path / "deep").mkdir()
    path = tmp_path / "deep" / "s.toml"
    path.write_text('[[case]]\nname = "a"\ntrades = ["../*.txt.gz", "../trades.txt.gz"]\n')
    assert [file.resolve() for file in load_suite(path).cases[0].trades] == [
        tmp_path / "trades.txt.gz"
    ]


def test_a_scenario_file_is_the_ground_for_the_case(tmp_path: Path) -> None:
    path = make_suite(tmp_path, CASE + 'scenario = "calm.toml"\n')
    (tmp_path / "calm.toml").write_text("seed = 7\naudit = 'full'\n")
    (case,) = load_suite(path).cases
    assert case.scenario.seed == 7
    assert case.scenario.audit is Audit.OFF
    assert case.options[:2] == ("--scenario", "calm.toml")


BAD = {
    "no TOML": ("[[case]\n", "expected TOML, found "),
    "no case": ("", "expected at least one table [[case]], found none"),
    "case is no table": ("case = 3\n", "expected at least one table [[case]]"),
    "unknown key of the suite": ("max_ration = 3\n" + CASE, "key 'max_ration': unknown"),
    "unknown key of a case": (
        CASE + "verdct = 'valid'\n",
        "case 1 (stream), key 'verdct': unknown",
    ),
    "no name": (CASE.replace('name = "stream"', ""), "case 1, key name: expected letters"),
    "name that is a path": (CASE.replace('"stream"', '"../x"'), "(../x), key name: expected"),
    "no trades": (CASE.replace('trades = "trades.txt.gz"', ""), "key trades: expected at least"),
    "missing file": (CASE.replace("trades.txt", "nothing.txt"), "expected a file there is, found"),
    "glob without a match": (CASE.replace('"trades.txt.gz"', '"*.zip"'), "a file there is"),
    "wrong type": (CASE.replace('"trades.txt.gz"', "3"), "key trades: expected text or a list"),
    "unknown interval": (CASE.replace('"1m"', '"2m"'), "key intervals: unknown interval '2m'"),
    "unknown verdict": (CASE + "verdict = 'good'\n", "key verdict: expected one of valid"),
    "unknown audit": (CASE.replace('"off"', '"some"'), "key audit: expected one of full off"),
    "unknown aggregator": (CASE + "aggregator = 'x'\n", "key aggregator: unknown aggregator"),
    "no cause": (CASE.replace('["edge"]', '["An Edge"]'), "key allow: expected a cause (edge, "),
    "unknown cause": (CASE.replace('["edge"]', '["egde"]'), "found 'egde'"),
    "unknown class": (CASE.replace('["edge"]', '["sure:edge"]'), "found 'sure:edge'"),
    "no scenario": (CASE + "scenario = 'no.toml'\n", "key scenario: "),
    "ratio of nothing": ("max_ratio = 0\n" + CASE, "key max_ratio: expected a number above 0"),
    "two of one name": (CASE + CASE.replace("stream", "Stream"), "case Stream: expected a name"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_suite_is_one_sentence_and_exit_code_2(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = BAD[name]
    path = make_suite(tmp_path, text)
    monkeypatch.setattr(sys, "argv", ["kline-harness", "gate", str(path)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {path}")
    assert expected in told
    assert told.count("\n") == 1
    assert not (tmp_path / "reports").exists()


def test_a_suite_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        load_suite(tmp_path / "none.toml")
