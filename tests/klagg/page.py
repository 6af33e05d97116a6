"""docs/defects.md, from the data and from what replays of it find."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from kline_harness.errors import UserError
from kline_harness.replay import Outcome
from kline_harness.replay import replay as run
from kline_harness.replay.scenario_file import load_scenario
from kline_harness.verdict import Finding, Severity

from tests.klagg.blind_spots import CASES, FALSE_ALARMS
from tests.klagg.defects import DEFECTS, Defect
from tests.klagg.made import FOLDER

PAGE = FOLDER.parents[1] / "docs" / "defects.md"
_SEVERITIES = {
    "A": "wrong data stored",
    "B": "data late or missing from a feed",
    "C": "blind spot of an auditor",
    "D": "crash or stall",
    "E": "cosmetic",
}
_INTRODUCTION = """\
# The known defects of klagg, and what finds each

Made by `scripts/make_defects` from `tests/klagg/defects.py`; a test holds the page to it.

Severity: {severities}. Each defect that a replay can show has two scenarios in `fixtures/klagg`:
`qNN.toml` with the defect and `qNN-off.toml` without it, everything else the same. One command
shows the finding:

    kline-harness replay fixtures/klagg/q01.txt --scenario fixtures/klagg/q01.toml

Without the defect that finding is not there, nor any other error or doubt but those named.
"""


def replayed(defect: Defect, folder: Path, *, on: bool) -> Outcome:
    """Replay a defect's fixture; the suite of expectations is left out as it takes seconds."""
    stem = defect.name.lower()
    options = load_scenario(FOLDER / f"{stem}{'' if on else '-off'}.toml")
    options = replace(options, expectations=False)
    trades = [FOLDER / f"{stem}.txt"]
    return run(options, trades, [], folder / "run", command="", report=False)


def findings(outcome: Outcome) -> list[Finding]:
    """Return every check's findings."""
    return [finding for check in outcome.checks for finding in check.findings]


def is_it(defect: Defect, one: Finding) -> bool:
    """Tell whether a finding is the one by which a defect is found."""
    same = (one.check, one.kind) == (defect.check, defect.kind)
    return same and all(one.evidence.get(name) == value for name, value in defect.evidence)


def page(folder: Path) -> str:
    """Return the page; replays use the folder."""
    severities = ", ".join(f"{letter} {meaning}" for letter, meaning in _SEVERITIES.items())
    parts = [_INTRODUCTION.format(severities=severities), _table()]
    parts += [_section(defect, folder) for defect in DEFECTS]
    return "\n".join(parts)


def _table() -> str:
    lines = ["| | | what | found by |", "|---|---|---|---|"]
    for defect in DEFECTS:
        found = f"{defect.check}: {defect.kind}" if defect.check else "no replay"
        if defect.blind:
            found = "old auditor against ours"
        elif defect.error:
            found = "one sentence before the run"
        link = f"[{defect.name}](#{defect.name.lower()})"
        lines.append(f"| {link} | {defect.severity} | {defect.sentence} | {found} |")
    return "\n".join(lines) + "\n"


def _section(defect: Defect, folder: Path) -> str:
    lines = [f"## {defect.name}", "", f"{defect.severity}. {defect.sentence}", ""]
    if defect.outside:
        lines.append(f"Not shown by a replay: {defect.outside}")
    elif defect.blind:
        lines += _blind(defect)
    else:
        lines += _shown(defect, folder)
    return "\n".join(lines) + "\n"


def _blind(defect: Defect) -> list[str]:
    both = CASES[defect.blind]()
    wrong = " (a false alarm)" if defect.blind in FALSE_ALARMS else ""
    return [
        f"Shown with {both.what} (`tests/klagg/blind_spots.py`).",
        "",
        f"* The old auditor finds: {', '.join(both.theirs) or 'nothing'}{wrong}.",
        f"* Ours finds: {', '.join(both.ours) or 'nothing'}.",
    ]


def _shown(defect: Defect, folder: Path) -> list[str]:
    stem = f"fixtures/klagg/{defect.name.lower()}"
    lines = [f"Scenario [`{stem}.toml`](../{stem}.toml) on `{stem}.txt`.", ""]
    try:
        found = findings(replayed(defect, folder, on=True))
    except UserError as error:
        lines += ["Found before the run:", "", "```", f"error: {error}", "```"]
    else:
        one = next(one for one in found if is_it(defect, one))
        count = sum(is_it(defect, other) for other in found)
        lines += [f"Found by {defect.check}, {count} such:", "", "```", told(one), "```"]
    left = sorted(
        {
            f"{one.check} {one.kind}"
            for one in findings(replayed(defect, folder, on=False))
            if one.severity is not Severity.NOTICE
        }
    )
    rest = f"but what it shares with the other: {', '.join(left)}" if left else "at all"
    return [*lines, "", f"Without it (`{stem}-off.toml`): no error or doubt {rest}."]


def told(finding: Finding) -> str:
    """Return a finding as its line in ``findings.ndjson``, what is empty left out."""
    content = {k: v for k, v in finding.to_dict().items() if v not in (None, {})}
    return json.dumps(content, ensure_ascii=False)
