"""Whatever stands in a scenario or a suite is taken, or refused in one sentence."""

from __future__ import annotations

import copy
import json
import math
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kline_harness.errors import UserError
from kline_harness.faults.catalogue import CATALOGUE
from kline_harness.gate import load_suite
from kline_harness.klagg.options import KlaggOptions
from kline_harness.klagg.ticker import Ticker
from kline_harness.replay.decode import keys_of
from kline_harness.replay.scenario import Scenario

from tests.replays import UM_DAY, UM_STREAM, replay

START_NS = 1_715_731_200_000_000_000
STREAM = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
CRASHES = UM_DAY.parent / "cases" / "crashes"
WINDOW = {"from": START_NS, "until": START_NS + 10_000_000_000}
ROW = {"symbol": "AAAUSDT", "intervals": ["1m"], "open_time": START_NS - 60_000_000_000}
ROW |= dict.fromkeys(("open", "high", "low", "close"), "1")
# A scenario that has every table, and what each fault needs.
WHOLE: dict[str, Any] = {
    "aggregator": "klagg",
    "expectations": False,
    "clock": {"missed": [WINDOW]},
    "loop": {"busy": [WINDOW]},
    "outages": [WINDOW],
    "commands": [{"at": START_NS + 30_000_000_000, "add": "BBBUSDT"}],
    "klagg": {"database": [ROW]},
    "gateway": {"reader_stalls": [WINDOW]},
    "snapshots": {},
    "channels": {},
    "writer": {},
    "listeners": {"writer": {"stalls": [WINDOW]}},
    "columns": {"columns": {"price": "p", "quantity": "q", "time": "t"}},
    "faults": [
        {"kind": name} | {key: value for key, value in needs.items() if key in keys}
        for name, kind in CATALOGUE.items()
        for keys in [{field.name.removesuffix("_ns") for field in fields(kind)}]
        for needs in [WINDOW | {"at": WINDOW["from"], "restart": WINDOW["until"]}]
    ],
}
NAIVE = datetime(2024, 5, 15, tzinfo=UTC).replace(tzinfo=None)
WORDS = ["", "x", "-1", "1.5", "writer", "exact", "nan", "1e400", "1ns", "1h", "99999999d", "\0"]
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([-1, 0, 1, START_NS, 2**62, 2**63, 10**20, 10**400]),
    st.floats(),
    st.sampled_from(WORDS),
    st.sampled_from([NAIVE, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["kind", "from", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def paths(table: Any, kind: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every key that a table of a dataclass may have."""
    found: list[tuple[Any, ...]] = []
    for key, hint in hints_of(kind).items():
        found.append((*place, key))
        value = table.get(key)
        for inner in (hint, *get_args(hint)):
            if not is_dataclass(inner) or key == "faults":
                continue
            if key == "listeners":
                found += paths(value["writer"], inner, (*place, key, "writer"))
            elif isinstance(value, dict):
                found += paths(value, inner, (*place, key))
            elif isinstance(value, list) and isinstance(value[0], dict):
                found += paths(value[0], inner, (*place, key, 0))
    return found


def hints_of(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    # What a subject declares is no key of a file but its own fields are.
    return {key: hints[name] for key, name in keys_of(kind).items()}


PATHS = paths(WHOLE, Scenario) + paths(WHOLE, KlaggOptions)
PATHS += [("commands", 0, key) for key in keys_of(Ticker)]
PATHS += [
    ("faults", number, key)
    for number, fault in enumerate(WHOLE["faults"])
    for key in ("kind", *hints_of(CATALOGUE[fault["kind"]]))
]


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value)


def write(path: Path, table: dict[str, Any]) -> Path:
    text = "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in table.items())
    path.write_text(text, encoding="utf-8")
    return path


def test_the_paths_go_everywhere() -> None:
    for path in (("klagg", "database", 0, "open"), ("listeners", "writer", "stalls", 0, "from")):
        assert path in PATHS
    assert len(PATHS) > 200


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), value=VALUES)
def test_a_scenario_is_taken_or_refused(path: tuple[Any, ...], value: Any, tmp_path: Path) -> None:
    from kline_harness.replay.scenario_file import load_scenario

    table = copy.deepcopy(WHOLE)
    inner: Any = table
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    file = write(tmp_path / "scenario.toml", table)
    with suppress(UserError):
        scenario = load_scenario(file)
        scenario.to_dict()
        scenario.signal_options()


SUITE_KEYS = ("baseline", "max_ratio", "case")
CASE_KEYS: tuple[str, ...] = (
    "name",
    "trades",
    "klines",
    "intervals",
    "aggregator",
    "scenario",
    "verdict",
)
CASE_KEYS += ("allow", "audit", "market", "symbol")
PATTERNS = ["**", "a/**b", "[", "/", "/etc/passwd", "..", "../..", "~", "x" * 300, "\0", "s.csv/x"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=st.sampled_from([*SUITE_KEYS, *CASE_KEYS]),
    value=VALUES | st.sampled_from(PATTERNS) | st.lists(st.sampled_from(PATTERNS), min_size=1),
)
@example(key="max_ratio", value=10**400)
def test_a_suite_is_taken_or_refused(key: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "s.csv").touch()
    suite: dict[str, Any] = {"case": [{"name": "a", "trades": "s.csv"}]}
    (suite if key in SUITE_KEYS else suite["case"][0])[key] = value
    file, refused = write(tmp_path / "suite.toml", suite), ""
    try:
        assert load_suite(file).cases
    except UserError as error:
        refused = str(error)
    assert not refused or str(file) in refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ((CRASHES / "capacity.toml").read_text(), "channels.klines: expected a value from"),
        ((CRASHES / "fault-kind-list.toml").read_text(), "faults[0].kind: expected one of"),
        ((CRASHES / "max-symbols.toml").read_text(), "klagg.max_symbols: expected a value from"),
        ((CRASHES / "no-intervals.toml").read_text(), "intervals: expected at least one"),
        ((CRASHES / "period-1ns.toml").read_text(), "clock: expected a period of at least 1ms"),
        (
            'aggregator="klagg"\n[gateway]\npull_period="2ns"\npull_timeout="1ns"\n',
            "expected a pull_period of at least",
        ),
        ('[clock]\nmissed=[{until="2s"}]\n', "clock.missed[0]: missing key from"),
        ('[[faults]]\nkind="drop_trades"\nrate=nan\n', "rate: expected a finite number, found nan"),
        ('[[faults]]\nkind="drop_trades"\nrate=1e400\n', "rate: expected a finite number"),
        ('[[faults]]\nkind="ticks_missed"\nrate=-0.5\n', "rate: expected a value from 0 to 1"),
        ('[listeners.writer]\nservice="2d"\n', "listeners.writer.service: expected a value from"),
        (
            '[[faults]]\nkind="consumer_stalled"\nfrom="2s"\nuntil="1s"\n',
            "faults[0]: expected a window that ends after it begins",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(
    text: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "scenario.toml").write_text(text)
    ran = replay(tmp_path / "out" / "run", STREAM, "--scenario", tmp_path / "scenario.toml")
    assert ran.exit_code == 2
    assert said in ran.output
    assert list((tmp_path / "out").iterdir()) == []


def test_a_name_of_a_file_that_is_too_long() -> None:
    with pytest.raises(UserError, match=r"key trades: .*File name too long"):
        load_suite(CRASHES / "suite-long-name.toml")
