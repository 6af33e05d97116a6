"""Scenario files: TOML tables, each decoded to the options of the part that uses them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kline_harness.errors import InputError, UsageError
from kline_harness.faults.fault import Fault
from kline_harness.faults.presets import PRESETS
from kline_harness.replay.decode import decode
from kline_harness.replay.scenario import Scenario


@dataclass(frozen=True, slots=True)
class PresetChoice:
    """A preset by name; its windows of time count from `from_ns`, such as the day's start."""

    name: str
    from_ns: int = 0

    def __post_init__(self) -> None:
        if self.name not in PRESETS:
            raise ValueError(f"unknown preset {self.name!r}: expected one of {', '.join(PRESETS)}")

    def faults(self) -> tuple[Fault, ...]:
        """Return the preset's faults."""
        return PRESETS[self.name].make(self.from_ns)


def load_scenario(path: Path) -> Scenario:
    """Read a scenario; what it leaves out has the default of `Scenario`.

    Raises InputError when it is not TOML, UsageError for a key or value that does not fit.
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
    """
    rest = {name: value for name, value in table.items() if name != "preset"}
    scenario = decode(Scenario, rest, where)
    assert isinstance(scenario, Scenario)
    if "preset" not in table:
        return scenario
    chosen = decode(PresetChoice, table["preset"], f"{where}.preset")
    assert isinstance(chosen, PresetChoice)
    return replace(scenario, faults=(*chosen.faults(), *scenario.faults))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises InputError when it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, "TOML", str(error)) from error
