"""`report` on run folders that were damaged: a page, or one sentence and exit code 2."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.replays import UM_DAY, Ran, command, replay
from tests.run_files import put_run, whole_run

TRADES = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
KLINES = UM_DAY / "ALFAUSDT-1h-2024-05-15.zip"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    words = (TRADES, "--klines", KLINES, "--intervals", "1h", "--audit", "off")
    assert replay(folder, *words).exit_code == 0
    return folder


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


@pytest.mark.parametrize("content", [None, ""])
def test_findings_that_the_record_counts_are_there(copied: Path, content: str | None) -> None:
    assert any(check["findings"] for check in whole_run(copied)["checks"])
    (copied / "findings.ndjson").unlink()
    if content is not None:
        (copied / "findings.ndjson").write_text(content)
    assert "findings.ndjson: expected findings, as run.json counts, found none" in said(copied)


def said(folder: Path) -> str:
    ran: Ran = command("report", folder)
    assert ran.exit_code == 2
    assert ran.output.startswith("error: ")
    assert ran.output.strip().count("\n") == 0
    assert str(folder) in ran.output
    return ran.output


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def garbage(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 8)


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


FILES = [
    *("run.json", "inputs.parquet", "compared.parquet", "not_compared.parquet"),
    *("klines/part-00000.parquet", "differences.parquet", "timeline.parquet"),
]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", [cut, garbage, directory])
def test_a_damaged_file_is_one_sentence(
    name: str, damage: Callable[[Path], None], copied: Path
) -> None:
    damage(copied / name)
    said(copied)


def test_klines_that_are_gone_are_missed(copied: Path) -> None:
    (copied / "klines" / "part-00000.parquet").unlink()
    assert "expected the stored klines, part-*.parquet, found none" in said(copied)
    shutil.rmtree(copied / "klines")
    assert "expected the stored klines, part-*.parquet, found none" in said(copied)


def test_a_run_without_its_figures_and_one_of_another_schema(copied: Path) -> None:
    figures = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps(figures | {"schema": "kline-harness/run/0"}))
    assert "expected the schema" in said(copied)
    (copied / "run.json").unlink()
    assert "expected a run folder or a folder of them, found neither" in said(copied)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = list(value.items()) if isinstance(value, dict) else []
    steps += list(enumerate(value[:2])) if isinstance(value, list) else []
    return [(*here, key) for key, _ in steps] + [
        place for key, inner in steps for place in places(inner, (*here, key))
    ]


OTHERS: list[Any] = [None, True, -1, 2**70, 0.5, "x", "", [], ["x"], [[1]], {}, {"x": 1}, [{}]]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_keys_of_other_types_or_missing(data: st.DataObject, run: Path, copied: Path) -> None:
    figures = copy.deepcopy(json.loads((run / "run.json").read_text()))
    place = data.draw(st.sampled_from(places(figures)))
    inner = figures
    for step in place[:-1]:
        inner = inner[step]
    other = data.draw(st.sampled_from(["taken away", *OTHERS]))
    if other == "taken away":
        del inner[place[-1]]
    else:
        inner[place[-1]] = other
    (copied / "run.json").write_text(json.dumps(figures))
    ran = command("report", copied)
    assert ran.exit_code in (0, 2)
    assert ran.exit_code == 0 or ran.output.strip().count("\n") == 0
    assert command("report", copied.parent).exit_code in (0, 2)


@pytest.mark.parametrize("value", [True, 2**70, 0.5])
def test_intervals_that_are_no_list_are_no_crash(value: Any, copied: Path) -> None:
    figures = json.loads((copied / "run.json").read_text())
    figures["scenario"]["intervals"] = value
    (copied / "run.json").write_text(json.dumps(figures))
    assert command("report", copied).exit_code == 0


def test_a_coverage_without_an_end_is_refused(copied: Path) -> None:
    figures = whole_run(copied)
    [klines] = [one for one in figures["inputs"] if one["role"] == "klines"]
    klines["coverage"] = klines["coverage"][:1]
    for row in figures["comparison"]["series"]:
        row["uncompared"] = 1
    put_run(copied, figures)
    assert "inputs.parquet: expected 2 items for row 2.coverage" in said(copied)


@pytest.mark.parametrize(
    "evidence",
    [
        {"law": "trades read", "parts": {"received": 1}},
        {"law": "trades read", "total": 1, "parts": {"received": "x"}},
        {"law": "traded volume in 1e-18", "total": 1, "parts": {"klines": None}},
    ],
)
def test_evidence_that_is_no_whole_equation_is_shown_as_it_is(
    evidence: dict[str, Any], copied: Path
) -> None:
    finding = {"check": "ledger", "kind": "unbalanced", "severity": "error", "evidence": evidence}
    (copied / "findings.ndjson").write_text(json.dumps(finding) + "\n")
    assert command("report", copied).exit_code == 0


@pytest.mark.parametrize("key", ["first_trade_id", "last_trade_id"])
def test_an_input_without_one_of_its_ids_is_no_crash(key: str, copied: Path) -> None:
    figures = whole_run(copied)
    del figures["inputs"][0][key]
    put_run(copied, figures)
    assert command("report", copied).exit_code in (0, 2)
