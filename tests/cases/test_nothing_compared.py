"""A comparison that was asked for and compared nothing, or only a part, is unknown."""

from __future__ import annotations

import json
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cases.made import (
    CASES,
    FALSE_VALID,
    HOUR,
    MINUTE,
    START,
    candles,
    traded,
    write_aggregates,
    write_klines,
    write_trades,
)
from tests.replays import UM_DAY, Ran, command, replay


def one_minute(folder: Path, trades: Path, *klines: Path) -> Ran:
    return replay(folder / "run", trades, "--klines", *klines, "--intervals", "1m", "--audit=off")


def case(number: str, name: str) -> Path:
    return CASES / f"case{number}" / name


@pytest.mark.parametrize(
    ("klines", "words"),
    [
        ("FOXUSDT-1m-utc8.csv", "theirs are ours 8 h later: 12 of 12"),
        ("FOXUSDT-1m-cet.csv", "theirs are ours 1 h later: 12 of 12"),
    ],
)
def test_klines_of_another_time_zone(tmp_path: Path, klines: str, words: str) -> None:
    ran = one_minute(tmp_path, case("02", "FOXUSDT-trades.csv"), case("02", klines))
    assert ran.exit_code == 3
    assert ran.run["verdict"] == "unknown"
    assert "compared 0 klines" in ran.run["sentence"]
    assert words in ran.run["sentence"]
    compared = command("compare", case("02", "FOXUSDT-1m.csv"), "--klines", case("02", klines))
    assert compared.exit_code == 3
    assert words in compared.output


def test_the_page_says_what_was_not_compared(tmp_path: Path) -> None:
    trades, klines = case("02", "FOXUSDT-trades.csv"), case("02", "FOXUSDT-1m-utc8.csv")
    options = ("--intervals=1m", "--audit=off")
    ran = replay(tmp_path / "run", trades, "--klines", klines, *options, quick=False)
    pages = [(ran.folder / "report.html").read_text()]
    assert command("report", ran.folder).exit_code == 0
    pages.append((ran.folder / "report.html").read_text())
    for page in pages:
        assert "Not compared, and why" in page
        assert "compared 0 klines" in page
        assert "8 h later" in page


def test_right_klines_are_all_compared(tmp_path: Path) -> None:
    trades, klines = case("02", "FOXUSDT-trades.csv"), case("02", "FOXUSDT-1m.csv")
    ran = one_minute(tmp_path, trades, klines)
    assert ran.exit_code == 0
    assert (
        "compared 12 klines with the exchange's in all nine fields and the close time"
        in (ran.run["sentence"])
    )
    assert ran.run["comparison"]["not_compared"] == []


@pytest.mark.parametrize("later_ns", [-3 * HOUR, 5 * HOUR + 30 * MINUTE, 9 * HOUR, 24 * HOUR])
def test_any_constant_shift_is_named(tmp_path: Path, later_ns: int) -> None:
    tape = traded(7)
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", tape)
    shifted = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape), later_ns=later_ns)
    ran = one_minute(tmp_path, trades, shifted)
    hours, minutes = divmod(abs(later_ns) // MINUTE, 60)
    words = f"{hours} h{f' {minutes} min' if minutes else ''}"
    assert ran.exit_code == 3
    assert (
        f"theirs are ours {words} {'later' if later_ns > 0 else 'earlier'}" in (ran.run["sentence"])
    )


def test_stamped_at_the_close(tmp_path: Path) -> None:
    stamped = case("15", "FOXUSDT-1m-closestamp.csv")
    ran = one_minute(tmp_path, case("15", "FOXUSDT-trades.csv"), stamped)
    assert ran.exit_code == 1
    assert "theirs are ours 1 min later, stamped with their close" in ran.run["sentence"]
    compared = command("compare", case("15", "FOXUSDT-1m.csv"), "--klines", stamped)
    assert compared.exit_code == 1
    assert "theirs are ours 1 min later, stamped with their close" in compared.output


def test_another_symbols_name(tmp_path: Path) -> None:
    tape = traded(8)
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", tape)
    klines = write_klines(tmp_path / "ELKUSDT-1m.csv", candles(tape))
    ran = one_minute(tmp_path, trades, klines)
    assert ran.exit_code == 3
    assert "compared 0 klines" in ran.run["sentence"]
    assert "theirs are our GNUUSDT klines at the same times: 12 of 12" in ran.run["sentence"]
    ours = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape))
    compared = command("compare", ours, "--klines", klines)
    assert compared.exit_code == 3
    assert "theirs are our GNUUSDT klines" in compared.output


def test_another_symbols_klines(tmp_path: Path) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", traded(8))
    klines = write_klines(tmp_path / "ELKUSDT-1m.csv", candles(traded(9)))
    ran = one_minute(tmp_path, trades, klines)
    assert ran.exit_code == 3
    assert "no klines of ours of ELKUSDT, only of GNUUSDT" in ran.run["sentence"]
    assert "theirs are" not in ran.run["sentence"]


def test_another_day(tmp_path: Path) -> None:
    folder = FALSE_VALID / "fv06"
    trades, klines = sorted(folder.glob("*aggTrades*")), sorted(folder.glob("*1m*"))
    ran = one_minute(tmp_path, trades[0], klines[0])
    assert ran.exit_code == 3
    assert "compared 0 klines" in ran.run["sentence"]
    assert "1,439 klines of the exchange's" in ran.run["sentence"]


@pytest.mark.parametrize("rows", [1, 700, 1_439])
def test_any_part_of_a_day(tmp_path: Path, rows: int) -> None:
    day = UM_DAY / "ALFAUSDT-1m-2024-05-15.zip"
    with ZipFile(day) as packed:
        lines = packed.read(packed.namelist()[0]).decode().splitlines()
    klines = tmp_path / "ALFAUSDT-1m-2024-05-15.csv"
    klines.write_text("\n".join(lines[: rows + 1]) + "\n")
    trades = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
    ran = one_minute(tmp_path, trades, klines)
    assert ran.exit_code == 3
    assert f"compared {rows:,} kline" in ran.run["sentence"]
    assert f"named for 1,440 klines and holds {rows:,}" in ran.run["sentence"]
    assert command("compare", day, "--klines", klines).exit_code == 3


def test_a_file_that_holds_part_of_its_day(tmp_path: Path) -> None:
    folder = FALSE_VALID / "fv08"
    trades, klines = sorted(folder.glob("*aggTrades*")), sorted(folder.glob("*1m*"))
    ran = one_minute(tmp_path, trades[0], klines[0])
    assert ran.exit_code == 3
    assert "compared 30 klines" in ran.run["sentence"]
    assert "28 klines of ours (the exchange's files do not have them)" in ran.run["sentence"]
    assert "named for 1,440 klines and holds 30" in ran.run["sentence"]


@pytest.mark.parametrize("kept", [slice(0, 5), slice(5, None), slice(3, 9)])
def test_one_side_cut_short(tmp_path: Path, kept: slice) -> None:
    tape = traded(11)
    rows = candles(tape)
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", tape)
    whole = write_klines(tmp_path / "whole" / "GNUUSDT-1m.csv", rows)
    part = write_klines(tmp_path / "part" / "GNUUSDT-1m.csv", rows[kept])
    assert one_minute(tmp_path, trades, part).exit_code == 3
    assert command("compare", whole, "--klines", part).exit_code == 3
    assert command("compare", part, "--klines", whole).exit_code == 3
    inside = [one for one in tape if rows[kept][0].open_time_ns <= one.time_ns]
    inside = [one for one in inside if one.time_ns < rows[kept][-1].close_time_ns]
    cut = write_trades(tmp_path / "cut" / "GNUUSDT-trades.csv", inside)
    ran = one_minute(tmp_path, cut, whole)
    assert ran.exit_code == 3
    assert f"compared {len(rows[kept])} klines" in ran.run["sentence"]
    # One at each end that was cut is next to the edge, as an excerpt of klines may have it.
    ends = (rows[kept][0] != rows[0]) + (rows[kept][-1] != rows[-1])
    beyond = 12 - len(rows[kept]) - ends
    words = f"{beyond} kline{'s' if beyond > 1 else ''} of the exchange's (after or before the time"
    assert words in ran.run["sentence"]


@pytest.mark.parametrize(("cut", "code"), [(1, 0), (2, 3)])
def test_an_excerpt_may_have_a_minute_more_at_an_end(tmp_path: Path, cut: int, code: int) -> None:
    tape = traded(11)
    rows = candles(tape)
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", rows)
    inside = [one for one in tape if one.time_ns < rows[-cut].open_time_ns]
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", inside)
    ran = one_minute(tmp_path, trades, klines)
    assert ran.exit_code == code
    assert "1 kline of the exchange's (in the minute before or after those" in ran.run["sentence"]


def test_a_symbol_without_klines_beside_one_with(tmp_path: Path) -> None:
    one, other = traded(12), traded(13, symbol="ELKUSDT", minutes=9)
    trades = [
        write_trades(tmp_path / "GNUUSDT-trades.csv", one),
        write_trades(tmp_path / "ELKUSDT-trades.csv", other),
    ]
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(one))
    ran = replay(tmp_path / "run", *trades, "--klines", klines, "--intervals=1m", "--audit=off")
    assert ran.exit_code == 3
    (left,) = (row for row in ran.run["comparison"]["not_compared"] if row["symbol"] == "ELKUSDT")
    assert (left["reason"], left["klines"] >= 9) == ("symbol_without_klines", True)
    both = [klines, write_klines(tmp_path / "ELKUSDT-1m.csv", candles(other))]
    whole = replay(tmp_path / "both", *trades, "--klines", *both, "--intervals=1m", "--audit=off")
    # Nothing of the second symbol is left without a partner but its quiet klines at the end.
    reasons = {row["reason"] for row in whole.run["comparison"]["not_compared"]}
    assert "symbol_without_klines" not in reasons


def test_a_gate_does_not_write_a_baseline_of_nothing_compared(tmp_path: Path) -> None:
    tape = traded(14)
    write_trades(tmp_path / "GNUUSDT-trades.csv", tape)
    write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape), later_ns=8 * HOUR)
    suite = tmp_path / "suite.toml"
    suite.write_text(
        '[[case]]\nname = "shifted"\ntrades = ["GNUUSDT-trades.csv"]\n'
        'klines = ["GNUUSDT-1m.csv"]\nintervals = ["1m"]\n',
        encoding="utf-8",
    )
    for words in ((), ("--update",)):
        ran = command("gate", suite, "--work", tmp_path / "work", *words)
        assert ran.exit_code == 3, ran.output
        assert "theirs are ours 8 h later" in ran.output
    assert not list(tmp_path.glob("*.baseline/shifted*"))


def test_the_whole_list_is_in_the_file_asked_for(tmp_path: Path) -> None:
    ours, klines = case("03", "HENUSDT-1m-ours.csv"), case("03", "HENUSDT-1m.csv")
    ran = command("compare", ours, "--klines", klines)
    assert ran.exit_code == 1
    assert "HENUSDT 1m 2026-02-03T10:06:00Z close: exchange 61.35, ours 61.34" in ran.output
    assert "--out" in ran.output
    full = tmp_path / "all.ndjson"
    ran = command("compare", ours, "--klines", klines, "--out", full)
    assert str(full) in ran.output
    rows = [json.loads(line) for line in full.read_text().splitlines()]
    assert len([row for row in rows if row["kind"] == "unexplained"]) == 25
    assert all(row["open_time_ns"] for row in rows if row["kind"] == "unexplained")
    assert "{" not in ran.output
    assert "[" not in ran.output.replace("[HENUSDT", "")


def test_a_folder_that_cannot_hold_the_list(tmp_path: Path) -> None:
    ours, klines = case("03", "HENUSDT-1m-ours.csv"), case("03", "HENUSDT-1m.csv")
    ran = command("compare", ours, "--klines", klines, "--out", tmp_path / "none" / "all.ndjson")
    assert ran.exit_code == 2
    assert "all.ndjson" in ran.output


def test_quiet_klines_after_the_last_trade_are_no_doubt(tmp_path: Path) -> None:
    tape = traded(15, start_ns=START)
    last = traded(16, start_ns=START + 14 * MINUTE, minutes=1, first_id=9_000_073)
    rows = candles([*tape, *last])
    trades = write_aggregates(tmp_path / "GNUUSDT-aggTrades.csv", tape)
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", rows[:-1])
    ran = one_minute(tmp_path, trades, klines)
    assert rows[-2].count == 0
    assert ran.exit_code == 0, ran.output


def test_compare_leaves_files_without_klines_out_and_says_so(tmp_path: Path) -> None:
    """A glob over a download folder means the klines in it, as in a replay."""
    tape = traded(96)
    ours = write_klines(tmp_path / "ours" / "GNUUSDT-1m.csv", candles(tape))
    folder = tmp_path / "theirs"
    files = [
        write_klines(folder / "GNUUSDT-1m.csv", candles(tape)),
        write_trades(folder / "GNUUSDT-trades.csv", tape),
        folder / "NOTES.txt",
    ]
    files[2].write_text("downloaded by hand\n")
    for given in (files, [folder]):
        ran = command("compare", ours, "--klines", *given)
        assert ran.exit_code == 0, ran.output
        assert "12 identical" in ran.output
        for name in ("GNUUSDT-trades.csv", "NOTES.txt"):
            assert f"{name}, given as the exchange's klines, holds none" in ran.output
    alone = command("compare", ours, "--klines", files[1])
    assert alone.exit_code == 2


@pytest.mark.parametrize("kept", [slice(0, 90), slice(30, 120), slice(24, 96)])
def test_a_sellers_table_with_receive_times_may_be_cut_off(tmp_path: Path, kept: slice) -> None:
    """It is no recording that was on from its first row to its last: nobody knows what is gone."""
    tape = traded(97, minutes=20)
    rows = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"]
    for one in tape[kept]:
        side, time_us = "sell" if one.buyer_is_maker else "buy", one.time_ns // 1000
        cells = ("binance-futures", one.symbol, time_us, time_us + 4000, one.id, side)
        rows.append(",".join(map(str, (*cells, one.price, one.quantity))))
    trades = tmp_path / "GNUUSDT.csv"
    trades.write_text("\n".join(rows) + "\n")
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape))
    words = (trades, "--klines", klines, "--intervals=1m", "--audit=off")
    assert replay(tmp_path / "run", *words).exit_code == 3
    assert command("inspect", trades, klines).exit_code == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("open_time,open\n1721339400000,70\n", "line 1: expected a column for the klines field"),
        ("open_time,open,high,low,close,volume,volume\n1,2,3,4,5,6,7\n", "line 1: expected one"),
        ("open_time,open,high,low,close\n", "line 1: expected rows after the first line"),
        ("open_time,open,high,low,close,volume\n1721339400000,7,7,7,7\n", "line 2: expected 6"),
    ],
)
def test_klines_to_compare_with_that_are_odd_are_told_by_line(
    tmp_path: Path, text: str, said: str
) -> None:
    tape = traded(98)
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", tape)
    ours = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape))
    odd = tmp_path / "odd" / "GNUUSDT-1m.csv"
    odd.parent.mkdir()
    odd.write_text(text)
    for ran in (
        command("compare", ours, "--klines", odd),
        replay(tmp_path / "run", trades, "--klines", odd, "--intervals=1m", "--audit=off"),
    ):
        assert ran.exit_code == 2
        assert said in ran.output, ran.output
