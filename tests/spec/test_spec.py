"""The klines specification: its files are as made, its oracle and ours pass, every bug is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.interfaces import Aggregator
from kline_harness.interval import Interval
from kline_harness.testing.specification import SpecCase, read_cases, run_case

from tests.spec.made import FOLDER, contents
from tests.spec.mutants import MUTANTS, passes, survivors

CASES = sorted((FOLDER / "cases").glob("*.json"))
MADE: dict[str, Callable[[Sequence[Interval]], Aggregator]] = {
    "exact": ExactAggregator,
    "reference": ReferenceAggregator,
}


def load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return case


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("case", read_cases(FOLDER), ids=lambda case: case.name)
def test_ours_pass(case: SpecCase, name: str) -> None:
    assert run_case(case, MADE[name](case.intervals)) == ""


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_plain_aggregator_passes_and_some_bug_does_not(path: Path) -> None:
    case = load(path)
    assert passes(case, "")
    assert len(survivors(case)) < len(MUTANTS)


def test_every_bug_is_found() -> None:
    cases = [load(path) for path in CASES]
    assert [bug for bug in MUTANTS if all(passes(case, bug) for case in cases)] == []


def test_the_files_are_as_made() -> None:
    made = contents()
    assert {path for path in made if path.suffix == ".json"} == {*CASES}
    assert [path.name for path, text in made.items() if path.read_text("utf-8") != text] == []


def test_there_are_enough_cases_and_every_rule_has_one() -> None:
    assert len(CASES) >= 80
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    for letter in {path.name[0] for path in CASES}:
        assert f"**{letter}." in readme


def test_times_and_ids_are_integers_and_other_numbers_text() -> None:
    for path in CASES:
        case = load(path)
        for row in [*case["in"], *case["finals"]]:
            for name, value in row.items():
                if name.endswith(("_ns", "id")) or name in ("count", "after"):
                    assert type(value) is int, (path.name, name)
                elif name not in ("buyer_is_maker",):
                    assert type(value) is str, (path.name, name)
