"""The kit passes a right aggregator and finds what is wrong with a wrong one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.process import ProcessAggregator
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.errors import InputError, UsageError
from kline_harness.interfaces import FeedSlice
from kline_harness.interval import Interval
from kline_harness.kline import Emission
from kline_harness.testing.specification import read_cases, specification
from kline_harness.testing.subject_kit import KitResult, Make, Status, run_kit

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "subjects" / "aggregator.py"


def process_of(source: Path) -> Callable[[ProcessOptions], Make]:
    command = f"{sys.executable} {source}"

    def process(options: ProcessOptions) -> Make:
        return lambda names, symbols: ProcessAggregator(command, names, symbols, options=options)

    return process


def failed(results: list[KitResult]) -> list[str]:
    return [one.name for one in results if one.status is Status.FAILED]


def test_the_exact_aggregator_passes() -> None:
    cases = read_cases(specification())
    results = list(run_kit(lambda names, _: ExactAggregator(names), cases, None))
    assert failed(results) == []
    assert len([one for one in results if one.group == "specification"]) == len(cases)
    skipped = [one.sentence for one in results if one.status is Status.SKIPPED]
    assert set(skipped) == {"not a program of its own"}


class ForgetsAtSlices(ExactAggregator):
    """Works each slice by itself, as an aggregator that keeps nothing between batches."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        super().__init__(intervals)
        self._names = intervals

    def advance(self, feed: FeedSlice) -> Emission:
        return ExactAggregator(self._names).advance(feed)


def test_one_that_breaks_the_slice_law_fails_on_cuts() -> None:
    results = list(run_kit(lambda names, _: ForgetsAtSlices(names), [], None))
    assert {"slices of 1000", "slices of 7", "slices of 1"} <= {*failed(results)}


def test_a_program_passes_every_item_about_programs() -> None:
    process = process_of(EXAMPLE)
    results = list(run_kit(process(ProcessOptions()), [], process))
    assert failed(results) == []
    assert len([one for one in results if one.group == "process"]) == 9


# What is changed in the example, and the item that finds it.
WRONG = {
    "an unknown type": ("case other:", "case other if False:"),
    "a broken line": (
        "    message = json.loads(line)",
        "    try:\n        message = json.loads(line)\n    except ValueError:\n        continue",
    ),
    "slices of 1": ('(message["symbol"], id) not in seen', "True"),
    "killed in the middle": (
        "getcontext().prec = 200",
        (
            'import pathlib\nstate = pathlib.Path(__file__).with_suffix(".state")\n'
            "getcontext().prec = 3 if state.exists() else 200\nstate.touch()"
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_program_that_is_wrong_fails_by_name(name: str, tmp_path: Path) -> None:
    old, new = WRONG[name]
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    wrong = tmp_path / "wrong.py"
    wrong.write_text(text.replace(old, new), encoding="utf-8")
    process = process_of(wrong)
    results = list(run_kit(process(ProcessOptions()), [], process))
    assert name in failed(results)


def test_a_folder_without_cases_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="found none"):
        read_cases(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"spec": 2}', "[]"])
def test_a_file_that_is_no_case_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "A01.json").write_text(text)
    with pytest.raises(InputError, match=r"A01\.json"):
        read_cases(tmp_path)
