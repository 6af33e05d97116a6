"""The same numbers, times and rows in other spellings that files really have."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cases.made import HEADER, MINUTE, candles, traded, write_klines, write_trades
from tests.oracle import OracleKline
from tests.replays import Ran, command, replay

TRADES = traded(51)
CANDLES = candles(TRADES)
ALL = "12 identical"


def replayed(folder: Path, trades: Path, klines: Path, *words: str | Path) -> Ran:
    options = ("--intervals", "1m", "--audit", "off", *words)
    return replay(folder / "run", trades, "--klines", klines, *options)


def against(folder: Path, klines: Path) -> Ran:
    return replayed(folder, write_trades(folder / "GNUUSDT-trades.csv", TRADES), klines)


def ms(one: OracleKline) -> int:
    return one.open_time_ns // 1_000_000


TIMES: dict[str, Callable[[int], str]] = {
    "zeros": lambda ns: f"{ns // 1_000_000}.0",
    "exponent": lambda ns: f"{ns // 1_000_000 / 10**12:.12f}e12",
    "seconds": lambda ns: f"{ns // 10**9}.{ns % 10**9 // 10**6:03}E0",
}


@pytest.mark.parametrize("form", TIMES)
def test_times_that_were_floats_in_a_mapped_file(tmp_path: Path, form: str) -> None:
    rows = ["n,at,px,size,side"]
    for one in TRADES:
        side = "sell" if one.buyer_is_maker else "buy"
        rows.append(f"{one.id},{TIMES[form](one.time_ns)},{one.price},{one.quantity},{side}")
    (tmp_path / "GNUUSDT.csv").write_text("\n".join(rows) + "\n")
    columns = {"id": "n", "time": "at", "price": "px", "quantity": "size", "side": "side"}
    (tmp_path / "m.toml").write_text("\n".join(f'{a} = "{b}"' for a, b in columns.items()))
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", CANDLES)
    ran = replayed(tmp_path, tmp_path / "GNUUSDT.csv", klines, "--columns", tmp_path / "m.toml")
    assert (ran.exit_code, ALL in ran.output) == (0, True), ran.output


@pytest.mark.parametrize("form", ["zeros", "exponent"])
def test_open_times_that_were_floats(tmp_path: Path, form: str) -> None:
    rows = ["open_time,open,high,low,close,volume,close_time"]
    for one in CANDLES:
        opens = TIMES[form](one.open_time_ns)
        closes = TIMES[form](one.close_time_ns - 1_000_000)
        values = (opens, one.open, one.high, one.low, one.close, one.volume, closes)
        rows.append(",".join(map(str, values)))
    path = tmp_path / "GNUUSDT-1m.csv"
    path.write_text("\n".join(rows) + "\n")
    ran = against(tmp_path, path)
    assert (ran.exit_code, ALL in ran.output) == (0, True), ran.output
    assert "volume, close_time: 12" in ran.output
    # A fraction of a millisecond is no open time of a kline.
    path.write_text("\n".join(rows).replace(rows[3].split(",")[0], f"{ms(CANDLES[2])}.5") + "\n")
    bad = against(tmp_path, path)
    assert (bad.exit_code, "line 4" in bad.output) == (2, True), bad.output


def test_a_header_with_unix_timestamps(tmp_path: Path) -> None:
    """An older form of CryptoDataDownload's: epoch seconds and the same time as text."""
    rows = ["Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume"]
    for one in reversed(CANDLES):
        seconds = one.open_time_ns // 10**9
        date = datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
        values = (seconds, date, "GNUUSDT", one.open, one.high, one.low, one.close, one.volume)
        rows.append(",".join(map(str, values)))
    path = tmp_path / "Gemini_GNUUSDT_1min.csv"
    path.write_text("\n".join(rows) + "\n")
    ran = against(tmp_path, path)
    assert (ran.exit_code, ALL in ran.output) == (0, True), ran.output


@pytest.mark.parametrize(("coin", "field"), [("GNU", "volume"), ("USDT", "quote_volume")])
def test_one_volume_named_by_coin(tmp_path: Path, coin: str, field: str) -> None:
    columns = [*HEADER[:5], field]
    names = {field: f"Volume {coin}"}
    path = write_klines(tmp_path / "GNUUSDT-1m.csv", CANDLES, columns=columns, names=names)
    ran = against(tmp_path, path)
    assert (ran.exit_code, f"close, {field}: {ALL}" in ran.output) == (0, True), ran.output
    path.write_text(path.read_text().replace(str(getattr(CANDLES[3], field)), "99"))
    assert against(tmp_path, path).exit_code == 1


def test_seven_columns_without_a_header(tmp_path: Path) -> None:
    """The seventh is the close time of Binance's order, not Kraken's number of trades."""
    path = write_klines(tmp_path / "GNUUSDT-1m.csv", CANDLES, columns=HEADER[:7])
    path.write_text(path.read_text().partition("\n")[2])
    ran = against(tmp_path, path)
    assert (ran.exit_code, f"volume, close_time: {ALL}" in ran.output) == (0, True), ran.output


@pytest.mark.parametrize("header", [True, False])
def test_fields_between_quotation_marks(tmp_path: Path, header: bool) -> None:
    def quoted(path: Path) -> Path:
        lines = path.read_text().splitlines()[0 if header else 1 :]
        fields = (",".join(f'"{field}"' for field in line.split(",")) for line in lines)
        path.write_text("\n".join(fields) + "\n")
        return path

    klines = quoted(write_klines(tmp_path / "GNUUSDT-1m.csv", CANDLES))
    trades = quoted(write_trades(tmp_path / "GNUUSDT-trades.csv", TRADES))
    ran = replayed(tmp_path, trades, klines)
    assert (ran.exit_code, ALL in ran.output) == (0, True), ran.output
    lines = klines.read_text().splitlines()
    lines[-1] = lines[-1].replace('","', '","1,', 1)
    klines.write_text("\n".join(lines) + "\n")
    bad = replayed(tmp_path, trades, klines)
    assert (bad.exit_code, f"line {12 + header}" in bad.output) == (2, True), bad.output


def test_a_row_a_line_of_a_reply(tmp_path: Path) -> None:
    rows = []
    for one in CANDLES:
        values = [str(getattr(one, n)) for n in ("open", "high", "low", "close", "volume")]
        rows.append(json.dumps([ms(one), *values, ms(one) + MINUTE // 10**6 - 1]))
    path = tmp_path / "GNUUSDT-1m.json"
    path.write_text("\n".join(rows) + "\n")
    ran = against(tmp_path, path)
    assert (ran.exit_code, ALL in ran.output) == (0, True), ran.output


def test_a_log_of_messages_with_decimal_commas(tmp_path: Path) -> None:
    """Python's logging writes its milliseconds after a comma."""
    lines = []
    for one in TRADES:
        at = datetime.fromtimestamp(one.time_ns // 10**9, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
        time = one.time_ns // 10**6
        event = {"e": "trade", "E": time, "s": one.symbol, "t": one.id, "p": str(one.price)}
        event |= {"q": str(one.quantity), "T": time, "m": one.buyer_is_maker, "X": "MARKET"}
        lines.append(f"{at},{time % 1000:03} {json.dumps(event)}")
    (tmp_path / "rec.txt").write_text("\n".join(lines) + "\n")
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", CANDLES)
    ran = replayed(tmp_path, tmp_path / "rec.txt", klines)
    assert (ran.exit_code, ALL in ran.output) == (0, True), ran.output
    # With a word more it is no recording: the sentence tells what a line of one is.
    (tmp_path / "log.txt").write_text("\n".join(f"INFO {line}" for line in lines) + "\n")
    assert "expected <receive time> <json>" in command("inspect", tmp_path / "log.txt").output


@pytest.mark.parametrize("one_a_line", [True, False])
def test_the_line_of_an_object_in_a_reply(tmp_path: Path, one_a_line: bool) -> None:
    """The third object is in line 3, or the third row of the one line there is."""
    items = [
        {"id": 1 + n, "price": "2.5", "qty": "4", "time": 1_721_339_400_000 + n, "isBuyerMaker": n}
        for n in range(4)
    ]
    items = [one | {"isBuyerMaker": n % 2 == 0} for n, one in enumerate(items)]
    items[2]["price"] = "2,5"[:1] + "x"
    path = tmp_path / "GNUUSDT-trades.json"
    text = "\n".join(map(json.dumps, items)) if one_a_line else json.dumps(items)
    path.write_text(text + "\n")
    ran = command("replay", path, "--out", tmp_path / "run")
    assert (ran.exit_code, "line 3, expected" in ran.output.replace(": e", ", e")) == (2, True)
