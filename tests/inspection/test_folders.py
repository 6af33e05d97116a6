"""A folder of files of twenty kinds, inspected from outside: one row each, whatever they are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
DAY = FIXTURES / "um-day"
ARCHIVE, KLINES = "ALFAUSDT-aggTrades-2024-05-15.zip", "ALFAUSDT-1h-2024-05-15.zip"
BOOK = (
    "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
)
# What a file holds, as the command says, and the verdict of its row.
NOT_KNOWN, OTHER, BROKEN, SOUND = "not known", "another kind", "broken", "sound"
CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", OTHER),
    "bookTicker.csv": (f"{BOOK}\n1,2,3,4,5,1715731200000,1715731200000\n".encode(), OTHER),
    "metrics.csv": (b"create_time,symbol,sum_open_interest\n2024-05-15 00:05:00,X,1\n", OTHER),
    "funding.csv": (b"calc_time,funding_interval_hours,last_funding_rate\n1,8,0.1\n", OTHER),
    "sums.CHECKSUM": (b"ab" * 32 + b"  x.zip\n", OTHER),
    "README.md": (b"hello\n", NOT_KNOWN),
    "notes.txt": (b"two\nlines\n", NOT_KNOWN),
    "picture.png": (b"\x89PNG\r\n\x1a\n\0\0\0", NOT_KNOWN),
    "object.json": (b'{"a": 1}', NOT_KNOWN),
    "list.json": (b"[]", NOT_KNOWN),
    "half.json": (b'{"a": ', NOT_KNOWN),
    "table.csv": (b"a,b,c\n1,2,3\n", NOT_KNOWN),
    "latin.csv": ("é,b\n1,2\n".encode("latin1"), NOT_KNOWN),
    "blank.csv": (b"\n\n", NOT_KNOWN),
    "map.toml": (b'price = "px"\n', NOT_KNOWN),
    "noise.bin": (bytes(range(256)) * 9, NOT_KNOWN),
    ".hidden": (b"\0", NOT_KNOWN),
    "cut.zip": (b"PK\x03\x04rubbish", BROKEN),
    "cut.gz": (b"\x1f\x8bxx", BROKEN),
    "cut.parquet": (b"PAR1xxxx", BROKEN),
    "X-trades-2024-05-15.csv": (b"rubbish\n", BROKEN),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "files"
    (root / "within").mkdir(parents=True)
    for name, (content, _) in CONTENTS.items():
        (root / name).write_bytes(content)
    for name in (ARCHIVE, f"{ARCHIVE}.CHECKSUM"):
        shutil.copy(DAY / name, root / name)
    shutil.copy(DAY / KLINES, root / "within" / KLINES)
    pq.write_table(pa.table({"x": [1, 2]}), root / "mine.parquet")
    with zipfile.ZipFile(root / "two.zip", "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "2")
    os.symlink("/nowhere", root / "dangling.csv")
    os.mkfifo(root / "pipe")
    return root


def inspect(*words: object) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, "-m", "kline_harness", "inspect", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stdout + ran.stderr


def rows(*words: object) -> dict[str, dict[str, Any]]:
    _, output = inspect("--json", *words)
    files = json.loads(output)["files"]
    found = {row["file"]: row for row in files}
    assert len(found) == len(files)
    return found


def test_a_folder_of_twenty_kinds_has_a_row_for_each_file(folder: Path) -> None:
    expected = {name: kind for name, (_, kind) in CONTENTS.items()}
    expected |= dict.fromkeys(("mine.parquet", "two.zip", "dangling.csv", "pipe"), NOT_KNOWN)
    expected |= {ARCHIVE: SOUND, KLINES: SOUND, f"{ARCHIVE}.CHECKSUM": OTHER}
    found = rows(folder)
    assert set(found) == set(expected)
    for name, kind in expected.items():
        row = found[name]
        known = (row["other_kind"] or "").partition(":")[0]
        assert row["verdict"] == {SOUND: "valid", BROKEN: "invalid"}.get(kind, "not looked at"), (
            name
        )
        assert (known == "not known") is (kind == NOT_KNOWN), name
        assert bool(known) is (kind in (OTHER, NOT_KNOWN)), name
    assert found[ARCHIVE]["checksum"] == "match"
    code, output = inspect(folder)
    assert code == 1
    assert output.splitlines()[-1].endswith("; 22 of 28 files were not looked at")


def test_the_files_of_a_glob_are_those_of_the_folder(folder: Path) -> None:
    assert rows(*sorted(folder.iterdir())) == rows(folder)


def test_what_is_not_known_changes_no_verdict_of_the_others(folder: Path) -> None:
    for name, (_, kind) in CONTENTS.items():
        if kind == BROKEN:
            (folder / name).unlink()
    code, output = inspect(folder)
    assert (code, output.splitlines()[-1]) == (
        0,
        "valid: nothing is wrong with what was looked at; 22 of 24 files were not looked at",
    )
    (folder / ARCHIVE).unlink()
    (folder / "within" / KLINES).unlink()
    code, output = inspect(folder)
    assert (code, output.splitlines()[-1]) == (
        3,
        "unknown: nothing is known of what was given; 22 of 22 files were not looked at",
    )


def test_a_checksum_is_held_against_files_that_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "book.csv"
    path.write_bytes(CONTENTS["bookTicker.csv"][0])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for stated, word in ((digest, "match"), ("ab" * 32, "mismatch")):
        (tmp_path / "book.csv.CHECKSUM").write_text(f"{stated}  book.csv\n")
        assert rows(path)["book.csv"]["checksum"] == word


def test_a_name_that_nothing_has_and_an_empty_folder_are_bad_input(tmp_path: Path) -> None:
    assert inspect(tmp_path / "nowhere.csv", DAY / KLINES)[0] == 2
    (tmp_path / "empty").mkdir()
    code, output = inspect(tmp_path / "empty")
    assert (code, "expected a directory with files, found none" in output) == (2, True)


def test_an_empty_folder_among_files_is_a_row_of_its_own(tmp_path: Path) -> None:
    """What a shell makes of * names folders, too."""
    shutil.copy(DAY / KLINES, tmp_path / KLINES)
    (tmp_path / "empty").mkdir()
    found = rows(tmp_path / "empty", tmp_path / KLINES)
    assert found["empty"]["verdict"] == "not looked at"
    assert found["empty"]["other_kind"] == "a directory without files"
    assert found[KLINES]["verdict"] == "valid"


def test_klines_stored_by_a_run_are_not_looked_at_and_said_as_such(tmp_path: Path) -> None:
    """A part holds every symbol and interval, which is no fault of it."""
    trades = [str(DAY / f"{name}USDT-aggTrades-2024-05-15.zip") for name in ("ALFA", "BRAVO")]
    folder = tmp_path / "run"
    options = ["--intervals", "1h", "--no-report", "--quiet", "--out", str(folder)]
    replayed = subprocess.run(
        [sys.executable, "-m", "kline_harness", "replay", *trades, *options], check=False
    )
    assert replayed.returncode == 0
    for given in (folder / "klines", folder / "klines" / "part-00000.parquet"):
        done = subprocess.run(
            [sys.executable, "-m", "kline_harness", "inspect", str(given)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "klines stored by a run" in done.stdout
        assert "broken" not in done.stdout
        assert done.returncode == 3
