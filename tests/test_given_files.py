"""Directories and quoted patterns in place of files: the same verdict as the files by name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from kline_harness.archives import files_given
from kline_harness.cli import run
from kline_harness.errors import UserError
from kline_harness.record_tables import INPUTS_FILE, read_rows

DAY = Path(__file__).resolve().parents[1] / "fixtures" / "um-day"
TRADES, KLINES = "BRAVOUSDT-aggTrades-2024-05-15.zip", "BRAVOUSDT-1h-2024-05-15.zip"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "data"
    (place / "klines").mkdir(parents=True)
    for name in (TRADES, f"{TRADES}.CHECKSUM"):
        shutil.copy(DAY / name, place)
    shutil.copy(DAY / KLINES, place / "klines")
    (place / "README.md").write_text("hello\n")
    return place


def replayed(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    capsys.readouterr()
    options = ["--intervals", "1h", "--no-report", "--force", "--json", "--out", "out"]
    code = run(["replay", *words, *options])
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == code
    return found


def test_a_directory_and_a_pattern_are_the_files_that_they_hold(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = replayed(capsys, f"data/{TRADES}", "--klines", f"data/klines/{KLINES}")
    assert named["verdict"] == "valid"
    assert "compared 24 klines" in str(named["sentence"])
    for words in (
        ["data"],
        ["data", "--klines", "data"],
        ["data/*.zip", "--klines", "data/klines/*"],
        ["data/**/*.zip"],
        ["data/*Trades*[0-9].zip", "--klines", "data/k*"],
    ):
        found = replayed(capsys, *words)
        assert (found["sentence"], found["comparison"]) == (
            named["sentence"],
            named["comparison"],
        ), words


def test_what_a_directory_holds_beside_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replayed(capsys, "data")
    lines = Path("out/findings.ndjson").read_text().splitlines()
    named = {
        row["evidence"]["file"]: row["evidence"]["holds"]
        for row in map(json.loads, lines)
        if row["kind"] == "file_without_klines"
    }
    assert named == {
        "README.md": "neither trades nor klines",
        f"{TRADES}.CHECKSUM": "neither trades nor klines",
    }


def test_compare_takes_directories_of_files_and_run_folders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replayed(capsys, "data")
    for ours in ("out", "data/klines", "data/klines/*.zip"):
        assert run(["compare", ours, "--klines", "data/klines"]) == 0, ours
        assert "24 identical" in capsys.readouterr().out


def test_a_run_folder_in_a_directory_is_nobodys_archive(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replayed(capsys, "data")
    shutil.move("out", folder / "run")
    files, _ = files_given([folder])
    assert [path.name for path in files] == [TRADES, KLINES]


def test_a_damaged_file_of_a_directory_is_refused_and_not_left_out(folder: Path) -> None:
    (folder / "more.zip").write_bytes((folder / TRADES).read_bytes()[:5000])
    with pytest.raises(UserError, match=r"more\.zip"):
        run(["replay", "data", "--out", "out"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["replay", "data/*.csv"], r"data/\*\.csv: expected a file or a pattern of files"),
        (["replay", "empty"], "empty: expected a directory with files of trades or klines"),
        (["explore", "empty"], "empty: expected a directory with files of trades or klines"),
        (["inspect", "data/*.csv"], r"data/\*\.csv: expected a file or a pattern of files"),
    ],
)
def test_nothing_there_is_bad_input(words: list[str], says: str, folder: Path) -> None:
    Path("empty").mkdir()
    with pytest.raises(UserError, match=says):
        run([*words, "--out", "out"] if words[0] != "inspect" else words)


def test_a_file_whose_name_is_a_pattern_is_that_file(folder: Path) -> None:
    odd = folder / "BRAVOUSDT-1h-[2024].zip"
    shutil.copy(DAY / KLINES, odd)
    assert run(["inspect", str(odd)]) == 0


def test_names_that_are_no_utf_8(folder: Path) -> None:
    """As of a disk that was written under another encoding; a replay wrote them and crashed."""
    names = [os.fsdecode(b"data/BRAVOUSDT-%s-\xe9.zip" % kind) for kind in (b"trades", b"1h")]
    for name, kind in zip(names, ("trades", "1h"), strict=True):
        shutil.copy(DAY / f"BRAVOUSDT-{kind}-2024-05-15.zip", name)
    words = ["replay", names[0], "--klines", names[1], "--intervals", "1h", "--no-report"]
    assert run([*words, "--out", "run"]) == 0
    assert [row["path"] for row in read_rows(Path("run"), INPUTS_FILE)] == [
        "BRAVOUSDT-trades-?.zip",
        "BRAVOUSDT-1h-?.zip",
    ]
    with pytest.raises(UserError, match="expected a path in UTF-8, found another encoding"):
        run([*words, "--out", os.fsdecode(b"r\xe9n")])
