"""A user's subject declares tables, commands, consumers and checks as the built-in ones do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import kline_harness as kh
import pytest

from tests.replays import UM_STREAM, replay

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
FILE = Path(__file__).with_name("declared.py")
TEXT = """\
expectations = false
intervals = ["1m"]
comment = "a key of its own"

[limits]
klines_max = {most}
wait = "1s"

[listeners.opened]
service = "1ms"

[[commands]]
at = 2024-05-15T11:57:00Z
add = "NEWAUSDT"
board = "second"
"""


def ran(tmp_path: Path, text: str, name: str = "Declared") -> Any:
    (tmp_path / "scenario.toml").write_text(text)
    options = ("--scenario", tmp_path / "scenario.toml", "--aggregator", f"{FILE}:{name}")
    return replay(tmp_path / "run", TRADES, *options)


def record(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "run" / "run.json").read_text())
    return content


def checks(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in record(tmp_path)["checks"]}


@pytest.mark.parametrize(("most", "code"), [(1_000, 0), (3, 1)])
def test_its_table_its_consumer_and_its_check_are_part_of_the_run(
    most: int, code: int, tmp_path: Path
) -> None:
    assert ran(tmp_path, TEXT.format(most=most)).exit_code == code
    found, scenario = checks(tmp_path), record(tmp_path)["scenario"]
    assert found["limits"]["verdict"] == ("valid" if code == 0 else "invalid")
    assert found["limits"]["counts"]["boards"] == 1
    published = {one["name"]: one["published"] for one in record(tmp_path)["channels"]}
    assert found["opened"]["counts"] == {"events": published["lifecycle"]}
    assert published["lifecycle"] > 0
    assert scenario["limits"] == {"klines_max": most, "wait_ns": 1_000_000_000}
    assert scenario["comment"] == "a key of its own"
    assert scenario["commands"][0]["board"] == "second"
    assert record(tmp_path)["changed_options"]["limits"]["wait_ns"] == 1_000_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[limits]\nkline_max = 3", "limits: unknown key 'kline_max': expected one of klines_max"),
        ("[limits]\nwait = 'long'", "limits.wait: expected a duration"),
        ("[limit]\n", "unknown key 'limit'"),
        ("[[commands]]\nat = 5\nadd = 'A'\nboard = 3", "commands[0].board: expected text"),
        ("[listeners.closed]\nservice = '1ms'", "unknown consumer 'closed': expected one of "),
    ],
)
def test_what_does_not_fit_its_tables_is_refused(text: str, says: str, tmp_path: Path) -> None:
    found = ran(tmp_path, text)
    assert found.exit_code == 2
    assert says in " ".join(found.output.split())
    assert not (tmp_path / "run").exists()


def test_a_watch_that_fails_is_unknown_and_the_run_goes_on(tmp_path: Path) -> None:
    assert ran(tmp_path, "expectations = false", "Failing").exit_code == 3
    assert checks(tmp_path)["limits"]["verdict"] == "unknown"
    assert "out of ink" in (tmp_path / "run" / "findings.ndjson").read_text()
    assert checks(tmp_path)["ledger"]["verdict"] == "valid"


def test_a_check_under_anothers_id_is_refused(tmp_path: Path) -> None:
    found = ran(tmp_path, "expectations = false", "Clashing")
    assert found.exit_code == 2
    assert "found 'ledger', which another one has" in " ".join(found.output.split())


def test_an_object_is_taken_with_what_belongs_to_it() -> None:
    from tests.aggregators.declared import Declared, Limits

    few = Declared(Limits(klines_max=3))
    run = kh.replay(TRADES, aggregator=few, intervals="1m", expectations=False)
    assert {one.check: one.validity.value for one in run.checks}["limits"] == "invalid"
    run = kh.replay(TRADES, aggregator=Declared, intervals="1m", expectations=False)
    assert {one.check: one.validity.value for one in run.checks}["limits"] == "valid"
