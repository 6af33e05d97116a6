"""The klines specification: its files are as made, its oracle and ours pass, every bug is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.interfaces import AddSymbol, Aggregator, RemoveSymbol, Tick
from kline_harness.interval import INTERVALS, parse_interval
from kline_harness.kline import FIELDS, Emission
from kline_harness.tape import TradeKind
from kline_harness.units import format_exact

from tests.feeds import Item, TradeSpec, build
from tests.spec.made import FOLDER, contents
from tests.spec.mutants import MUTANTS, comparable, passes, survivors

CASES = sorted((FOLDER / "cases").glob("*.json"))
MADE: dict[str, Callable[[list[str]], Aggregator]] = {
    "exact": lambda names: ExactAggregator([parse_interval(name) for name in names]),
    "reference": lambda names: ReferenceAggregator([parse_interval(name) for name in names]),
}


def load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return case


def item_of(message: dict[str, Any]) -> Item:
    """The message as the feeds of the tests have it."""
    if message["type"] == "tick":
        return Tick(message["at_ns"], message["time_ns"])
    if message["type"] == "add_symbol":
        return AddSymbol(message["at_ns"], message["symbol"])
    if message["type"] == "remove_symbol":
        return RemoveSymbol(message["at_ns"], message["symbol"])
    return TradeSpec(
        message["symbol"],
        message["id"],
        message["price"],
        message["quantity"],
        message["event_time_ns"],
        message["arrival_ns"],
        message["buyer_is_maker"],
        message["first_id"],
        message["last_id"],
        TradeKind[message["kind"]],
    )


def rows(emission: Emission, after: int) -> Iterator[dict[str, Any]]:
    """The finals of an emission as the specification writes them."""
    klines = emission.klines
    for row in range(len(klines)):
        instrument = klines.instruments[int(klines.symbol[row])]
        interval = INTERVALS[int(klines.interval[row])]
        open_time_ns = int(klines.open_time_ns[row])
        scales = {
            **dict.fromkeys(klines.price_columns(), instrument.price_scale),
            **dict.fromkeys(klines.quantity_columns(), instrument.quantity_scale),
            **dict.fromkeys(klines.quote_columns(), instrument.quote_scale),
        }
        numbers = {
            name: format_exact(int(getattr(klines, name)[row]), scales[name])
            for name in FIELDS
            if name != "count"
        }
        yield {
            "after": after,
            "symbol": instrument.symbol,
            "interval": interval.text,
            "open_time_ns": open_time_ns,
            "close_time_ns": interval.close_time_ns(open_time_ns),
            **numbers,
            "count": int(klines.count[row]),
            "first_id": int(klines.first_trade_id[row]),
            "last_id": int(klines.last_trade_id[row]),
        }


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_ours_pass(path: Path, name: str) -> None:
    case = load(path)
    aggregator = MADE[name](case["intervals"])
    found: list[dict[str, Any]] = []
    for after, message in enumerate(case["in"]):
        if message["type"] == "end":
            emission = aggregator.finish(message["at_ns"])
        else:
            emission = aggregator.advance(build([item_of(message)]))
        found += rows(emission, after)
    assert comparable(found) == comparable(case["finals"])


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
