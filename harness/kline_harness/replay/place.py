"""Where a run's folder goes: a name made of what is replayed, and never another run's folder."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kline_harness.archives import FileInfo
from kline_harness.errors import InputError, OutputError
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.sources import Sources
from kline_harness.run_record import RECORD_FILE, read_record
from kline_harness.units import NS_PER_DAY, day_of

# The folder of run folders: a replay written there keeps its index up to date.
REPORTS = Path("reports")
_NAMED = 3
_REPLACING = "give another --out, or --force to replace it"


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where a run is asked to be written; without `out`, under `REPORTS` by what it replays.

    `name` is that of the scenario's file, if there is one. With `force` another run's folder is
    replaced.
    """

    out: Path | None = None
    name: str | None = None
    force: bool = True

    def folder(self, sources: Sources, scenario: Scenario) -> Path:
        """Return the run's folder.

        Raises OutputError when the folder of another run is there, unless that may be replaced.
        """
        inputs = [file.peek() for file in sources.trades]
        target = self.out or REPORTS / default_name(inputs, scenario, self.name)
        if not self.force:
            names = sorted(
                [("trades", one.path) for one in inputs]
                + [("klines", klines.info.path) for klines in sources.klines]
            )
            _refuse_another(target, names, scenario.to_dict())
        return target


def default_name(inputs: list[FileInfo], scenario: Scenario, name: str | None) -> str:
    """Return market, symbols, days, aggregator and scenario, joined by hyphens."""
    markets = sorted({one.market for one in inputs if one.market})
    symbols = sorted({symbol for one in inputs for symbol in one.symbols})
    stems = [Path(one.path).name.split(".")[0] for one in inputs]
    shown = symbols[:_NAMED] if len(symbols) <= _NAMED else [symbols[0], f"{len(symbols) - 1} more"]
    subject = scenario.aggregator
    subject = "process" if subject.startswith("process:") else subject.rpartition(":")[2]
    parts = [
        "+".join(markets),
        "+".join(shown) or stems[0],
        _days(inputs),
        subject,
        name or "",
    ]
    text = "-".join(part for part in parts if part)
    return re.sub(r"[^\w.+-]+", "_", text)[:200]


def _days(inputs: list[FileInfo]) -> str:
    spans = [one.coverage for one in inputs if one.coverage]
    if not spans:
        return ""
    first, last = day_of(min(s[0] for s in spans)), day_of(max(s[1] for s in spans) - 1)
    whole_month = first[:7] == last[:7] and max(s[1] - s[0] for s in spans) > NS_PER_DAY
    return first[:7] if whole_month else first if first == last else f"{first}_{last}"


def _refuse_another(
    target: Path, inputs: list[tuple[str, str]], scenario: Mapping[str, Any]
) -> None:
    """Refuse the place of a run of other files or another scenario."""
    try:
        is_run = "schema" in json.loads((target / RECORD_FILE).read_text("utf-8"))
    except (OSError, ValueError, TypeError):
        is_run = False  # no run is there, or one that nobody can read any more
    if not is_run:
        return
    try:
        found = read_record(target / RECORD_FILE)
    except InputError as error:
        why = f"a run that is not one of this version ({error})"
        raise OutputError(f"{target}: holds {why}: {_REPLACING}") from error
    had = [(row["role"], row["path"]) for row in found.inputs]
    before = found.scenario
    now = json.loads(json.dumps(scenario))
    why = ""
    if _names(had) != _names(inputs):
        why = _of_other_files(_names(had), _names(inputs))
    elif now != before:
        names = [name for name in now if now[name] != before.get(name, now[name])]
        if not names:
            return  # only what another version of the scenario says besides
        why = f"of the same files and another scenario ({', '.join(names)})"
    if why:
        raise OutputError(f"{target}: holds another run, {why}: {_REPLACING}")


def _of_other_files(had: list[tuple[str, str]], given: list[tuple[str, str]]) -> str:
    """Say of which files a run was, by what it had less or more where that is all."""
    less = [path for role, path in given if (role, path) not in had]
    more = [path for role, path in had if (role, path) not in given]
    if less and more:
        return f"of {_some([path for _, path in had])}"
    return (
        f"of the same files without {_some(less)}" if less else f"of these files and {_some(more)}"
    )


def _some(paths: list[str]) -> str:
    rest = len(paths) - _NAMED
    return ", ".join(paths[:_NAMED]) + (f" and {rest} more files" if rest > 0 else "")


def _names(files: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted((role, Path(path).name) for role, path in files)
