"""Scenario files: TOML tables, each decoded to the options of the part that uses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kline_harness.aggregators.loader import NamedFactory
from kline_harness.aggregators.names import EXACT
from kline_harness.errors import UsageError
from kline_harness.faults.fault import Fault
from kline_harness.faults.presets import PRESETS
from kline_harness.interfaces import Subject
from kline_harness.replay.decode import decode, keys_of
from kline_harness.replay.scenario import Scenario
from kline_harness.toml_file import read_toml


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """A preset by name; its windows of time count from `from_ns`, such as the day's start."""

    name: str
    from_ns: int = 0

    def __post_init__(self) -> None:
        if self.name not in PRESETS:
            raise ValueError(f"unknown preset {self.name!r}: expected one of {', '.join(PRESETS)}")

    def faults(self) -> tuple[Fault, ...]:
        """Make the faults that the preset stands for, their windows counted from `from_ns`."""
        return PRESETS[self.name].make(self.from_ns)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; what it leaves out has the default of `Scenario`.

    Raises UsageError or InputError for a file that cannot be read or is not TOML, and UsageError
    for a key or value that does not fit.
    """
    return decode_scenario(read_toml(path), str(path))


def scenario_of(file: Path | None, **options: Any) -> Scenario:
    """Return the scenario of a file, or the default one, with options that are not None instead.

    Raises what `load_scenario` raises, and UsageError where file and options do not agree.
    """
    given = {name: value for name, value in options.items() if value is not None}
    table = {} if file is None else read_toml(file)
    if "aggregator" in given:
        # Other options may need the aggregator, so it is taken before they are looked at.
        table["aggregator"] = given["aggregator"]
    return replace(decode_scenario(table, str(file)), **given)


def decode_scenario(table: dict[str, Any], where: str) -> Scenario:
    """Return the scenario of a TOML table; `where` names it in errors.

    A table ``[preset]`` puts the faults of a preset before those of the scenario.

    Raises UsageError for a key or a value that a scenario does not have.
    """
    rest = {name: value for name, value in table.items() if name != "preset"}
    scenario = _with_subject(rest, where)
    if "preset" not in table:
        return scenario
    chosen = decode(PresetChoice, table["preset"], f"{where}.preset")
    assert isinstance(chosen, PresetChoice)
    return replace(scenario, faults=(*chosen.faults(), *scenario.faults))


def _with_subject(table: dict[str, Any], where: str) -> Scenario:
    """Return a scenario; what is its subject's own is decoded as the subject declares it."""
    named = table.get("aggregator", EXACT)
    kind = NamedFactory.named(named).subject if isinstance(named, str) else None
    if kind is None:
        scenario = decode(Scenario, table, where)
        assert isinstance(scenario, Scenario)
        return scenario
    ours, theirs = keys_of(Scenario), keys_of(kind)
    if both := sorted(ours.keys() & theirs.keys()):
        raise UsageError(f"aggregator {named}: {', '.join(both)}: a key of every scenario")
    own = {key: value for key, value in table.items() if key in theirs}
    rest = {key: value for key, value in table.items() if key not in theirs}
    subject = decode(kind, own, where)
    if unknown := [key for key in rest if key not in ours]:
        known = ", ".join((*ours, *theirs))
        raise UsageError(f"{where}: unknown key {unknown[0]!r}: expected one of {known}")
    rest, stated = _without_stated(rest, kind, where)
    scenario = decode(Scenario, rest, where)
    assert isinstance(scenario, Scenario)
    pairs = zip(scenario.commands, stated, strict=True)
    commands = tuple(replace(command, stated=one) for command, one in pairs) if stated else ()
    return replace(scenario, subject=subject, commands=commands)


def _without_stated(
    table: dict[str, Any], kind: type[Subject], where: str
) -> tuple[dict[str, Any], list[Any]]:
    """Take from the commands what the subject lets them state; return both."""
    commands, states = table.get("commands"), kind.STATED
    if states is None or not isinstance(commands, list):
        return table, [None] * len(commands) if isinstance(commands, list) else []
    theirs, rest, stated = keys_of(states), list[Any](), list[Any]()
    for number, command in enumerate(commands):
        given = command if isinstance(command, dict) else {}
        own = {key: value for key, value in given.items() if key in theirs}
        place = f"{where}.commands[{number}]"
        if own and "add" not in given:
            raise UsageError(f"{place}: {', '.join(own)}: expected of a symbol to add alone")
        stated.append(decode(states, own, place) if "add" in given else None)
        rest.append({k: v for k, v in given.items() if k not in theirs} if given else command)
    return table | {"commands": rest}, stated
