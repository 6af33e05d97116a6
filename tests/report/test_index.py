"""The history: what is new since the run before, and the last run of each symbol and day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kline_harness.report.index import PastRun, build_index, matrix_of
from kline_harness.units import NS_PER_DAY

from tests.report.test_report import table
from tests.run_files import put_run
from tests.test_run_export import kline, store

DAY_NS = 1_715_731_200_000_000_000  # 2024-05-15


def write(
    folder: Path, verdict: str = "valid", findings: tuple[str, ...] = (), **more: Any
) -> None:
    """Write the record of a run of two symbols."""
    check = {"check": "comparison", "verdict": verdict, "counts": {}, "not_checked": []}
    trades = {
        "role": "trades",
        "path": "a.zip",
        "symbols": ["ALFAUSDT", "BRAVOUSDT"],
        "first_event_time_ns": DAY_NS,
        "last_event_time_ns": DAY_NS + NS_PER_DAY,
    }
    run = {
        "schema": "kline-harness/run/4",
        "verdict": verdict,
        "scenario": {"aggregator": "exact"},
        "inputs": [trades],
        "checks": [check | {"findings": dict.fromkeys(findings, 1)}],
    }
    folder.mkdir(parents=True)
    put_run(folder, run | more)


def compared(unexplained: int) -> dict[str, Any]:
    rows = [
        {"symbol": "ALFAUSDT", "interval": "1m", "identical": 9, "unexplained": unexplained},
        {"symbol": "BRAVOUSDT", "interval": "1m", "identical": 9},
    ]
    return {"comparison": {"series": rows}}


def test_what_is_new_is_told_against_the_run_of_the_same_subject_before(tmp_path: Path) -> None:
    write(tmp_path / "a", "invalid", ("unexplained",), **compared(3))
    write(tmp_path / "b", "invalid", ("unexplained", "missing"), **compared(3))
    write(tmp_path / "c", scenario={"aggregator": "klagg"})
    write(tmp_path / "d", "invalid", ("unexplained",), **compared(3))
    rows = table(build_index(tmp_path).read_text("utf-8"), "runs-table")
    assert [(row[0][0], row[2]) for row in rows] == [
        ("a", "first of its subject"),
        ("b", "comparison: missing"),
        ("c", "first of its subject"),
        ("d", "nothing new"),
    ]


def test_a_symbol_without_a_wrong_kline_is_not_called_wrong_for_another(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", "invalid", ("unexplained",), **compared(3))
    page = build_index(tmp_path).read_text("utf-8")
    assert 'aria-label="ALFAUSDT 2024-05-15: invalid"' in page
    assert 'aria-label="BRAVOUSDT 2024-05-15: valid"' in page
    # Another check that fails is about all of them.
    checks: list[dict[str, Any]] = [
        {"check": name, "verdict": "invalid", "counts": {}, "findings": {}, "not_checked": []}
        for name in ("comparison", "ledger")
    ]
    write(tmp_path / "c", "invalid", **compared(3), checks=checks)
    page = build_index(tmp_path).read_text("utf-8")
    # Both symbols share a line then.
    assert 'aria-label="ALFAUSDT 2024-05-15: invalid"' in page
    assert "BRAVOUSDT 2024-05-15" not in page


def past(name: str, verdict: str, *covers: tuple[str, str, str]) -> PastRun:
    return PastRun(name, verdict, "", 0, {}, False, covers=covers)


def test_the_matrix_has_the_last_run_of_each_day_the_worst_symbols_first() -> None:
    runs = [
        past("a", "invalid", ("A", "2024-05-15", "invalid"), ("B", "2024-05-15", "valid")),
        past("b", "valid", ("A", "2024-05-15", "valid"), ("A", "2024-05-16", "valid")),
        past("c", "unknown", ("C", "2024-05-16", "unknown")),
    ]
    matrix = matrix_of(runs)
    assert matrix is not None
    assert matrix.days == ("2024-05-15", "2024-05-16")
    told = [
        (symbols, [cell and (cell[0], cell[1].name) for cell in cells])
        for symbols, cells in matrix.rows
    ]
    assert told == [
        (("C",), [None, ("unknown", "c")]),
        (("A",), [("valid", "b"), ("valid", "b")]),
        (("B",), [("valid", "a"), None]),
    ]
    many = [past("a", "valid", *((f"S{n:03}", "2024-05-15", "valid") for n in range(500)))]
    matrix = matrix_of(many)
    assert matrix is not None
    assert [len(symbols) for symbols, _ in matrix.rows] == [500]
    assert matrix_of([past("a", "valid")]) is None


def test_the_klines_of_a_comparison_are_counted_and_days_may_break(tmp_path: Path) -> None:
    month = {"last_event_time_ns": DAY_NS + 29 * NS_PER_DAY}
    trades = {"role": "trades", "path": "a.zip", "symbols": ["A"], "first_event_time_ns": DAY_NS}
    write(tmp_path / "a", "invalid", inputs=[trades | month], **compared(3))
    store(tmp_path / "a", [kline("A", 0), kline("A", 1)])
    page = build_index(tmp_path).read_text("utf-8")
    [row] = table(page, "runs-table")
    # What is wrong stands before what a run was made of.
    assert row[3:5] == ["3", "0"]
    assert row[-1] == "2"
    day = '<span class="time">{}</span>'.format
    assert f"{day('2024-05-15')} to {day('2024-06-13')}" in page
