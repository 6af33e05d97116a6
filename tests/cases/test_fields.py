"""Only fields that both sides state are compared; the others are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases.made import (
    CASES,
    FALSE_VALID,
    HEADER,
    candles,
    traded,
    write_klines,
    write_trades,
)
from tests.replays import command, replay

FEWER = ("quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")


@pytest.mark.parametrize("turned", [False, True])
def test_fewer_columns_than_the_exchange(turned: bool) -> None:
    files = [CASES / "case03" / name for name in ("FOXUSDT-1m-ours.csv", "FOXUSDT-1m.csv")]
    ours, theirs = reversed(files) if turned else files
    ran = command("compare", ours, "--klines", theirs)
    assert ran.exit_code == 0
    assert "compared 6 klines with the exchange's in open, high, low, close, volume" in ran.output
    assert "6 identical" in ran.output
    for name in FEWER:
        assert name in ran.output
    assert f"only {'ours state' if turned else 'the exchange states'} them" in ran.output
    assert "_count" not in ran.output


@pytest.mark.parametrize("lacking", [("count",), ("volume", "quote_volume"), FEWER])
def test_a_value_is_told_only_where_a_file_has_it(tmp_path: Path, lacking: tuple[str, ...]) -> None:
    rows = candles(traded(21))
    columns = [name for name in HEADER if name not in lacking]
    ours = write_klines(tmp_path / "ours" / "GNUUSDT-1m.csv", rows, columns=columns)
    full = write_klines(tmp_path / "GNUUSDT-1m.csv", rows)
    for pair in ((ours, full), (full, ours)):
        ran = command("compare", pair[0], "--klines", pair[1])
        assert ran.exit_code == 0, ran.output
        assert "12 identical" in ran.output
        assert ", ".join(lacking) in ran.output
        assert "ours 0" not in ran.output


@pytest.mark.parametrize("turned", [False, True])
def test_a_close_time_is_compared(tmp_path: Path, turned: bool) -> None:
    rows = candles(traded(22))
    right = write_klines(tmp_path / "right" / "GNUUSDT-1m.csv", rows)
    wrong = write_klines(tmp_path / "wrong" / "GNUUSDT-1m.csv", rows)
    text = wrong.read_text()
    close = str(rows[3].close_time_ns // 1_000_000 - 1)
    assert close in text
    wrong.write_text(text.replace(close, str(int(close) + 1)))
    ours, theirs = (wrong, right) if turned else (right, wrong)
    ran = command("compare", ours, "--klines", theirs)
    assert ran.exit_code == 1
    assert "close_time: exchange 2024-07-18T21:54:00" in ran.output
    # 21:53:59.999 stands in the file.
    assert "(the first instant after the kline)" in ran.output
    assert "11 identical, 1 unexplained" in ran.output


def test_a_close_time_that_nobody_wrote_is_not_told(tmp_path: Path) -> None:
    rows = candles(traded(23))
    columns = [name for name in HEADER if name != "close_time"]
    ours = write_klines(tmp_path / "ours" / "GNUUSDT-1m.csv", rows, columns=columns)
    full = write_klines(tmp_path / "GNUUSDT-1m.csv", rows)
    ran = command("compare", ours, "--klines", full)
    assert ran.exit_code == 0
    assert "fields close_time (only the exchange states them)" in ran.output
    assert "in all nine fields:" in ran.output


NAMED = {"volume": "vol", "quote_volume": "turnover", "count": "n"}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("named", [["volume"], ["count"], ["volume", "quote_volume", "count"]])
def test_columns_of_unknown_names_are_named(tmp_path: Path, turned: bool, named: list[str]) -> None:
    rows = candles(traded(24))
    names = {name: NAMED[name] for name in named}
    odd = write_klines(tmp_path / "odd" / "GNUUSDT-1m.csv", rows, names=names)
    full = write_klines(tmp_path / "GNUUSDT-1m.csv", rows)
    ours, theirs = (odd, full) if turned else (full, odd)
    ran = command("compare", ours, "--klines", theirs)
    assert ran.exit_code == 3
    assert f"columns {', '.join(names.values())} (names that are not known)" in ran.output
    assert "12 identical" in ran.output
    alone = command("inspect", odd)
    assert alone.exit_code == 3
    assert "columns_not_read" in alone.output


def test_five_of_nine_fields_under_unknown_names(tmp_path: Path) -> None:
    trades, klines = (sorted((FALSE_VALID / "fv12").glob(f"*{w}*"))[0] for w in ("aggT", "1m"))
    ran = replay(tmp_path / "run", trades, "--klines", klines, "--intervals=1m", "--audit=off")
    assert ran.exit_code == 3
    assert "columns vol, quotevol, n, tb, tbq (names that are not known)" in ran.run["sentence"]
    assert "in open, high, low, close, close_time" in ran.run["sentence"]


def test_unknown_columns_beside_all_fields_are_no_doubt(tmp_path: Path) -> None:
    rows = candles(traded(25))
    full = write_klines(tmp_path / "GNUUSDT-1m.csv", rows)
    more = tmp_path / "more" / "GNUUSDT-1m.csv"
    more.parent.mkdir()
    header, *lines = full.read_text().splitlines()
    more.write_text("\n".join([f"{header},venue", *(f"{line},7" for line in lines)]) + "\n")
    ran = command("compare", full, "--klines", more)
    assert ran.exit_code == 0, ran.output
    assert "in all nine fields and the close time" in ran.output
    assert "columns venue (names that are not known)" in ran.output
    assert "columns venue" in command("compare", more, "--klines", full).output


def test_volumes_named_by_coin_are_compared_or_named(tmp_path: Path) -> None:
    folder = CASES / "case08"
    wrong = folder / "FOXUSDT-1m-wrongvolume.csv"
    ran = command("compare", folder / "FOXUSDT-1m.csv", "--klines", wrong)
    assert ran.exit_code in (1, 3)
    assert "Volume FOX" in ran.output or "volume: exchange 999999" in ran.output


def test_an_address_before_the_header_and_the_newest_row_first_are_said() -> None:
    ran = command("inspect", CASES / "case08" / "Binance_FOXUSDT_minute.csv")
    assert ran.exit_code == 0, ran.output
    assert "notice lines_before_header x 1" in ran.output
    assert "notice newest_first x 6" in ran.output
    plain = command("inspect", CASES / "case08" / "FOXUSDT-1m.csv")
    assert "newest_first" not in plain.output
    assert "lines_before_header" not in plain.output


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("close", "99.99", "ohlc_order"),
        ("high", "0.01", "ohlc_order"),
        ("count", "0", "count_volume_mismatch"),
        ("taker_buy_volume", "9999999", "taker_exceeds_total"),
    ],
)
def test_a_row_that_is_no_kline_in_both_files(
    tmp_path: Path, column: str, value: str, kind: str
) -> None:
    """That both sides say the same does not make it one."""
    path = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(traded(26)))
    lines = path.read_text().splitlines()
    cells = lines[4].split(",")
    cells[HEADER.index(column)] = value
    path.write_text("\n".join([*lines[:4], ",".join(cells), *lines[5:]]) + "\n")
    ran = command("compare", path, "--klines", path)
    assert (ran.exit_code, kind in ran.output, "12 identical" in ran.output) == (1, True, True)


def test_an_inspection_says_what_it_holds_klines_to(tmp_path: Path) -> None:
    trades = traded(27)
    files = [
        write_trades(tmp_path / "GNUUSDT-trades.csv", trades),
        write_klines(tmp_path / "GNUUSDT-1m.csv", candles(trades)),
    ]
    ran = command("inspect", *files)
    assert ran.exit_code == 0
    assert "10 klines held to the volume of their trades" in ran.output
    assert "not checked: prices, counts and amounts of klines: replay compares" in ran.output
