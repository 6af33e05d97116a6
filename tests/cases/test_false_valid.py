"""Every input that once ended "every check is valid" though something in it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.made import FALSE_VALID
from tests.replays import UM_DAY, Ran, command, replay

AGGREGATES = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
# The folder, what is read beside it, the exit code, and what the sentence must say.
CASES: list[tuple[str, list[Path], int, str]] = [
    (
        "fv01",
        [UM_DAY / f"ALFAUSDT-{interval}-2024-05-15.zip" for interval in INTERVALS],
        1,
        "2,380 consistent",
    ),
    ("fv04", [AGGREGATES], 1, "unexplained"),
    ("fv06", [], 3, "compared 0 klines"),
    ("fv08", [], 3, "named for 1,440 klines and holds 30"),
    ("fv10", [], 1, "40 unexplained"),
    ("fv12", [], 3, "columns vol, quotevol, n, tb, tbq (names that are not known)"),
    ("fv14", [], 1, "2 unexplained"),
    ("fv17", [], 3, "0 final klines"),
]


def is_klines(path: Path) -> bool:
    return "rades" not in path.name


def replayed(folder: Path, name: str, more: list[Path]) -> Ran:
    files = [*sorted((FALSE_VALID / name).iterdir()), *more]
    klines = [path for path in files if is_klines(path)]
    trades = [path for path in files if not is_klines(path)]
    given: list[str | Path] = ["--klines", *klines] if klines else []
    return replay(folder / "run", *trades, *given, "--audit=off")


@pytest.mark.parametrize(("name", "more", "exit_code", "words"), CASES, ids=[c[0] for c in CASES])
def test_it_is_not_valid(
    tmp_path: Path, name: str, more: list[Path], exit_code: int, words: str
) -> None:
    ran = replayed(tmp_path, name, more)
    assert ran.exit_code == exit_code, ran.output
    assert words in ran.run["sentence"]
    assert "every check is valid" not in ran.run["sentence"]


def test_every_folder_has_its_test() -> None:
    # Aggregates beside raw trades are refused before a run: see test_files.
    folders = {path.name for path in FALSE_VALID.iterdir()}
    assert folders == {name for name, *_ in CASES} | {"fv02"}


def test_compare_and_gate_are_not_valid_either(tmp_path: Path) -> None:
    klines = FALSE_VALID / "fv06" / "ALFAUSDT-1m-2024-05-16.csv"
    ours = UM_DAY / "ALFAUSDT-1m-2024-05-15.zip"
    ran = command("compare", ours, "--klines", klines)
    assert ran.exit_code == 3
    assert "compared 0 klines" in ran.output
    suite = tmp_path / "suite.toml"
    suite.write_text(
        f'[[case]]\nname = "other-day"\ntrades = ["{AGGREGATES}"]\n'
        f'klines = ["{klines}"]\nintervals = ["1m"]\n',
        encoding="utf-8",
    )
    for words in ((), ("--update",)):
        ran = command("gate", suite, "--work", tmp_path / "work", *words)
        assert ran.exit_code == 3, ran.output
        assert "compared 0 klines" in ran.output
