"""Klines stamped with their end, a zip of two tables, tables put together with cat: users' runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.made import CASES
from tests.replays import command, replay


def test_klines_stamped_with_their_end_are_told_as_such(tmp_path: Path) -> None:
    folder = CASES / "case15"
    stamped = folder / "FOXUSDT-1m-closestamp.csv"
    words = ("--klines", stamped, "--intervals", "1m")
    ran = replay(tmp_path / "run", folder / "FOXUSDT-trades.csv", *words)
    assert ran.exit_code == 1
    assert "11 unexplained" in ran.run["sentence"]
    assert "stamped with their close" in ran.run["sentence"]
    compared = command("compare", folder / "FOXUSDT-1m.csv", "--klines", stamped)
    assert compared.exit_code == 1
    assert "stamped with their close" in compared.output


def test_a_zip_of_two_tables_is_refused_with_both_named(tmp_path: Path) -> None:
    (path,) = (CASES / "case19").glob("*.zip")
    names = (
        "FOXUSDT-aggTrades-2018-01.csv",
        "data/spot/monthly/aggTrades/FOXUSDT/FOXUSDT-aggTrades-2018-01.csv",
    )
    ran = replay(tmp_path / "run", path)
    assert ran.exit_code == 2
    assert f"expected one data file in the zip, found 2: {', '.join(names)}" in ran.output
    inspected = command("inspect", path)
    assert inspected.exit_code == 1
    assert all(name in inspected.output.replace("\n", "") for name in names)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("FOXUSDT-1m-cat.csv", ("header_again", "line 5", "found 'open_time'")),
        ("FOXUSDT-trades-cat.csv", ("header_again", "line 26", "found 'id'")),
        ("FOXUSDT-1m-mangled.csv", ("line 1", "for close", "found '61.39.1'")),
    ],
)
def test_a_table_put_together_is_named_by_its_line(name: str, says: tuple[str, ...]) -> None:
    ran = command("inspect", CASES / "case20" / name)
    assert ran.exit_code == 1
    assert [word for word in says if word not in ran.output] == []
