"""`report` on run folders that somebody changed: one sentence that names the file, exit code 2."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness import cli
from kline_harness.exit_codes import run_to_exit

from tests.cases.made import candles, traded, write_klines, write_trades
from tests.replays import replay

SCENARIO = """
[[outages]]
from = 2024-07-18T21:53:00Z
until = 2024-07-18T21:54:00Z
[[faults]]
kind = "drop_trades"
rate = 0.1
"""
WRONG: list[Any] = [None, 5, -1, 1.5, "x", [], {}, [5], {"a": 5}, True, [None], [{}]]
PARQUETS = (
    "differences.parquet",
    "timeline.parquet",
    "ledger.parquet",
    "inputs.parquet",
    "compared.parquet",
    "not_compared.parquet",
    "klines/part-00000.parquet",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with differences, faults, lags and everything else that a page shows."""
    folder = tmp_path_factory.mktemp("whole")
    tape = traded(81)
    trades = write_trades(folder / "GNUUSDT-trades.csv", tape)
    klines = write_klines(folder / "GNUUSDT-1m.csv", candles(tape)[:9])
    scenario = folder / "s.toml"
    scenario.write_text(SCENARIO)
    words = ("--klines", klines, "--intervals=1m,3m", "--scenario", scenario)
    return replay(folder / "run", trades, *words, quick=False).folder


def reported(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = run_to_exit(lambda: cli.run(["report", str(folder)]))
    return code, capsys.readouterr().err


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def members(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of all members of an object, of lists those of the first item."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))[:1]
    return [path, *(place for key, one in inner for place in members(one, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    value = json.loads(json.dumps(value))
    place = value
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return value


def test_a_run_without_checks_that_are_a_list(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**run, "checks": None}))
    assert reported(copy, capsys) == (
        2,
        f"error: {copy / 'run.json'}: expected a list for checks, found null\n",
    )


@pytest.mark.parametrize("seed", range(2))
def test_any_member_of_any_type_is_a_page_or_a_sentence(
    copy: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    rng = Random(seed)
    run = json.loads((copy / "run.json").read_text())
    places = [place for place in members(run) if place]
    told = 0
    for _ in range(12):
        place, new = rng.choice(places), rng.choice(WRONG)
        (copy / "run.json").write_text(json.dumps(changed(run, place, new)))
        code, error = reported(copy, capsys)
        assert code in (0, 2), (place, new, error)
        if code == 2:
            told += 1
            assert error.count("\n") == 1
            assert "run.json: expected" in error
            assert str(place[0]) in error
    assert told


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *((name, lambda data: data[: len(data) // 2]) for name in PARQUETS),
        *((name, lambda data: b"") for name in PARQUETS),
        ("findings.ndjson", lambda data: data[: len(data) // 2 + 3]),
        ("findings.ndjson", lambda data: data + b"\xff\xfe\n"),
        ("findings.ndjson", lambda data: data + b"[1]\n"),
        ("findings.ndjson", lambda data: data + b'{"check": 3}\n'),
        ("expectations.json", lambda data: data[:-20]),
        ("expectations.json", lambda data: b'{"expectations": 5}'),
        ("run.json", lambda data: data[:-20]),
        ("run.json", lambda data: b"\x00" * 40),
    ],
)
def test_a_damaged_file_is_named(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    change: Callable[[bytes], bytes],
) -> None:
    path = copy / name
    path.write_bytes(change(path.read_bytes()))
    code, error = reported(copy, capsys)
    assert (code, error.count("\n")) == (2, 1), error
    assert name.partition("/")[0] in error


@pytest.mark.parametrize("name", PARQUETS)
def test_a_column_of_another_type_is_a_sentence(
    copy: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    table = pq.read_table(copy / name)
    for place, column in enumerate(table.schema):
        texts = pa.array(["odd"] * table.num_rows, pa.string())
        other = texts if pa.types.is_integer(column.type) else pa.array([[1]] * table.num_rows)
        pq.write_table(table.set_column(place, column.name, other), copy / name)
        code, error = reported(copy, capsys)
        assert code in (0, 2), (column.name, error)
        assert code == 0 or name.partition("/")[0] in error


def test_what_is_wrong_with_the_page_itself_is_a_crash(
    copy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("kline_harness.report.page.summarise", fails)
    code, error = reported(copy, capsys)
    assert code == 70
    assert "a defect of kline-harness" in error
