"""A file that is read before anybody asked for it: the same trades, and the same errors."""

from __future__ import annotations

import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kline_harness.archives import open_trades
from kline_harness.archives.early_trades import EarlyTrades
from kline_harness.background import Begun
from kline_harness.columns import concat, same_rows
from kline_harness.errors import InputError

ROWS = 60_000


def rows_of(first: int, count: int) -> str:
    """Return lines of trades, one a millisecond."""
    ids = range(first, first + count)
    return "".join(f"{i},1.{i % 7}5,0.{i % 9 + 1},0.5,{1715731200000 + i},true\n" for i in ids)


def zipped(folder: Path, text: str) -> Path:
    """Return a zip, stored as it is, with a day's trades."""
    path = folder / "ALFAUSDT-trades-2024-05-15.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ALFAUSDT-trades-2024-05-15.csv", text)
    return path


def early(path: Path) -> EarlyTrades:
    """Return what reads a file with nothing else said of it."""
    return EarlyTrades(path, None, None, None)


def test_the_same_trades_come_and_the_next_pass_begins_anew(tmp_path: Path) -> None:
    path = zipped(tmp_path, rows_of(1, ROWS))
    expected = concat(list(open_trades(path).chunks()))
    with early(path) as reading:
        file = reading.take([path], None, None, None)
        assert file is not None
        assert reading.take([path], None, None, None) is None
    once, again = (concat(list(file.chunks())) for _ in range(2))
    assert len(once) == ROWS
    assert same_rows(once, expected)
    assert same_rows(again, expected)
    whole = open_trades(path)
    list(whole.chunks())
    assert file.info == whole.info
    assert file.equations == whole.equations


@pytest.mark.parametrize(
    "asked", [("BTCUSDT", None, None), (None, "um", None), (None, None, "100")]
)
def test_a_file_that_is_to_be_read_otherwise_is_not_taken(
    tmp_path: Path, asked: tuple[str | None, ...]
) -> None:
    path = zipped(tmp_path, rows_of(1, ROWS))
    with early(path) as reading:
        assert reading.take([path], *asked) is None  # type: ignore[arg-type]
        assert reading.take([path, path], None, None, None) is None
        assert reading.take([path], None, None, None) is not None


def test_what_was_not_taken_ends_with_the_block(tmp_path: Path) -> None:
    path = zipped(tmp_path, rows_of(1, ROWS))
    before = set(threading.enumerate())
    with early(path):
        pass
    assert set(threading.enumerate()) <= before


def test_with_other_files_beside_it_begins_again(tmp_path: Path) -> None:
    path = zipped(tmp_path, rows_of(1, ROWS))
    with early(path) as reading:
        file = reading.take([path], None, None, None)
    assert file is not None
    assert same_rows(concat(list(file.chunks(beside=3))), concat(list(open_trades(path).chunks())))


def test_a_bad_row_is_named_by_whoever_reads_it(tmp_path: Path) -> None:
    path = zipped(tmp_path, rows_of(1, ROWS) + "x,1,1,1,1715731300000,true\n")
    with pytest.raises(InputError) as expected:
        list(open_trades(path).chunks())
    with early(path) as reading:
        file = reading.take([path], None, None, None)
    assert file is not None
    with pytest.raises(InputError) as found:
        list(file.chunks())
    assert str(found.value) == str(expected.value)
    assert found.value.line == ROWS + 1


@pytest.mark.parametrize("text", ["", "nothing that is known\n" * 100_000, rows_of(1, 100)])
def test_small_files_and_others_are_left_to_whoever_opens_them(tmp_path: Path, text: str) -> None:
    path = zipped(tmp_path, text)
    with early(path) as reading:
        assert reading.take([path], None, None, None) is None
    with early(tmp_path / "none.zip") as reading:
        assert reading.take([tmp_path / "none.zip"], None, None, None) is None


def test_it_has_begun_before_the_replay_is_imported(tmp_path: Path) -> None:
    path = zipped(tmp_path, rows_of(1, ROWS))
    script = (
        "import sys, threading\n"
        "from kline_harness import cli\n"
        "begun, start = [], threading.Thread.start\n"
        "def noted(thread):\n"
        "    if thread.name == 'early':\n"
        "        begun.append('kline_harness.replay' not in sys.modules)\n"
        "    start(thread)\n"
        "threading.Thread.start = noted\n"
        "code = cli.run(sys.argv[1:])\n"
        "assert begun == [True], begun\n"
        "raise SystemExit(code)\n"
    )
    words = ["replay", str(path), "--out", str(tmp_path / "run"), "--audit", "off", "--no-report"]
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # The trades stop long before the day does, which is a doubt of its own.
    assert done.returncode == 3, done.stderr


def test_no_more_is_made_than_was_allowed() -> None:
    made, enough = list[int](), threading.Event()

    def source() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            if number == 3:
                enough.set()
            yield number

    begun = Begun(source(), 3)
    assert enough.wait(60)
    # Three wait, and the fourth is in the thread's hands.
    assert made == [0, 1, 2, 3]
    assert list(begun) == list(range(20))
