"""A file whose names contradict each other, or its rows, is doubted whatever was compared."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from tests.cases.made import HEADER, START, candles, traded, write_klines, write_trades
from tests.replays import Ran, command, replay

DAY = "2024-07-18"
# An hour around which nothing else is claimed: the files are not dated, but for what is said here.
TRADES, KLINES = "GNUUSDT-trades.csv", "GNUUSDT-1m.csv"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("names")
    trades = traded(31)
    write_trades(folder / TRADES, trades)
    write_klines(folder / KLINES, candles(trades))
    return folder


def zipped(source: Path, path: Path, inner: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inner, source.read_bytes())
    return path


def gzipped(source: Path, path: Path, inner: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file, gzip.GzipFile(inner, "wb", fileobj=file) as packed:
        packed.write(source.read_bytes())
    return path


def replayed(folder: Path, *words: str | Path) -> Ran:
    return replay(folder, *words, "--intervals", "1m", "--audit", "off")


OTHERS = {
    "HENUSDT-trades.csv": "the symbol is GNUUSDT by its name and HENUSDT by the name inside",
    "GNUUSDT-aggTrades.csv": "the kind is trades by its name and aggTrades by the name inside",
    "folder/HENUSDT-trades-2024-07-18.csv": "the symbol is GNUUSDT by its name and HENUSDT by",
    "HENUSDT2024-07-18.csv": "the symbol is GNUUSDT by its name and HENUSDT by the name inside",
}


@pytest.mark.parametrize("inner", OTHERS)
@pytest.mark.parametrize("pack", [zipped, gzipped])
def test_trades_named_for_another_symbol_or_kind_inside(
    files: Path, tmp_path: Path, inner: str, pack: type
) -> None:
    packed = pack(files / TRADES, tmp_path / "GNUUSDT-trades.packed", inner)
    ran = replayed(tmp_path / "out", packed, "--klines", files / KLINES)
    assert ran.exit_code == 3
    assert "12 identical" in ran.output
    assert OTHERS[inner] in ran.output
    assert ran.check("files")["findings"]["names_contradict"] == 1
    alone = command("inspect", packed)
    assert alone.exit_code == 3
    assert OTHERS[inner] in alone.output


@pytest.mark.parametrize(
    ("name", "inner", "words"),
    [
        ("GNUUSDT-1m.zip", "HENUSDT-1m.csv", "the symbol is GNUUSDT by its name and HENUSDT by"),
        ("GNUUSDT-1m.zip", "GNUUSDT-1h.csv", "the interval is 1m by its name and 1h by the name"),
        ("GNUUSDT-1m.zip", "GNUUSDT-trades.csv", "the kind is klines by its name and trades by"),
    ],
)
def test_klines_named_otherwise_inside(
    files: Path, tmp_path: Path, name: str, inner: str, words: str
) -> None:
    packed = zipped(files / KLINES, tmp_path / name, inner)
    ran = replayed(tmp_path / "out", files / TRADES, "--klines", packed)
    assert (ran.exit_code, "12 identical" in ran.output) == (3, True)
    assert words in ran.output
    for pair in ((packed, files / KLINES), (files / KLINES, packed)):
        compared = command("compare", pair[0], "--klines", pair[1])
        assert compared.exit_code == 3
        assert words in compared.output
    assert words in command("inspect", packed).output


@pytest.mark.parametrize(
    ("name", "inner", "words"),
    [
        (DAY, "2024-07-17", "the day is 2024-07-18 by its name and 2024-07-17 by the name inside"),
        (DAY, "2024-07", "the day is 2024-07-18 by its name and 2024-07 by the name inside"),
        ("2024-07", DAY, "the day is 2024-07 by its name and 2024-07-18 by the name inside"),
    ],
)
def test_another_day_inside(files: Path, tmp_path: Path, name: str, inner: str, words: str) -> None:
    packed = zipped(files / KLINES, tmp_path / f"GNUUSDT-1m-{name}.zip", f"GNUUSDT-1m-{inner}.csv")
    assert words in command("inspect", packed).output
    packed = zipped(
        files / TRADES, tmp_path / f"GNUUSDT-trades-{name}.zip", f"GNUUSDT-trades-{inner}.csv"
    )
    assert words in command("inspect", packed).output


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("symbol", "HENUSDT", "the symbol is GNUUSDT by its name and HENUSDT by its rows"),
        ("timeframe", "5m", "the interval is 1m by its name and 5m by its rows"),
    ],
)
def test_rows_of_klines_that_state_something_else(
    tmp_path: Path, column: str, value: str, words: str
) -> None:
    path = write_klines(tmp_path / KLINES, candles(traded(31)))
    header, *rows = path.read_text().splitlines()
    lines = [f"{header},{column}", *(f"{row},{value}" for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    ran = command("inspect", path)
    assert words in ran.output
    assert ran.exit_code != 0


def test_a_recording_named_for_a_symbol_that_is_not_in_it(tmp_path: Path) -> None:
    lines = [
        f'{START // 10**6 + i} {{"e":"trade","E":{START // 10**6 + i},"T":{START // 10**6 + i},'
        f'"s":"HENUSDT","t":{i},"p":"1.5","q":"2","X":"MARKET","m":{"true" if i % 2 else "false"}}}'
        for i in range(1, 9)
    ]
    for name, code in (("GNUUSDT-trades.txt", 3), ("HENUSDT-trades.txt", 0), ("a.txt", 0)):
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        ran = command("inspect", tmp_path / name)
        assert ran.exit_code == code, ran.output
    ran = command("inspect", tmp_path / "GNUUSDT-trades.txt")
    assert "the symbol is GNUUSDT by its name and HENUSDT by its rows" in ran.output


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("GNUUSDT-trades.zip", "data.csv"),
        ("GNUUSDT-trades.zip", "DATA.csv"),
        ("GNUUSDT-trades (1).zip", "GNUUSDT-trades.csv"),
        ("my download.zip", "GNUUSDT-trades.csv"),
        ("GNU-USDT-trades.zip", "GNUUSDT-trades.csv"),
        ("binance_GNUUSDT-trades.zip", "GNUUSDT-trades.csv"),
    ],
)
def test_names_that_agree_or_say_nothing(
    files: Path, tmp_path: Path, name: str, inner: str
) -> None:
    packed = zipped(files / TRADES, tmp_path / name, inner)
    assert command("inspect", packed).exit_code == 0


def test_a_ccxt_pair_in_a_column_is_the_symbol_of_the_name(tmp_path: Path) -> None:
    path = write_klines(tmp_path / KLINES, candles(traded(31)), columns=HEADER)
    header, *rows = path.read_text().splitlines()
    for pair in ("GNU/USDT", "GNU/USDT:USDT", "GNU-USDT"):
        lines = [f"{header},symbol", *(f"{row},{pair}" for row in rows)]
        path.write_text("\n".join(lines) + "\n")
        assert command("inspect", path).exit_code == 0, pair


def test_the_day_of_the_name_inside_is_claimed_where_the_own_name_says_nothing(
    files: Path, tmp_path: Path
) -> None:
    packed = zipped(files / TRADES, tmp_path / "download.zip", f"GNUUSDT-trades-{DAY}.csv")
    ran = command("inspect", packed)
    assert ran.exit_code == 3
    assert "starts_late" in ran.output


def test_files_of_another_symbol_than_the_given_one(files: Path, tmp_path: Path) -> None:
    other = traded(32, symbol="HENUSDT", first_id=5)
    klines = tmp_path / "klines"
    write_klines(klines / "HENUSDT-1m.csv", candles(other))
    (klines / KLINES).write_bytes((files / KLINES).read_bytes())
    hen = write_trades(tmp_path / "HENUSDT-trades.csv", other)
    given = ("--symbol", "GNUUSDT")
    # Both were taken for the given symbol, and added up.
    ran = replayed(tmp_path / "both", files / TRADES, hen, "--klines", klines, *given)
    assert ran.exit_code == 0, ran.output
    assert "72 trades of 1 symbol" in ran.output
    assert "12 identical" in ran.output
    for name in ("HENUSDT-trades.csv", "HENUSDT-1m.csv"):
        assert f"{name} holds the symbol HENUSDT, which is not the given one" in ran.output
    ran = command("compare", klines, "--klines", klines, *given)
    assert (ran.exit_code, "12 identical" in ran.output) == (0, True)
    ran = replayed(tmp_path / "klines-only", files / TRADES, "--klines", klines / "HENUSDT-1m.csv")
    assert ran.exit_code == 3
    ran = command("compare", files / KLINES, "--klines", klines / "HENUSDT-1m.csv", *given)
    assert (ran.exit_code, "found the symbol HENUSDT" in ran.output) == (2, True)
    ran = replayed(tmp_path / "alone", hen, *given)
    assert ran.exit_code == 3
    assert "the symbol is HENUSDT by its name and GNUUSDT was given" in ran.output


@pytest.mark.parametrize("other", ["GNUUSDT-aggTrades.csv", "GNUUSDT-1m.csv"])
def test_rows_of_another_kind_than_the_name(tmp_path: Path, other: str) -> None:
    """Raw trades named as aggregates, or as klines: the columns say what they are."""
    path = write_trades(tmp_path / other, traded(31))
    klines = write_klines(tmp_path / "given" / KLINES, candles(traded(31)))
    for words in ((), ("--klines", klines)):
        ran = replayed(tmp_path / "out", path, *words, "--force")
        assert ran.exit_code == 3, ran.output
        assert "by its name and trades by its rows" in ran.output
    assert command("inspect", path).exit_code == 3
    named = write_klines(tmp_path / "GNUUSDT-trades.csv", candles(traded(31)))
    trades = write_trades(tmp_path / "given" / TRADES, traded(31))
    ran = replayed(tmp_path / "klines", trades, "--klines", named)
    assert (ran.exit_code, "12 identical" in ran.output) == (3, True)
    assert "the kind is trades by its name and klines by its rows" in ran.output
