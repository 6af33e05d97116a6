"""Kline files, the exchange's and others'."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kline_harness.archives import ExchangeKlines, detect, read_klines
from kline_harness.errors import InputError
from kline_harness.interval import INTERVALS, parse_interval
from kline_harness.kline import FIELDS, PRICE_FIELDS, QUANTITY_FIELDS, Trigger

from tests.archives.files import COMPRESSIONS, START_MS, exact, write

D = Decimal
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
OTHER_HEADERS = [
    (
        "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
        "Taker buy base asset volume,Taker buy quote asset volume,Ignore"
    ),
    (
        "timestamp,open,high,low,close,volume,closeTime,quoteAssetVolume,trades,"
        "takerBuyBaseAssetVolume,takerBuyQuoteAssetVolume,unused"
    ),
    (
        "date,open,high,low,close,volume,close_time,quote_volume,trade_count,"
        "taker_buy_base_volume,taker_buy_quote_volume,ignored"
    ),
]
MINUTE_MS = 60_000
MS = 1_000_000


def official(rows: int = 3, *, unit_ns: int = MS, step_ms: int = MINUTE_MS) -> list[list[str]]:
    """Rows in the archive's columns, every field another number."""
    table = []
    for n in range(rows):
        open_time = (START_MS + n * step_ms) * MS // unit_ns
        close_time = (START_MS + (n + 1) * step_ms) * MS // unit_ns - 1
        prices = [f"10{n}.50", f"11{n}", f"9{n}.125", f"10{n}.1"]
        rest = [
            f"{n}.250",
            str(close_time),
            f"{n}25.12345678",
            str(7 + n),
            f"0.{n}5",
            f"{n}1.5",
            "0",
        ]
        table.append([str(open_time), *prices, *rest])
    return table


def text(rows: list[list[str]], header: str = "") -> str:
    lines = [header] * bool(header) + [",".join(row) for row in rows]
    return "\n".join(lines) + "\n"


def values(klines: ExchangeKlines) -> list[dict[str, Decimal]]:
    """The nine fields of each row as exact decimals."""
    (instrument,) = klines.batch.instruments
    scales = dict.fromkeys(FIELDS, instrument.quote_scale) | {"count": 0}
    scales |= dict.fromkeys(PRICE_FIELDS, instrument.price_scale)
    scales |= dict.fromkeys(QUANTITY_FIELDS, instrument.quantity_scale)
    return [
        {name: exact(getattr(klines.batch, name)[row], scales[name]) for name in FIELDS}
        for row in range(len(klines.batch))
    ]


def stated(row: list[str]) -> dict[str, Decimal]:
    """The nine fields of an official row, by plain Python."""
    fields = dict(zip(HEADER.split(","), row, strict=True))
    return {name: D(fields[name]) for name in FIELDS}


@pytest.mark.parametrize("header", ["", HEADER], ids=["bare", "header"])
@pytest.mark.parametrize("unit_ns", [MS, 1_000], ids=["ms", "us"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_archives_klines(tmp_path: Path, header: str, unit_ns: int, compression: str) -> None:
    rows = official(unit_ns=unit_ns)
    path = write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", text(rows, header), compression)
    for block_bytes in (1, 4 << 20):
        klines = read_klines(path, block_bytes=block_bytes)
        assert values(klines) == [stated(row) for row in rows]
        assert (klines.symbol, klines.interval.text, klines.fields) == ("ALFAUSDT", "1m", FIELDS)
        opens = [(START_MS + n * MINUTE_MS) * MS for n in range(3)]
        closes = [time + MINUTE_MS * MS for time in opens]
        assert klines.batch.open_time_ns.tolist() == opens
        assert klines.batch.at_ns.tolist() == klines.close_time_ns.tolist() == closes
        assert klines.first_line == (2 if header else 1)
        assert set(klines.batch.trigger) == {Trigger.TICK}
        assert set(klines.batch.first_trade_id) == set(klines.batch.last_trade_id) == {-1}
        info = klines.info
        assert (info.layout, info.rows, info.unit) == (
            "klines",
            3,
            {MS: "ms", 1_000: "us"}[unit_ns],
        )
        assert (info.first_event_time_ns, info.last_event_time_ns) == (opens[0], opens[-1])
        assert info.coverage == (START_MS * MS, (START_MS + 86_400_000) * MS)
    assert info.sha256 is not None
    assert detect(path) == "klines"


def test_zero_is_zero_however_it_is_written(tmp_path: Path) -> None:
    (row,) = official(1)
    results = []
    for zero in ("0", "0.0", "0.00000000"):
        for name in ("volume", "quote_volume", "count", "taker_buy_volume"):
            row[HEADER.split(",").index(name)] = zero
        klines = read_klines(write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", text([row])))
        results.append((values(klines), klines.batch.instruments))
        assert klines.batch.count.dtype.kind == "i"
    assert results[0] == results[1] == results[2]
    assert results[0][0][0]["volume"] == 0


def test_absent_fields_are_zero_and_not_listed(tmp_path: Path) -> None:
    path = write(
        tmp_path / "other.csv",
        "date,open,high,low,close,volume\n"
        + "".join(f"{START_MS + n * 3 * MINUTE_MS},1.5,2.0,1.25,1.75,3478.0\n" for n in (0, 1, 5)),
    )
    klines = read_klines(path, symbol="ALFAUSDT")
    assert klines.fields == ("open", "high", "low", "close", "volume")
    assert klines.interval.text == "3m"
    assert values(klines)[2] == dict.fromkeys(FIELDS, D(0)) | {
        "open": D("1.5"),
        "high": D(2),
        "low": D("1.25"),
        "close": D("1.75"),
        "volume": D(3478),
    }
    assert klines.batch.instruments[0].quantity_scale == 0
    assert klines.close_time_ns.tolist() == klines.batch.at_ns.tolist()


@pytest.mark.parametrize("names", OTHER_HEADERS)
def test_other_names_for_the_same_columns(tmp_path: Path, names: str) -> None:
    rows = official()
    path = write(tmp_path / "ALFAUSDT_1m.csv", text(rows, names))
    klines = read_klines(path)
    assert (klines.symbol, klines.fields) == ("ALFAUSDT", FIELDS)
    assert values(klines) == [stated(row) for row in rows]


def test_symbol_and_timeframe_columns_come_before_the_name(tmp_path: Path) -> None:
    header = "symbol,timeframe,open_time,open,high,low,close,volume,trades"
    lines = [f"BETAUSDT,1d,{START_MS + n * 86_400_000},1,2,1,2,5,{n}" for n in range(3)]
    path = write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", "\n".join([header, *lines]))
    for block_bytes in (1, 4096):
        klines = read_klines(path, block_bytes=block_bytes)
        assert (klines.symbol, klines.interval.text) == ("BETAUSDT", "1d")
        assert klines.batch.count.tolist() == [0, 1, 2]
    given = read_klines(path, symbol="GAMMAUSDT", interval=parse_interval("5m"))
    assert (given.symbol, given.interval.text) == ("GAMMAUSDT", "5m")
    for cell, other in (("BETAUSDT", "ALFAUSDT"), ("1d", "1m"), ("1d", "")):
        changed = [header, *lines[:2], lines[2].replace(cell, other)]
        write(path, "\n".join(changed))
        for block_bytes in (1, 4096):
            with pytest.raises(InputError, match=f"line 4: expected one .* in a file, {cell}"):
                read_klines(path, block_bytes=block_bytes)


def test_an_unknown_timeframe_is_named(tmp_path: Path) -> None:
    header = "timeframe,open_time,open,high,low,close"
    path = write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", f"{header}\n7m,{START_MS},1,1,1,1\n")
    with pytest.raises(InputError, match="line 2: expected a known timeframe, found '7m'"):
        read_klines(path)


@pytest.mark.parametrize("interval", INTERVALS[:15], ids=str)
@pytest.mark.parametrize("closes", [True, False], ids=["closes", "opens"])
def test_the_interval_of_the_times(tmp_path: Path, interval: Any, closes: bool) -> None:
    rows = official(6, step_ms=interval.length_ns // MS)
    del rows[1]  # a gap does not make the interval longer
    rows[2][6] = rows[2][0]  # nor does a wrong close time make it shorter
    columns = 12 if closes else 6
    content = text([row[:columns] for row in rows])
    assert read_klines(write(tmp_path / "x.csv", content), symbol="A").interval == interval


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "opens"])
def test_months_are_told_by_their_length(tmp_path: Path, closes: bool) -> None:
    starts = [1704067200000, 1706745600000, 1709251200000, 1711929600000]  # 2024-01 ... 2024-04
    content = "".join(
        f"{start},1,1,1,1,0" + (f",{end - 1},0,0,0,0,0\n" if closes else "\n")
        for start, end in itertools.pairwise(starts)
    )
    klines = read_klines(write(tmp_path / "x.csv", content), symbol="ALFAUSDT")
    assert klines.interval.text == "1M"
    assert klines.batch.at_ns.tolist() == [end * MS for end in starts[1:]]


@pytest.mark.parametrize(
    ("name", "interval"),
    [("A-1mo-2024-05.csv", "1M"), ("A-1M-2024.csv", "1M"), ("A-1m-2024.csv", "1m"), ("A_1w", "1w")],
)
def test_the_interval_of_the_name(tmp_path: Path, name: str, interval: str) -> None:
    klines = read_klines(write(tmp_path / name, text(official(2))))
    assert (klines.symbol, klines.interval.text) == ("A", interval)


def test_one_kline_without_a_length_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", f"{START_MS},1,1,1,1,0\n")
    with pytest.raises(InputError, match="expected an interval, in the file's name"):
        read_klines(path, symbol="ALFAUSDT")
    with pytest.raises(InputError, match="expected a symbol, in the file's name"):
        read_klines(path)


def test_misaligned_times_and_disorder_are_kept(tmp_path: Path) -> None:
    rows = official(4)
    rows[1][0] = str(START_MS + MINUTE_MS + 14_000)
    rows[2][6] = "1518168494788"
    rows = [rows[1], rows[0], rows[2], rows[3]]
    klines = read_klines(write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", text(rows)))
    opens = [START_MS + MINUTE_MS + 14_000, START_MS, START_MS + 2 * MINUTE_MS]
    assert klines.batch.open_time_ns[:3].tolist() == [time * MS for time in opens]
    assert klines.close_time_ns[2] == 1518168494789 * MS
    assert klines.batch.at_ns[0] == (START_MS + 2 * MINUTE_MS) * MS


# A close time of -1 is read as it stands: close times are inspected elsewhere.
@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (column, cell)
        for column in range(11)
        for cell in ("", "NaN", "-1", "1e5x", "x", "1" * 40)
        if (column, cell) != (6, "-1")
    ],
)
def test_a_bad_cell_is_named_by_its_line(tmp_path: Path, column: int, cell: str) -> None:
    rows = official(50)
    rows[40][column] = cell
    path = write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", text(rows, HEADER))
    for block_bytes in (1000, 4 << 20):
        with pytest.raises(InputError) as caught:
            read_klines(path, block_bytes=block_bytes)
        assert caught.value.line == 42
        assert cell[:20] in caught.value.found


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        (0, str(START_MS * 1000), "an open time in ms like the rows before"),
        (0, str(START_MS // 1000), "an open time in ms like the rows before"),
        (8, "7.5", "a whole number for count"),
    ],
)
def test_a_wrong_value_is_named_by_its_line(
    tmp_path: Path, column: int, cell: str, expected: str
) -> None:
    rows = official(50)
    rows[40][column] = cell
    path = write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", text(rows))
    for block_bytes in (1000, 4 << 20):
        with pytest.raises(InputError) as caught:
            read_klines(path, block_bytes=block_bytes)
        assert (caught.value.line, caught.value.expected) == (41, expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("open_time,open,high,low\n1715731200000,1,1,1\n", "a column for the klines field 'close'"),
        (
            "open_time,open\n1715731200000,1\n",
            "a column for the klines field 'high' (and for 'low', 'close')",
        ),
        ("open,high,low,close,volume\n1,1,1,1,1\n", "a column for the klines field 'open_time'"),
        ("date,open,open,high,low,close\n1,1,1,1,1,1\n", "one column for the klines field"),
        ("date,open,high,low,close,volume\n15.05.2024,1,1,1,1,1\n", "an epoch timestamp"),
        (f"1,2,3,6,{START_MS},true\n", "klines"),
    ],
)
def test_what_is_no_kline_file_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    path = write(tmp_path / "ALFAUSDT-1m-2024-05-15.csv", content)
    with pytest.raises(InputError) as caught:
        read_klines(path)
    assert expected in caught.value.expected


def test_columns_whose_names_mean_nothing_known_are_named(tmp_path: Path) -> None:
    path = tmp_path / "FOXUSDT-1m.csv"
    rows = [[*row[:6], "1.5", "x"] for row in official()]
    path.write_text(text(rows, "open_time,open,high,low,close,vol,vwap,Note"))
    klines = read_klines(path)
    assert klines.info.unread_columns == ("vol", "vwap", "Note")
    assert klines.fields == PRICE_FIELDS


def test_numbers_wider_than_18_digits_and_of_different_decimals_are_exact(tmp_path: Path) -> None:
    """A real day of BTCUSDT has a quote volume of 19 digits; floats leave 17 decimals."""
    rows = official()
    rows[0][5], rows[1][5] = "12.9", "0.30000000000000004"
    rows[1][7], rows[2][7] = "17490219043.12345678", "0.1"
    path = tmp_path / "ALFAUSDT-1m-2024-05-15.csv"
    path.write_text(text(rows, HEADER))
    found = values(read_klines(path))
    assert [row["volume"] for row in found] == [D("12.9"), D("0.30000000000000004"), D("2.25")]
    assert [row["quote_volume"] for row in found[1:]] == [D("17490219043.12345678"), D("0.1")]
