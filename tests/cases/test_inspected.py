"""What an inspection says of files that were given together, or put together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from tests.cases.made import (
    CASES,
    HOUR,
    MINUTE,
    START,
    candles,
    traded,
    write_klines,
    write_trades,
)
from tests.replays import UM_DAY, command, replay


def findings(*files: Path) -> dict[str, dict[str, Any]]:
    """Return the findings across files by their kind."""
    told = json.loads(command("inspect", *files, "--json").output)
    return {one["kind"]: one for verdict in told["across"] for one in verdict["findings"]}


def case(number: str, *names: str) -> list[Path]:
    return [CASES / f"case{number}" / name for name in names]


def test_klines_of_other_time_zones_have_no_common_time() -> None:
    names = ("FOXUSDT-1m.csv", "FOXUSDT-1m-utc8.csv", "FOXUSDT-1m-cet.csv")
    ran = command("inspect", *case("02", *names))
    assert ran.exit_code == 3
    assert "times_apart x 3" in ran.output
    told = "those of FOXUSDT-1m-utc8.csv are those of FOXUSDT-1m.csv 8 h later"
    assert told in ran.output


def test_trades_and_klines_of_no_common_time() -> None:
    ran = command("inspect", *case("02", "FOXUSDT-trades.csv", "FOXUSDT-1m-cet.csv"))
    assert ran.exit_code == 3
    assert "times_apart x 1" in ran.output


@pytest.mark.parametrize("later_ns", [2 * HOUR, -26 * HOUR, 45 * MINUTE])
def test_any_two_files_apart(tmp_path: Path, later_ns: int) -> None:
    rows = candles(traded(61))
    files = [
        write_klines(tmp_path / "GNUUSDT-1m.csv", rows),
        write_klines(tmp_path / "GNUUSDT_1m.csv", rows, later_ns=later_ns),
    ]
    found = findings(*files)
    assert found["times_apart"]["severity"] == "doubt"
    assert "later" in found["times_apart"]["evidence"]["examples"][0]["diagnosis"] or later_ns < 0


def test_other_markets_apart_are_not_called_a_shift(tmp_path: Path) -> None:
    one, other = candles(traded(62)), candles(traded(63, start_ns=START + 5 * HOUR))
    files = [
        write_klines(tmp_path / "GNUUSDT-1m.csv", one),
        write_klines(tmp_path / "GNUUSDT_1m.csv", other),
    ]
    assert "diagnosis" not in findings(*files)["times_apart"]["evidence"]["examples"][0]


def test_files_that_follow_each_other_are_valid(tmp_path: Path) -> None:
    rows = candles(traded(64))
    files = [
        write_klines(tmp_path / "GNUUSDT-1m.csv", rows[:6]),
        write_klines(tmp_path / "GNUUSDT_1m.csv", rows[6:]),
    ]
    assert command("inspect", *files).exit_code == 0


@pytest.mark.parametrize(
    ("name", "line"), [("FOXUSDT-1m-cat.csv", 5), ("FOXUSDT-trades-cat.csv", 26)]
)
def test_a_header_again(name: str, line: int) -> None:
    ran = command("inspect", *case("20", name))
    assert ran.exit_code == 1
    assert "header_again x 1" in ran.output
    assert f"line {line}," in ran.output


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_a_header_in_any_line(tmp_path: Path, cut: int) -> None:
    tape = traded(65)
    for path in (
        write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape)),
        write_trades(tmp_path / "GNUUSDT-trades.csv", tape),
    ):
        header, *rows = path.read_text().splitlines()
        path.write_text("\n".join([header, *rows[:cut], header, *rows[cut:]]) + "\n")
        ran = command("inspect", path)
        assert ran.exit_code == 1
        assert "header_again x 1" in ran.output
        assert f"line {cut + 2}," in ran.output


def test_a_first_row_that_was_taken_for_names() -> None:
    ran = command("inspect", *case("20", "FOXUSDT-1m-mangled.csv"))
    assert ran.exit_code == 1
    assert "line 1, expected a plain decimal number for close, found '61.39.1'" in ran.output


def test_trades_twice_in_a_file() -> None:
    ran = command("inspect", *case("22", "FOXUSDT-trades-doubled.csv"))
    assert ran.exit_code == 1
    assert "duplicate_ids x 17" in ran.output
    assert "ids_backwards x 1" in ran.output


def test_a_forming_row_beside_its_trades() -> None:
    ran = command("inspect", *case("23", "FOXUSDT-1m.csv", "FOXUSDT-trades.csv"))
    assert ran.exit_code == 3
    assert "volume_differs x 1" in ran.output


def test_klines_stamped_with_their_close_conflict() -> None:
    ran = command("inspect", *case("15", "FOXUSDT-1m.csv", "FOXUSDT-1m-closestamp.csv"))
    assert ran.exit_code == 1
    assert "versions_conflict x 11" in ran.output


@pytest.mark.parametrize(
    ("field", "text"), [("side", ""), ("price", "3000.01"), ("quantity", "999.999")]
)
@pytest.mark.parametrize("row", [0, 500, 10_422])
def test_an_aggregate_that_is_not_its_trades(
    tmp_path: Path, field: str, text: str, row: int
) -> None:
    with ZipFile(UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip") as packed:
        lines = packed.read(packed.namelist()[0]).decode().splitlines()
    values = lines[row + 1].split(",")
    place = {"price": 1, "quantity": 2, "side": 6}[field]
    values[place] = text or {"true": "false", "false": "true"}[values[place]]
    lines[row + 1] = ",".join(values)
    changed = tmp_path / "ALFAUSDT-aggTrades-2024-05-15.csv"
    changed.write_text("\n".join(lines) + "\n")
    found = findings(changed, UM_DAY / "ALFAUSDT-trades-2024-05-15.zip")
    (example,) = found["aggregate_differs"]["evidence"]["examples"]
    assert (example["trade_id"], example["fields"]) == (int(values[0]), [field])


def test_trades_beside_klines_of_other_symbols(tmp_path: Path) -> None:
    case02, case03 = CASES / "case02", CASES / "case03"
    trades, klines = case02 / "FOXUSDT-trades.csv", case02 / "FOXUSDT-1m.csv"
    other = case03 / "HENUSDT-1m.csv"
    alone = command("inspect", trades, other)
    assert alone.exit_code == 3
    assert "symbol_without_klines" in alone.output
    both = command("inspect", trades, klines, other)
    assert both.exit_code == 0


@pytest.mark.parametrize(
    ("trades_of", "klines_of"),
    [((0, 20), (0, 30)), ((10, 30), (0, 30)), ((8, 22), (0, 30)), ((0, 30), (5, 20))],
)
def test_what_replay_does_not_compare_is_no_more_compared_by_inspect(
    tmp_path: Path, trades_of: tuple[int, int], klines_of: tuple[int, int]
) -> None:
    tape = traded(66, minutes=30)
    times = [START + minute * MINUTE for minute in trades_of]
    some = [one for one in tape if times[0] <= one.time_ns < times[1]]
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", some)
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape)[slice(*klines_of)])
    options = ("--intervals=1m", "--audit=off")
    ran = replay(tmp_path / "run", trades, "--klines", klines, *options)
    assert ran.exit_code == 3
    doubts = {
        one["reason"]: one["sentence"]
        for one in ran.run["comparison"]["not_compared"]
        if one["reason"] in ("beyond_trades", "beyond_klines")
    }
    found = findings(trades, klines)
    assert doubts
    assert {
        kind: one["evidence"]["examples"][0]["sentence"] for kind, one in found.items()
    } == doubts
    assert command("inspect", trades, klines).exit_code == 3


def test_klines_that_the_names_put_on_other_days_were_not_meant(tmp_path: Path) -> None:
    """A folder of two days of klines and one of trades has nothing that is wrong with it."""
    midnight = START // (24 * HOUR) * 24 * HOUR
    day = traded(67, start_ns=midnight, minutes=24 * 60, per_minute=1)
    later = traded(68, start_ns=midnight + 24 * HOUR, minutes=24 * 60, per_minute=1)
    files = [
        write_trades(tmp_path / "GNUUSDT-trades-2024-07-18.csv", day),
        write_klines(tmp_path / "GNUUSDT-1h-2024-07-18.csv", candles(day, "1h")),
        write_klines(tmp_path / "GNUUSDT-1h-2024-07-19.csv", candles(later, "1h")),
    ]
    assert command("inspect", *files).exit_code == 0


def test_what_only_all_files_together_show(tmp_path: Path) -> None:
    """Each of three files lacks three single ids, and has takers on one side alone."""
    tape = [replace(one, buyer_is_maker=True) for one in traded(69, minutes=15, per_minute=4)]
    files = [
        write_trades(
            tmp_path / f"{name}-trades.csv",
            (one for k, one in enumerate(tape[start : start + 20]) if k % 7 != 3),
        )
        for name, start in (("GNUUSDT", 0), ("GNUUSDT_", 20), ("GNUUSDT__", 40))
    ]
    alone = command("inspect", files[0], "--symbol", "GNUUSDT")
    assert alone.exit_code == 0, alone.output
    told = json.loads(command("inspect", *files, "--symbol", "GNUUSDT", "--json").output)
    found = {one["kind"]: one for verdict in told["across"] for one in verdict["findings"]}
    assert found["many_lone_ids_missing"]["evidence"]["count"] == 9
    assert found["maker_never_changes"]["evidence"]["examples"][0]["trades"] == 51
    ran = replay(tmp_path / "run", *files, "--symbol=GNUUSDT", "--intervals=1m", "--audit=off")
    assert ran.exit_code == 3
