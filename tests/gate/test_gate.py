"""The gate end to end: green, red with the very digits, unknown, broken, and updates."""

from __future__ import annotations

import hashlib
import lzma
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.comparison.compare import Comparison, Proof
from kline_harness.gate import GateStatus, Problem, SuiteCase, load_suite, run_suite
from kline_harness.gate.destinations import Outputs, deliver
from kline_harness.gate.judge import judge_expectations
from kline_harness.gate.results import ProblemKind
from kline_harness.interfaces import FeedSlice
from kline_harness.kline import Emission
from kline_harness.verdict import Validity

from tests.gate.suites import CASE, FIXTURES, make_suite, messages, replace_text, run, run_one

KLINES = "suite.baseline/stream.klines.csv.xz"
FIGURES = "suite.baseline/stream.txt"
EXCHANGE = "ALFAUSDT-1m-2024-05-15.csv"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    path = make_suite(tmp_path / "gate")
    assert run(path, update=True).status is GateStatus.GREEN
    return path


def test_the_fixture_suite_is_green(tmp_path: Path) -> None:
    result = run_suite(load_suite(FIXTURES / "gate" / "suite.toml"), work=tmp_path)
    assert [messages(case) for case in result.cases] == ["", "", ""]
    assert result.status.exit_code == 0
    assert result.cases[0].counters["klines"] == 4808


def test_a_folder_stands_for_its_suite() -> None:
    folder = FIXTURES / "gate"
    assert load_suite(folder) == load_suite(folder / "suite.toml")


def test_fixture_baselines_are_small() -> None:
    sizes = [path.stat().st_size for path in (FIXTURES / "gate" / "suite.baseline").iterdir()]
    # Two symbols of a day.
    assert max(sizes) < 2 * 100_000


def test_one_digit_of_the_exchanges_file_turns_it_red(suite: Path) -> None:
    replace_text(suite.parent / EXCHANGE, "3151.50,145.447", "3151.60,145.447")
    case = run_one(suite)
    assert case.status is GateStatus.RED
    (found,) = [problem for problem in case.problems if problem.kind is ProblemKind.EXCHANGE]
    assert found.message == (
        "ALFAUSDT 1m 2024-05-15T11:55:00Z close: exchange 3151.6, ours 3151.5; "
        "cause: none found (unexplained)"
    )
    assert (found.symbol, found.interval, found.open_time, found.field) == (
        *("ALFAUSDT", "1m", "2024-05-15T11:55:00Z", "close"),
    )
    assert (found.before, found.now) == ("3151.6", "3151.5")
    assert f"input {EXCHANGE}: sha256" in messages(case)
    assert "identical: baseline 9, now 8" in messages(case)


def test_one_digit_of_a_consistent_kline_turns_it_red(suite: Path) -> None:
    replace_text(suite.parent / EXCHANGE, "3151.14,3151.50", "3151.15,3151.50")
    assert (
        "difference ALFAUSDT 1m 2024-05-15T11:54:00Z: exchange's open: baseline 3151.14, "
        "now 3151.15; cause: edge"
    ) in messages(run_one(suite))


def test_one_digit_of_the_baseline_turns_it_red(suite: Path) -> None:
    replace_text(suite.parent / KLINES, "3151.5,145.447", "3151.5,145.448")
    case = run_one(suite)
    assert case.status is GateStatus.RED
    assert messages(case) == (
        "ALFAUSDT 1m 2024-05-15T11:55:00Z volume: baseline 145.448, now 145.447; "
        "cause: the baseline's klines are not those of its own digest, so it was edited; "
        "against the exchange's: identical"
    )


def test_another_result_of_the_same_inputs_says_so(suite: Path) -> None:
    _make_baseline_say(suite, "3151.5,145.447", "3151.5,145.448")
    (problem,) = run_one(suite).problems
    assert problem.cause == (
        "our output changed: the same inputs now give another result; "
        "against the exchange's: identical"
    )


def test_another_input_is_named_as_the_cause(suite: Path) -> None:
    _make_baseline_say(suite, "3151.5,145.447", "3151.5,145.448")
    figures = suite.parent / FIGURES
    line = next(x for x in figures.read_text().split("\n") if x.startswith("input trades"))
    replace_text(figures, line, line[:-4] + "0000")
    case = run_one(suite)
    assert case.problems[0].cause == (
        "the input changed: input trades.txt.gz is not the baseline's, and its version is not "
        "kept: our output may have too; "
        "against the exchange's: identical"
    )
    assert "input trades.txt.gz: sha256" in messages(case)


def test_a_defect_in_the_aggregator_turns_it_red(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = ExactAggregator.advance

    def one_more(self: ExactAggregator, piece: FeedSlice) -> Emission:
        made = advance(self, piece)
        high = made.klines.high.copy()
        high[made.klines.count == 317] += 1
        return Emission(made.klines.with_columns({"high": high}), made.events)

    monkeypatch.setattr(ExactAggregator, "advance", one_more)
    place = "ALFAUSDT 1m 2024-05-15T12:00:00Z high"
    told = messages(run_one(suite))
    assert f"{place}: exchange 3151.72, ours 3151.73; cause: none found (unexplained)" in told
    assert (
        f"{place}: baseline 3151.72, now 3151.73; cause: our output changed: the same inputs now "
        "give another result; against the exchange's: unexplained"
    ) in told


def test_an_aggregator_that_raises_is_red_and_the_others_run(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ExactAggregator, piece: FeedSlice) -> Emission:
        raise ZeroDivisionError("no trades")

    monkeypatch.setattr(ExactAggregator, "advance", fail)
    case = run_one(suite)
    assert case.status is GateStatus.RED
    told = messages(case)
    assert told.startswith("the run crashed: ZeroDivisionError: no trades (test_gate.py, line ")
    details = Path(told.partition("; details are in ")[2])
    assert 'raise ZeroDivisionError("no trades")' in details.read_text()


def test_a_crash_is_another_exit_code_than_red(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ExactAggregator, piece: FeedSlice) -> Emission:
        raise ZeroDivisionError("no trades")

    monkeypatch.setattr(ExactAggregator, "advance", fail)
    result = run_suite(load_suite(suite), work=suite.parent / "work")
    assert (result.status, result.exit_code) == (GateStatus.RED, 70)


def test_the_digest_is_that_of_grep_and_sha256sum(suite: Path) -> None:
    lines = [line for line in _klines(suite) if line.startswith("ALFAUSDT,1m,2024-05-15")]
    digest = _sha256("".join(f"{line}\n" for line in lines))
    assert f"sha256={digest[:32]}" in (suite.parent / FIGURES).read_text()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("sha256=", "sha256=0", "baseline digest 0"),
        ("late=0", "late=1", "series ALFAUSDT 1m: late: baseline 1, now 0"),
        ("quiet=1", "quiet=2", "day ALFAUSDT 1m 2024-05-15: quiet: baseline 2, now 1"),
        ("rows_fed=2016", "rows_fed=2015", "counters: rows_fed: baseline 2015, now 2016"),
        ("parts=1", "parts=1 more=1", "counters: more: baseline 1, now none"),
        ("bytes_fed=137088", "bytes_fed=1", "counters: bytes_fed: baseline 1, now 137088"),
        ("case verdict=valid", "case verdict=invalid", "verdict: baseline invalid, now valid"),
    ],
)
def test_every_figure_is_held(suite: Path, old: str, new: str, expected: str) -> None:
    figures = suite.parent / FIGURES
    lines = figures.read_text().split("\n")
    row = next(i for i, line in enumerate(lines) if old in line and not line.startswith("input"))
    lines[row] = lines[row].replace(old, new)
    figures.write_text("\n".join(lines))
    case = run_one(suite)
    assert case.status is GateStatus.RED
    assert expected in messages(case)


def test_a_kline_too_many_and_one_too_few_are_named(suite: Path) -> None:
    lines = _klines(suite)
    gone = lines.pop(3)
    _store(suite, [*lines, lines[-1]])
    told = messages(run_one(suite))
    assert f"ALFAUSDT 1m {gone.split(',')[2]}: baseline no such kline, now one" in told
    assert "(copy 2): baseline a kline, now none" in told


def test_without_its_klines_file_the_digest_still_holds(suite: Path) -> None:
    (suite.parent / KLINES).unlink()
    case = run_one(suite)
    assert case.status is GateStatus.RED
    assert "but the baseline has no klines of this day" in messages(case)


def test_an_explanation_that_is_not_allowed_turns_it_red(tmp_path: Path) -> None:
    path = make_suite(tmp_path, CASE.replace('allow = ["edge"]', ""))
    case = run(path, update=True).cases[0]
    assert case.status is GateStatus.RED
    assert "cause: edge (consistent), which the case does not allow" in messages(case)
    assert not (tmp_path / "suite.baseline").exists()


def test_of_several_causes_each_has_to_be_allowed(
    suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def joined(
        case: SuiteCase, validity: Validity, sentence: str, found: Comparison | None
    ) -> Iterator[Problem]:
        assert found is not None
        (series,) = found.series
        differences = tuple(
            replace(difference, proof=Proof("edge+late_trade", {}))
            for difference in series.differences
        )
        comparison = Comparison((replace(series, differences=differences),))
        return judge_expectations(case, validity, sentence, comparison)

    monkeypatch.setattr("kline_harness.gate.gate.judge_expectations", joined)
    told = messages(run_one(suite))
    assert (
        'cause: edge+late_trade (proved), which the case does not allow (allow = ["late_trade"]'
        in told
    )
    replace_text(suite, '["edge"]', '["late_trade", "edge"]')
    assert run_one(suite).status is GateStatus.GREEN


def test_a_cause_can_be_allowed_only_where_it_is_proved(suite: Path) -> None:
    replace_text(suite, '["edge"]', '["consistent:edge"]')
    assert run_one(suite).status is GateStatus.GREEN
    replace_text(suite, '["consistent:edge"]', '["proved:edge"]')
    assert "cause: edge (consistent), which the case does not allow" in messages(run_one(suite))


def test_an_unexpected_verdict_is_not_written_by_update(suite: Path) -> None:
    before = (suite.parent / FIGURES).read_bytes()
    replace_text(suite, 'audit = "off"', 'audit = "off"\nverdict = "invalid"')
    case = run(suite, update=True).cases[0]
    assert "verdict valid, expected invalid" in messages(case)
    assert (suite.parent / FIGURES).read_bytes() == before


def test_an_invalid_run_can_be_what_is_expected(suite: Path) -> None:
    replace_text(suite.parent / EXCHANGE, "3151.50,145.447", "3151.60,145.447")
    replace_text(suite, 'audit = "off"', 'audit = "off"\nverdict = "invalid"')
    assert run(suite, update=True).status is GateStatus.GREEN
    assert "class=unexplained close=3151.6" in (suite.parent / FIGURES).read_text()
    assert run(suite).status is GateStatus.GREEN
    replace_text(suite.parent / EXCHANGE, "3151.60,145.447", "3151.70,145.447")
    assert "exchange's close: baseline 3151.6, now 3151.7" in messages(run_one(suite))


def test_a_case_without_a_baseline_is_unknown(tmp_path: Path) -> None:
    result = run(make_suite(tmp_path))
    assert result.status.exit_code == 3
    assert "no baseline; this run has 11 klines" in messages(result.cases[0])


def test_a_baseline_without_a_case_is_red_until_updated(suite: Path) -> None:
    replace_text(suite, '"stream"', '"renamed"')
    result = run(suite)
    assert result.orphans == ("stream",)
    assert result.status is GateStatus.RED
    result = run(suite, update=True)
    assert result.removed == ("stream",)
    assert result.status is GateStatus.GREEN
    assert [path.name for path in sorted((suite.parent / "suite.baseline").iterdir())] == [
        *("renamed.klines.csv.xz", "renamed.txt"),
    ]


def test_update_shows_what_it_changes_and_round_trips(suite: Path) -> None:
    folder = suite.parent / "suite.baseline"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert not run(suite, update=True).cases[0].updated
    replace_text(suite.parent / KLINES, "3151.5,145.447", "3151.5,145.448")
    case = run(suite, update=True).cases[0]
    assert case.updated
    assert case.status is GateStatus.GREEN
    assert [change.before for change in case.changes] == ["145.448"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert run(suite).status is GateStatus.GREEN


def test_klines_are_not_packed_again_when_only_a_figure_moves(suite: Path) -> None:
    packed = suite.parent / KLINES
    replace_text(packed, "3151.5,145.447", "3151.5,145.447")
    other_compressor = packed.read_bytes()
    replace_text(suite.parent / FIGURES, "late=0", "late=1")
    assert run(suite, update=True).cases[0].updated
    assert packed.read_bytes() == other_compressor


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (FIGURES, "case verdict", "<<<<<<< ours\ncase verdict", "line 2: expected words"),
        (FIGURES, "case verdict=valid\n", "case verdict=valid\ncase verdict=valid\n", "again"),
        (FIGURES, "baseline 1:", "baseline 2:", "line 1: expected the first line"),
        (KLINES, "3151.5,145.447", "3151.5 145.447", "line 3: expected 12 columns"),
    ],
)
def test_a_damaged_baseline_is_one_sentence(
    suite: Path, name: str, old: str, new: str, expected: str
) -> None:
    replace_text(suite.parent / name, old, new)
    result = run(suite)
    assert result.status.exit_code == 2
    (problem,) = result.cases[0].problems
    assert expected in problem.message
    assert "\n" not in problem.message


def test_a_cut_off_klines_file_is_one_sentence(suite: Path) -> None:
    packed = suite.parent / KLINES
    packed.write_bytes(packed.read_bytes()[:100])
    assert "expected an xz file of klines" in messages(run_one(suite))


def test_a_bad_input_breaks_its_case_and_not_the_others(suite: Path) -> None:
    suite.write_text(suite.read_text() + CASE.replace('"stream"', '"other"'))
    run(suite, update=True)
    (suite.parent / "bad.csv").write_text("a,b\n1,2\n")
    replace_text(
        suite, 'name = "other"\ntrades = "trades.txt.gz"', 'name = "other"\ntrades = "bad.csv"'
    )
    result = run(suite)
    assert [case.status for case in result.cases] == [GateStatus.GREEN, GateStatus.BROKEN]
    assert result.status.exit_code == 2


def test_wall_time_is_red_only_where_the_suite_bounds_it(suite: Path) -> None:
    suite.write_text("max_ratio = 0.0001\n" + suite.read_text())
    case = run_one(suite)
    assert case.status is GateStatus.RED
    assert "times the yardstick, max_ratio is 0.0001" in messages(case)


def test_two_runs_give_the_same_bytes(suite: Path, tmp_path: Path) -> None:
    replace_text(suite.parent / EXCHANGE, "3151.50,145.447", "3151.60,145.447")
    names = ("junit.xml", "gate.json", "summary.md")
    contents = []
    for number in (1, 2):
        files = [tmp_path / f"out-{number}" / name for name in names]
        text = deliver(run(suite), Outputs(junit=files[0], json=files[1], markdown=files[2]))
        contents.append([path.read_bytes() for path in files])
        # Times of JUnit differ from run to run.
        contents[-1][0] = re.sub(rb' time="\d+\.\d{3}"', b"", contents[-1][0])
        # The last line is the wall time.
        contents[-1].append(text.rpartition("wall time")[0].encode())
    assert contents[0] == contents[1]


def test_a_red_case_has_its_report(suite: Path) -> None:
    assert not (suite.parent / "work" / "stream" / "report.html").exists()
    replace_text(suite.parent / KLINES, "3151.5,145.447", "3151.5,145.448")
    run(suite)
    assert (suite.parent / "work" / "stream" / "report.html").is_file()


def _make_baseline_say(suite: Path, old: str, new: str) -> None:
    """Change a kline of the baseline and its digest, as if another version had written it."""
    replace_text(suite.parent / KLINES, old, new)
    figures = suite.parent / FIGURES
    stated = figures.read_text().split("sha256=")[1].split("\n")[0]
    replace_text(figures, stated, _sha256("".join(f"{line}\n" for line in _klines(suite)[1:]))[:32])


def _klines(suite: Path) -> list[str]:
    return lzma.decompress((suite.parent / KLINES).read_bytes()).decode().split("\n")[:-1]


def _store(suite: Path, lines: list[str]) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    (suite.parent / KLINES).write_bytes(lzma.compress(content))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
