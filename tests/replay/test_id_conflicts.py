"""Two rows of one trade id that do not say the same: one of them is none of the exchange's."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.replays import UM_DAY, Ran, replay

NAME = "ALFAUSDT-aggTrades-2024-05-15"
AT = 5_000


def lines() -> list[str]:
    with zipfile.ZipFile(UM_DAY / f"{NAME}.zip") as archive:
        return archive.read(archive.namelist()[0]).decode().splitlines()


def replayed(folder: Path, rows: list[str], *words: str | Path) -> Ran:
    file = folder / f"{NAME}.csv"
    file.write_text("\n".join(rows) + "\n")
    return replay(folder / "run", file, "--intervals", "1m", "--audit", "off", *words)


def with_copy(column: int, value: str, after: int) -> tuple[list[str], str]:
    """Return the day with a row's copy, one cell of it changed, so many rows later."""
    rows = lines()
    cells = rows[AT].split(",")
    cells[column] = value
    return [*rows[: AT + after], ",".join(cells), *rows[AT + after :]], cells[0]


@pytest.mark.parametrize(
    ("column", "value", "after"),
    [(1, "9999.99", 1), (2, "0.001", 1), (5, "1715767200001", 1), (1, "9999.99", 3)],
)
def test_another_content_is_a_doubt(column: int, value: str, after: int, tmp_path: Path) -> None:
    rows, trade_id = with_copy(column, value, after)
    ran = replayed(tmp_path, rows)
    assert ran.exit_code == 3
    [found] = [one for one in ran.findings() if one["kind"] == "duplicate_conflict"]
    assert found["severity"] == "doubt"
    assert trade_id in found["evidence"]["sentence"]


def test_the_same_content_again_is_none(tmp_path: Path) -> None:
    rows = lines()
    ran = replayed(tmp_path, [*rows[: AT + 1], *rows[AT : AT + 3], *rows[AT + 1 :]])
    assert "duplicate_conflict" not in [one["kind"] for one in ran.findings()]


def test_klines_that_bear_the_trades_out_leave_a_notice(tmp_path: Path) -> None:
    rows, _ = with_copy(1, "9999.99", 1)
    ran = replayed(tmp_path, rows, "--klines", UM_DAY / "ALFAUSDT-1m-2024-05-15.zip")
    assert ran.exit_code == 0
    [found] = [one for one in ran.findings() if one["kind"] == "duplicate_conflict"]
    assert found["severity"] == "notice"
