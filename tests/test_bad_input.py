"""Whatever is wrong with the input: one sentence, exit code 2, nothing left half-written."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from kline_harness.cli import run
from kline_harness.errors import UserError

from tests.replays import UM_DAY, UM_STREAM, Ran, replay

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
GOOD = "1,100.5,2,1,1,1715731200001,true"


def csv(*rows: str, header: str = HEADER) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "AAAUSDT-aggTrades-2024-05-15.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


def empty(folder: Path) -> Path:
    path = folder / "AAAUSDT-aggTrades-2024-05-15.csv"
    path.touch()
    return path


def truncated_zip(folder: Path) -> Path:
    path = folder / "ALFAUSDT-aggTrades-2024-05-15.zip"
    whole = (UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def wrong_crc(folder: Path) -> Path:
    path = folder / "AAAUSDT-aggTrades-2024-05-15.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("AAAUSDT-aggTrades-2024-05-15.csv", f"{HEADER}\n{GOOD}\n")
    path.write_bytes(path.read_bytes().replace(b"100.5", b"100.6"))
    return path


def directory(folder: Path) -> Path:
    path = folder / "AAAUSDT-aggTrades-2024-05-15.csv"
    path.mkdir()
    return path


def forbidden(folder: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may read every file")
    path = csv(GOOD)(folder)
    path.chmod(0)
    return path


def not_csv(folder: Path) -> Path:
    path = folder / "AAAUSDT-aggTrades-2024-05-15.csv"
    path.write_bytes(bytes(range(256)) * 8)
    return path


CASES: dict[str, Callable[[Path], Path]] = {
    "empty file": empty,
    "truncated zip": truncated_zip,
    "wrong crc": wrong_crc,
    "missing column": csv("1,100.5,2,1,1,1715731200001", header=HEADER.rsplit(",", 1)[0]),
    "NaN": csv(GOOD, "2,NaN,2,2,2,1715731200002,true"),
    "infinity": csv(GOOD, "2,inf,2,2,2,1715731200002,true"),
    "negative": csv(GOOD, "2,-1.5,2,2,2,1715731200002,true"),
    "30 digits": csv(GOOD, "2,123456789012345678901234567890,2,2,2,1715731200002,true"),
    "mixed units": csv(GOOD, "2,100.5,2,2,2,1715731200002000,true"),
    "not CSV": not_csv,
    "short row": csv(GOOD, "2,100.5,2"),
    "a directory": directory,
    "no permission": forbidden,
    "not there": lambda folder: folder / "AAAUSDT-aggTrades-2024-05-15.csv",
    "header only": csv(),
}


def assert_told_in_one_sentence(ran: Ran, named: str) -> None:
    assert ran.exit_code == 2
    assert ran.output.startswith("error: ")
    assert ran.output.strip().count("\n") == 0
    assert "Traceback" not in ran.output
    assert named in ran.output
    left = [path.name for path in ran.folder.parent.iterdir()]
    assert left == []


@pytest.mark.parametrize("case", CASES)
def test_bad_trades(case: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    path = CASES[case](tmp_path / "in")
    ran = replay(tmp_path / "out" / "run", path, "--audit", "off")
    assert_told_in_one_sentence(ran, path.name)


@pytest.mark.parametrize("case", ["NaN", "negative", "30 digits", "mixed units", "short row"])
def test_a_bad_row_is_named_by_its_line(case: str, tmp_path: Path) -> None:
    ran = replay(tmp_path / "out" / "run", CASES[case](tmp_path), "--audit", "off")
    assert "line 3" in ran.output


def test_bad_klines(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    path = tmp_path / "ALFAUSDT-1m-2024-05-15.csv"
    path.write_text("1715731200000,1,2,abc,1,1,1715731259999,1,1,1,1,0\n")
    trades = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
    ran = replay(tmp_path / "out" / "run", trades, "--klines", path, "--audit", "off")
    assert_told_in_one_sentence(ran, "ALFAUSDT-1m-2024-05-15.csv, line 1")


def test_two_files_of_the_same_trades(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    files = [UM_DAY / f"ALFAUSDT-{kind}-2024-05-15.zip" for kind in ("aggTrades", "trades")]
    ran = replay(tmp_path / "out" / "run", *files, "--audit", "off")
    assert_told_in_one_sentence(ran, "both hold ALFAUSDT trades")


def test_a_wrong_choice(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    trades = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
    for words in (("--audit", "half"), ("--intervals", "7m"), ("--aggregator", "magic")):
        ran = replay(tmp_path / "out" / "run", trades, *words)
        assert_told_in_one_sentence(ran, words[1])


def test_what_else_lies_at_the_run_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious.txt").write_text("mine")
    stream = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    ran = replay(tmp_path / "run", stream, "--audit", "off")
    assert ran.exit_code == 2
    assert (tmp_path / "run" / "precious.txt").read_text() == "mine"


def test_an_earlier_run_folder_is_replaced_whole(tmp_path: Path) -> None:
    stream = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    assert replay(tmp_path / "run", stream, "--audit", "off").exit_code == 0
    (tmp_path / "run" / "stale.txt").touch()
    assert replay(tmp_path / "run", stream, "--audit", "off").exit_code == 0
    assert not (tmp_path / "run" / "stale.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_failed_run_leaves_the_earlier_one(tmp_path: Path) -> None:
    stream = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
    assert replay(tmp_path / "run", stream, "--audit", "off").exit_code == 0
    before = (tmp_path / "run" / "run.json").read_bytes()
    (tmp_path / "in").mkdir()
    assert replay(tmp_path / "run", truncated_zip(tmp_path / "in"), "--audit", "off").exit_code == 2
    assert (tmp_path / "run" / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["repaly", "a.zip"], r"unknown verb 'repaly': expected one of .*: did you mean replay\?"),
        (["frobnicate"], r"unknown verb 'frobnicate': expected one of [a-z, -]*"),
        (
            ["replay", "a.zip", "--interval", "1m"],
            (
                r"kline-harness replay: unrecognized arguments: --interval 1m: did you mean "
                r"--intervals\? \(see kline-harness replay --help\)"
            ),
        ),
        (
            ["inspect", "a.zip", "--zzz"],
            r"kline-harness inspect: unrecognized arguments: --zzz \(see .*\)",
        ),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as error:
        run(words)
    assert re.fullmatch(said, str(error.value)), error.value
