"""Several files of one series, times in several units, and what a source does not state."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cases.made import (
    HEADER,
    MINUTE,
    SECOND,
    candles,
    traded,
    write_klines,
    write_trades,
)
from tests.oracle import OracleKline, OracleTrade
from tests.replays import Ran, command, replay

TRADES = traded(41)
CANDLES = candles(TRADES)
PLAIN = [name for name in HEADER if name != "ignore"]


def replayed(folder: Path, *words: str | Path) -> Ran:
    return replay(folder, *words, "--intervals", "1m", "--audit", "off")


def files(folder: Path, *parts: list[OracleKline]) -> list[Path]:
    """Write each part of a series to a file of the same name."""
    rows = enumerate(parts)
    return [write_klines(folder / str(n) / "GNUUSDT-1m.csv", part) for n, part in rows]


def changed(rows: list[OracleKline], row: int) -> list[OracleKline]:
    return [replace(one, volume=one.volume + n * (n == row)) for n, one in enumerate(rows)]


def test_a_row_that_one_file_lacks_and_another_has(tmp_path: Path) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", TRADES)
    lacking = files(tmp_path, [*CANDLES[:4], *CANDLES[5:8]], CANDLES[3:])
    ran = replayed(tmp_path / "run", trades, "--klines", *lacking)
    assert ran.exit_code == 3, ran.output
    assert "consistent: revised_archive, but nothing tells which" in ran.output
    # Of two that lack it nothing says that it was ever there.
    lacking = files(tmp_path / "both", [*CANDLES[:4], *CANDLES[5:8]], [CANDLES[3], *CANDLES[5:]])
    ran = replayed(tmp_path / "neither", trades, "--klines", *lacking)
    assert (ran.exit_code, "2 extra" in ran.output) == (1, True)
    # Where the other file's row is not ours either, it explains nothing.
    lacking = files(tmp_path / "odd", [*CANDLES[:4], *CANDLES[5:8]], changed(CANDLES, 4)[3:])
    assert replayed(tmp_path / "odd-run", trades, "--klines", *lacking).exit_code == 1


def test_files_of_ours_that_overlap(tmp_path: Path) -> None:
    (whole,) = files(tmp_path / "whole", CANDLES)
    alike = files(tmp_path / "alike", CANDLES[:8], CANDLES[5:])
    ran = command("compare", *alike, "--klines", whole)
    assert (ran.exit_code, "12 identical" in ran.output) == (0, True)
    unlike = files(tmp_path / "unlike", CANDLES[:8], changed(CANDLES, 6)[5:])
    ran = command("compare", *unlike, "--klines", whole)
    assert ran.exit_code == 1
    assert "ours has this kline more than once" in ran.output
    assert "the exchange has not" not in ran.output
    # Two rows of one file are no files that overlap.
    (twice,) = files(tmp_path / "twice", [*CANDLES[:5], CANDLES[4], *CANDLES[5:]])
    assert command("compare", twice, "--klines", whole).exit_code == 1


def messages(rows: list[OracleKline]) -> str:
    lines = []
    for one in rows:
        kline = {
            "t": one.open_time_ns // 10**6,
            "T": one.close_time_ns // 10**6 - 1,
            "i": "1m",
            "o": str(one.open),
            "h": str(one.high),
            "l": str(one.low),
            "c": str(one.close),
            "v": str(one.volume),
            "n": one.count,
            "x": True,
            "q": str(one.quote_volume),
            "V": str(one.taker_buy_volume),
            "Q": str(one.taker_buy_quote_volume),
        }
        event = {"e": "kline", "E": one.close_time_ns // 10**6, "s": "GNUUSDT"}
        lines.append(json.dumps({**event, "k": {"s": "GNUUSDT", **kline}}))
    return "\n".join(lines) + "\n"


def test_a_closed_kline_that_a_recording_did_not_receive(tmp_path: Path) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", TRADES)
    recording = tmp_path / "klines.jsonl"
    recording.write_text(messages(CANDLES))
    assert replayed(tmp_path / "whole", trades, "--klines", recording).exit_code == 0
    recording.write_text(messages([*CANDLES[:4], *CANDLES[6:]]))
    ran = replayed(tmp_path / "lacking", trades, "--klines", recording)
    assert ran.exit_code == 3, ran.output
    assert "2 of ours not compared: the recording does not have them" in ran.output
    recording.write_text(messages(changed([*CANDLES[:4], *CANDLES[6:]], 6)))
    assert replayed(tmp_path / "wrong", trades, "--klines", recording).exit_code == 1


def iso(time_ns: int) -> str:
    moment = datetime.fromtimestamp(time_ns // SECOND, UTC)
    rest = f".{time_ns % SECOND // 10**6:03}" if time_ns % SECOND else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{rest}"


Write = Callable[[int], object]
MILLI: Write = lambda ns: ns // 10**6  # noqa: E731
UNITS: dict[str, tuple[Write, Write, int]] = {
    "s, ms": (lambda ns: ns // SECOND, MILLI, 10**6),
    "ms, us": (MILLI, lambda ns: ns // 1_000, 1_000),
    "ns, ms": (lambda ns: ns, MILLI, 10**6),
    "ISO, ms": (iso, MILLI, 10**6),
    "ISO, ISO": (iso, iso, 10**6),
    "ISO, next open": (iso, iso, 0),
    "ms, next open": (MILLI, MILLI, 0),
    "an hour ahead": (
        lambda ns: f"{iso(ns + 60 * MINUTE)}+01:00",
        lambda ns: f"{iso(ns + 60 * MINUTE)}+01:00",
        10**6,
    ),
}


@pytest.mark.parametrize("units", UNITS)
def test_close_times_in_a_unit_of_their_own(tmp_path: Path, units: str) -> None:
    opens, closes, before = UNITS[units]
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", TRADES)
    lines = [",".join(PLAIN)]
    for one in CANDLES:
        row = {name: getattr(one, name, "") for name in PLAIN}
        row |= {"open_time": opens(one.open_time_ns)}
        row |= {"close_time": closes(one.close_time_ns - before)}
        lines.append(",".join(str(row[name]) for name in PLAIN))
    klines = tmp_path / "GNUUSDT-1m.csv"
    klines.write_text("\n".join(lines) + "\n")
    ran = replayed(tmp_path / "run", trades, "--klines", klines)
    assert ran.exit_code == 0, ran.output
    assert "in all nine fields and the close time: 12 identical" in ran.output
    assert command("inspect", klines).exit_code == 0
    # One close time that is another's is still found.
    fields = lines[5].split(",")
    place = PLAIN.index("close_time")
    fields[place] = lines[6].split(",")[place]
    klines.write_text("\n".join([*lines[:5], ",".join(fields), *lines[6:]]) + "\n")
    ran = replayed(tmp_path / "odd", trades, "--klines", klines)
    assert (ran.exit_code, "1 unexplained" in ran.output) == (1, True)
    assert "close_time: exchange 2024-07-18T21:56" in ran.output


def table(path: Path, trades: list[OracleTrade]) -> tuple[Path, Path]:
    """Write trades without sides, and the map of their columns."""
    rows = [f"{one.id},{one.price},{one.quantity},{one.time_ns // 10**6}" for one in trades]
    path.write_text("\n".join(["tid,px,size,at", *rows]) + "\n")
    columns = path.with_suffix(".toml")
    columns.write_text('id = "tid"\nprice = "px"\nquantity = "size"\ntime = "at"\n')
    return path, columns


def test_sides_that_trades_do_not_state_are_not_compared(tmp_path: Path) -> None:
    trades, columns = table(tmp_path / "GNUUSDT-trades.csv", TRADES)
    (klines,) = files(tmp_path, CANDLES)
    ran = replayed(tmp_path / "run", trades, "--columns", columns, "--klines", klines)
    assert ran.exit_code == 0, ran.output
    assert "12 identical" in ran.output
    assert "taker_buy_volume, taker_buy_quote_volume (only the exchange states them)" in ran.output
    # What is compared is: in a kline of which a trade is absent, without a taker's part in sight.
    trades, columns = table(tmp_path / "GNUUSDT-trades.csv", [*TRADES[:20], *TRADES[21:]])
    ran = replayed(tmp_path / "lost", trades, "--columns", columns, "--klines", klines)
    assert ran.exit_code != 0
    assert "taker_buy_volume: exchange" not in ran.output
    (klines,) = files(tmp_path / "wrong", changed(CANDLES, 3))
    trades, columns = table(tmp_path / "GNUUSDT-trades.csv", TRADES)
    ran = replayed(tmp_path / "odd", trades, "--columns", columns, "--klines", klines)
    assert (ran.exit_code, "1 unexplained" in ran.output) == (1, True)


def test_a_reply_to_a_bad_request_is_named(tmp_path: Path) -> None:
    path = tmp_path / "GNUUSDT-1m.json"
    path.write_text('{"code": -1121, "msg": "Invalid symbol."}')
    ran = command("inspect", path)
    assert ran.exit_code == 2
    assert "found the reply to a bad request" in ran.output
    assert "Invalid symbol." in ran.output


def kraken(folder: Path, minutes: int, name: str, step: int = 5) -> tuple[Path, Path]:
    """Write trades of every so many minutes as Kraken does, and klines without the quiet ones."""
    trades = [
        replace(one, time_ns=one.time_ns // SECOND * SECOND, symbol="FOXUSD")
        for one in traded(43, minutes=60, per_minute=3)
        if one.time_ns // MINUTE % step == 0
    ]
    rows = [f"{one.time_ns // SECOND},{one.price},{one.quantity}" for one in trades]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "FOXUSD.csv").write_text("\n".join(rows) + "\n")
    rows = [
        f"{one.open_time_ns // SECOND},{one.open},{one.high},{one.low},{one.close},"
        f"{one.volume},{one.count}"
        for one in candles(trades, f"{minutes}m")
        if one.count
    ]
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / "FOXUSD.csv", folder / name


def test_the_minutes_of_a_name_and_rows_that_are_documented_to_be_absent(tmp_path: Path) -> None:
    trades, klines = kraken(tmp_path / "1", 1, "FOXUSD_1.csv")
    ran = replayed(tmp_path / "run", trades, "--klines", klines)
    assert ran.exit_code == 0, ran.output
    # An hour of minutes, every fifth of which is traded in; none is of five minutes.
    assert ran.series("FOXUSD", "1m")["identical"] == 12
    assert ran.series("FOXUSD", "1m")["consistent"] == 44
    # A row that is absent although something was traded is no quiet one.
    lines = klines.read_text().splitlines()
    klines.write_text("\n".join([*lines[:3], *lines[4:]]) + "\n")
    ran = replayed(tmp_path / "lost", trades, "--klines", klines)
    assert (ran.exit_code, ran.series("FOXUSD", "1m")["extra"]) == (1, 1)
    trades, klines = kraken(tmp_path / "60", 1, "FOXUSD_60.csv", step=1)
    assert command("inspect", klines).exit_code == 1


@pytest.mark.parametrize("name", ["GNUUSDT-1m-2024-07-19.csv", "GNUUSDT-1m-2024-06.csv"])
def test_klines_named_for_another_time_than_their_rows(tmp_path: Path, name: str) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", TRADES)
    klines = write_klines(tmp_path / name, CANDLES)
    ran = replayed(tmp_path / "run", trades, "--klines", klines)
    assert ran.exit_code == 3, ran.output
    words = f"12 of 12 rows of {name} lie outside of the time that its name claims"
    assert words in ran.output
    (plain,) = files(tmp_path, CANDLES)
    for pair in ((plain, klines), (klines, plain)):
        ran = command("compare", pair[0], "--klines", pair[1])
        assert (ran.exit_code, words in ran.output) == (3, True)
