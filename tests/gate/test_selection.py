"""Choosing cases, sharing them among processes, and cases of klines that a service made."""

from __future__ import annotations

import re
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import pytest
from kline_harness.errors import UsageError
from kline_harness.gate import GateStatus, chosen, load_suite, run_suite
from kline_harness.gate.junit import to_junit
from kline_harness.gate.output import to_text

from tests.gate.suites import CASE, make_suite, messages, replace_text, run, run_one
from tests.replays import command

EXCHANGE = "ALFAUSDT-1m-2024-05-15.csv"
THREE = CASE + "".join(CASE.replace('"stream"', f'"{name}"') for name in ("stream-again", "other"))
OURS = """
[[case]]
name = "service"
ours = "ALFAUSDT-1m-service.csv"
klines = "ALFAUSDT-1m.csv"
"""


@pytest.fixture
def three(tmp_path: Path) -> Path:
    path = make_suite(tmp_path / "gate", THREE)
    assert run(path, update=True).status is GateStatus.GREEN
    return path


def test_only_the_cases_of_a_name_or_pattern_are_run(three: Path) -> None:
    suite = load_suite(three)
    for names, expected in (
        (["other"], ["other"]),
        (["stream*"], ["stream", "stream-again"]),
        (["other", "stream"], ["stream", "other"]),
    ):
        result = run_suite(chosen(suite, names), work=three.parent / "work")
        assert [case.case.name for case in result.cases] == expected
        # Baselines of the cases left out are no orphans.
        assert (result.status, result.orphans) == (GateStatus.GREEN, ())


def test_an_update_of_one_case_keeps_the_baselines_of_the_others(three: Path) -> None:
    before = sorted(path.name for path in three.with_suffix(".baseline").iterdir())
    run_suite(chosen(load_suite(three), ["other"]), True, work=three.parent / "work")
    assert sorted(path.name for path in three.with_suffix(".baseline").iterdir()) == before


def test_a_name_that_no_case_has_is_refused(three: Path) -> None:
    with pytest.raises(UsageError, match="no case 'strem'; expected one of stream, stream-again"):
        chosen(load_suite(three), ["stream", "strem"])
    assert command("gate", three, "--case", "strem").exit_code == 2
    assert command("gate", three, "--workers", "0").exit_code == 2


def test_several_processes_give_the_same_result(three: Path) -> None:
    replace_text(three.parent / EXCHANGE, "3151.50,145.447", "3151.60,145.447")
    suite, work = load_suite(three), three.parent / "work"
    alone, shared = (run_suite(suite, work=work, workers=workers) for workers in (1, 2))
    assert alone.status is GateStatus.RED
    assert alone.to_dict() == shared.to_dict()


def test_processes_end_by_themselves(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is stopped leaves a semaphore, of which Python warns at the end of the command."""
    stopped: list[int | None] = []
    terminate = Pool.terminate

    def note(pool: Any) -> None:
        stopped.extend(process.exitcode for process in pool._pool)
        terminate(pool)

    monkeypatch.setattr(Pool, "terminate", note)
    run_suite(load_suite(three), work=three.parent / "work", workers=2)
    assert set(stopped) <= {0}


def test_a_case_that_is_not_green_names_its_page_and_a_hint_stands_once(tmp_path: Path) -> None:
    path = make_suite(tmp_path / "gate", CASE.replace('allow = ["edge"]', ""))
    result = run(path)
    text = to_text(result)
    assert result.status is GateStatus.RED
    page = re.search(r"see (.*report\.html)", text)
    assert page is not None
    assert Path(page[1]).is_file()
    assert text.count("which the case does not allow") > 1
    assert text.count("would)") == 1


def test_junit_tells_seconds(three: Path) -> None:
    result = run(three)
    times = [
        float(time) for time in re.findall(r'<testcase [^>]*time="([\d.]+)"', to_junit(result))
    ]
    assert [round(case.seconds, 3) for case in result.cases] == times
    assert min(times) > 0


def service(folder: Path, shift_ms: int = 0) -> Path:
    """Write a suite of one case: the exchange's klines, and ours moved in time by so much."""
    path = make_suite(folder, OURS)
    text = (path.parent / EXCHANGE).read_text()
    (path.parent / "ALFAUSDT-1m.csv").write_text(text)
    moved = re.sub(r"\b1715\d{9}\b", lambda found: str(int(found[0]) + shift_ms), text)
    (path.parent / "ALFAUSDT-1m-service.csv").write_text(moved)
    return path


def test_klines_of_a_service_are_held_to_the_exchange_s(tmp_path: Path) -> None:
    path = service(tmp_path / "gate")
    case = run_one(path)
    assert (case.status, messages(case)) == (GateStatus.GREEN, "")
    assert "compared 11 klines" in case.sentence
    replace_text(path.parent / "ALFAUSDT-1m-service.csv", "3151.50,145.447", "3151.60,145.447")
    case = run_one(path)
    assert case.status is GateStatus.RED
    assert "exchange 3151.5, ours 3151.6" in messages(case)


def test_nothing_of_a_service_compared_is_unknown(tmp_path: Path) -> None:
    case = run_one(service(tmp_path / "gate", 31 * 86_400_000))
    assert case.status is GateStatus.UNKNOWN, messages(case)


@pytest.mark.parametrize("line", ['trades = "trades.txt.gz"', 'intervals = "1m"', 'audit = "off"'])
def test_what_only_a_replay_knows_is_refused_beside_ours(line: str, tmp_path: Path) -> None:
    path = service(tmp_path / "gate")
    path.write_text(f"{OURS}{line}\n")
    with pytest.raises(UsageError, match=f"key {line.split()[0]}: expected nothing beside ours"):
        load_suite(path)
