"""What CI reads: well-formed, counted right, escaped, and of a stable shape."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from kline_harness.gate.ci_annotations import to_github, to_gitlab
from kline_harness.gate.destinations import Outputs, deliver
from kline_harness.gate.junit import to_junit
from kline_harness.gate.output import SHOWN, to_json, to_markdown, to_text
from kline_harness.gate.results import CaseResult, GateResult, GateStatus, Problem, ProblemKind
from kline_harness.gate.suite import Suite, SuiteCase
from kline_harness.replay import Scenario
from kline_harness.verdict import Validity

HOSTILE = "A|B]]><script>alert(1)</script>\n::error::x%0A`*_\x00\x1b[31m&\u2028@all #1 http://x"


def case(name: str, *problems: Problem, status: GateStatus | None = None) -> CaseResult:
    found = status or (problems[0].status if problems else GateStatus.GREEN)
    sentence = problems[0].message if problems else "valid, as in the baseline"
    return CaseResult(
        SuiteCase(name, (Path("t.csv"),), (), Scenario(), line=7),
        found,
        sentence,
        Validity.VALID,
        problems,
        counters={"klines": 1440, "rows_fed": 18408},
    )


def result(*cases: CaseResult, orphans: tuple[str, ...] = ()) -> GateResult:
    return GateResult(Suite(Path("ci/suite.toml"), Path("ci/suite.baseline"), ()), cases, orphans)


def problem(kind: ProblemKind = ProblemKind.KLINE, message: str = HOSTILE) -> Problem:
    place = (HOSTILE, "1m", "2024-05-15T11:55:00Z", "close")
    return Problem(kind, message, *place, "3151.6", "3151.5", "none found")


@pytest.fixture
def mixed() -> GateResult:
    cases = [
        case("calm"),
        case("digit", problem(), problem(ProblemKind.FIGURE, "quiet: baseline 1, now 2")),
        case("fresh", problem(ProblemKind.NO_BASELINE, "no baseline")),
        case("bad", problem(ProblemKind.BROKEN, "bad.csv, line 3: expected a price, found 'x'")),
    ]
    return result(*cases, orphans=(HOSTILE,))


def test_status_and_exit_code_are_the_worst() -> None:
    red, fresh = case("r", problem()), case("f", problem(ProblemKind.NO_BASELINE))
    broken = case("b", problem(ProblemKind.BROKEN))
    exits = [result(*cases).status.exit_code for cases in ((), (fresh,), (fresh, red))]
    assert exits == [0, 3, 1]
    assert result(red, broken, fresh).status.exit_code == 2
    assert result(case("g"), orphans=("x",)).status.exit_code == 1
    undecided = Problem(ProblemKind.VERDICT, "verdict unknown", before="valid", now="unknown")
    assert result(case("u", undecided)).status.exit_code == 3


def test_junit_is_well_formed_and_counts_right(mixed: GateResult) -> None:
    root = ElementTree.fromstring(to_junit(mixed))
    (suite,) = root
    for element in (root, suite):
        counts = {name: element.get(name) for name in ("tests", "failures", "errors", "skipped")}
        assert counts == {"tests": "5", "failures": "3", "errors": "1", "skipped": "0"}
    tests = {test.get("name"): [child.tag for child in test] for test in suite}
    assert tests == {
        "calm": [],
        "digit": ["failure"],
        "fresh": ["failure"],
        "bad": ["error"],
        "baselines": ["failure"],
    }
    failure = suite.find("testcase[@name='digit']/failure")
    assert failure is not None
    assert failure.text is not None
    assert "]]><script>" in failure.text
    assert "\x00" not in failure.text
    assert failure.text.endswith("quiet: baseline 1, now 2")


def test_json_has_a_stable_shape(mixed: GateResult) -> None:
    content = json.loads(to_json(mixed))
    assert content["schema"] == "kline-harness/gate/1"
    assert list(content) == [
        *("schema", "suite", "status", "exit_code", "sentence", "cases", "orphans", "removed"),
    ]
    assert list(content["cases"][1]) == [
        *("name", "line", "status", "sentence", "expected", "verdict", "problems", "more"),
        *("updated", "changes", "more_changes", "counters"),
    ]
    assert content["cases"][1]["problems"][0] == {
        "kind": "kline",
        "message": HOSTILE,
        "symbol": HOSTILE,
        "interval": "1m",
        "open_time": "2024-05-15T11:55:00Z",
        "field": "close",
        "before": "3151.6",
        "now": "3151.5",
        "cause": "none found",
    }
    assert (content["status"], content["exit_code"]) == ("broken", 2)


def test_markdown_shows_hostile_text_as_text(mixed: GateResult) -> None:
    text = to_markdown(mixed)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "A\\|B\\]\\]" in text
    assert "http://" not in text
    assert "@all" not in text
    # A hostile line break begins no line of its own.
    assert not any(line.startswith("::error") for line in text.split("\n"))
    rows = [line for line in text.split("\n") if line.startswith("|")]
    assert {row.replace("\\|", "").count("|") for row in rows} == {7}


def test_text_names_each_case_and_hides_no_count() -> None:
    many = case("digit", *[problem(ProblemKind.KLINE, f"kline {k}") for k in range(SHOWN + 5)])
    text = to_text(result(case("calm"), many))
    assert text.startswith("green   calm   valid, as in the baseline\nred     digit\n")
    assert "        and 5 more\n" in text
    assert text.endswith("Red: 2 cases, 1 green, 1 red.\n")


def test_github_commands_are_escaped(mixed: GateResult) -> None:
    lines = to_github(mixed).split("\n")
    # A command per case that is not green, one for the orphan, and the end.
    assert len(lines) == 5
    assert all(line.startswith("::error file=ci/suite.toml,") for line in lines[:-1])
    assert lines[0].startswith("::error file=ci/suite.toml,line=7,title=digit is red::A|B")
    assert "x%250A" in lines[0]
    assert lines[0].endswith("%0Aquiet: baseline 1, now 2")


def test_a_github_title_cannot_leave_its_property() -> None:
    odd = case("a,b:c%", problem(message="m"))
    assert "title=a%2Cb%3Ac%25 is red::m\n" in to_github(result(odd))


def test_gitlab_issues_have_what_gitlab_asks_for(mixed: GateResult) -> None:
    issues = json.loads(to_gitlab(mixed))
    assert [issue["severity"] for issue in issues] == [
        *("critical", "critical", "major", "blocker", "critical"),
    ]
    for issue in issues:
        assert list(issue) == ["description", "check_name", "fingerprint", "severity", "location"]
        assert issue["location"]["path"] == "ci/suite.toml"
        assert "\n" not in issue["description"]
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


def test_paths_are_relative_to_where_the_gate_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "file=ci/suite.toml," in to_github(result(case("c", problem(message="m"))))


def test_deliver_writes_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    green = result(case("calm"))
    outputs = Outputs(tmp_path / "x" / "j.xml", tmp_path / "j.json", None, "gitlab", str(summary))
    assert deliver(green, outputs) == to_text(green)
    assert summary.read_text() == "# before\n" + to_markdown(green)
    assert json.loads((tmp_path / "gl-code-quality-report.json").read_text()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("gl-code-quality-report.json", "j.json", "summary.md", "x"),
    ]
