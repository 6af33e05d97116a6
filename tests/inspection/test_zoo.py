"""Every case of the zoo is found for what it is, and nothing else is found in it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kline_harness.inspection import Inspection, inspect_files
from kline_harness.inspection.kinds import KINDS
from kline_harness.verdict import Severity

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT / "fixtures" / "zoo"
CASES = sorted(path.name for path in ZOO.iterdir())


def papers(case: str) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((ZOO / case / "metadata.json").read_text())
    return about


def inspected(case: str) -> Inspection:
    names = [name for name in papers(case)["files"] if not name.endswith(".CHECKSUM")]
    return inspect_files([ZOO / case / name for name in names])


@pytest.mark.parametrize("case", CASES)
def test_the_defect_is_found_and_no_other(case: str) -> None:
    inspection = inspected(case)
    found = {
        place: [finding.kind for finding in verdict.findings]
        for place, verdict in [
            *((report.name, report.verdict) for report in inspection.files),
            *((verdict.check, verdict) for verdict in inspection.across),
        ]
        if verdict.findings
    }
    expected = {place: kinds for place, kinds in papers(case)["found"].items() if kinds}
    assert {place: sorted(kinds) for place, kinds in found.items()} == {
        place: sorted(kinds) for place, kinds in expected.items()
    }
    assert inspection.validity.value == papers(case)["verdict"]
    assert (
        inspection.to_dict()["exit_code"]
        == {"valid": 0, "invalid": 1, "unknown": 3}[papers(case)["verdict"]]
    )
    json.dumps(inspection.to_dict())


def test_every_kind_is_met_in_the_zoo() -> None:
    met = {kind for case in CASES for kinds in papers(case)["found"].values() for kind in kinds}
    # No file can show a defect of the reader: tests/archives/test_lines.py plants them.
    assert met == set(KINDS) - {"lines_not_read"}


def test_every_finding_has_its_count_and_says_where() -> None:
    for case in CASES:
        inspection = inspected(case)
        verdicts = [*(report.verdict for report in inspection.files), *inspection.across]
        for finding in (f for verdict in verdicts for f in verdict.findings):
            assert finding.evidence["count"] >= len(finding.evidence["examples"]) >= 1, case
            assert finding.severity is KINDS[finding.kind].severity
            assert all(example for example in finding.evidence["examples"])


def test_the_papers_name_threads_and_every_file() -> None:
    for case in CASES:
        about = papers(case)
        on_disk = {path.name for path in (ZOO / case).iterdir()} - {"metadata.json"}
        assert (about["name"], set(about["files"])) == (case, on_disk)
        for name, facts in about["files"].items():
            data = (ZOO / case / name).read_bytes()
            assert facts["sha256"] == hashlib.sha256(data).hexdigest()
    reported = [case for case in CASES if papers(case)["threads"]]
    assert len(reported) > len(CASES) // 2


def test_the_zoo_is_what_its_script_makes() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "make_zoo", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_errors_make_invalid_and_doubts_unknown() -> None:
    for case in CASES:
        verdicts = inspected(case)
        severities = {
            finding.severity
            for verdict in [*(r.verdict for r in verdicts.files), *verdicts.across]
            for finding in verdict.findings
        }
        expected = "valid"
        if Severity.ERROR in severities:
            expected = "invalid"
        elif Severity.DOUBT in severities:
            expected = "unknown"
        assert papers(case)["verdict"] == expected
