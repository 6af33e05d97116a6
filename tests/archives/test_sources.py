"""Other exchanges' and data sellers' files, against the trades they were made of."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.archives import ColumnMap, detect, open_trades, read_klines
from kline_harness.archives.trade_file import TradeFile
from kline_harness.errors import InputError, UserError
from kline_harness.inspection import inspect_files
from kline_harness.kline import PRICE_FIELDS
from kline_harness.verdict import Validity

from tests.archives.files import Row, exact, read, rows_of
from tests.archives.source_files import KLINES, START_NS, Source, kline_files, sources, trades

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "sources"
SOURCES = sources()
D = Decimal


def _text(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


@pytest.mark.parametrize("block_bytes", [1, 4 << 20])
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_every_source_is_read_exactly(source: Source, block_bytes: int) -> None:
    path = FIXTURES / source.name
    # Pythons differ in a byte of the gzip header: the text is what must be the same.
    assert _text(path.read_bytes()) == _text(source.content)
    assert read(path, block_bytes=block_bytes, symbol=None) == source.rows()
    file = TradeFile(path, block_bytes=block_bytes)
    tapes = list(file.chunks())
    info = file.info
    missing = [*([] if source.ids else ["trade ids"]), *([] if source.sides else ["sides"])]
    assert (info.source, info.unit, info.not_stated) == (source.source, source.unit, tuple(missing))
    assert (info.layout, info.symbols, info.rows) == ("trades", (source.symbol,), 40)
    assert info.coverage is None
    assert info.receive_unit == ("us" if source.late else None)
    late = source.late or 0
    for tape in tapes:
        assert (tape.arrival_ns - tape.event_time_ns).tolist() == [late] * len(tape)
    assert detect(path) == "trades"


def test_a_look_at_the_first_rows_disturbs_no_other_pass() -> None:
    file = TradeFile(FIXTURES / "XBTUSD.csv", block_bytes=1)
    ids = []
    for tape in file.chunks():
        assert (file.peek().first_trade_id, file.peek().ids_stated) == (None, False)
        ids += tape.trade_id.tolist()
    assert ids == list(range(1, 41))


def altered(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """A fixture with a part of its text replaced once."""
    text = (FIXTURES / name).read_text()
    assert old in text
    path = tmp_path / name
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "expected"),
    [
        ("BTCUSDT_2024-05-15.csv", ",buy\n", ",hold\n", 2, "buy or sell for side"),
        ("BTCUSDT2024-05-15.csv", "\n1715731220", "\n1715731100", 5, "the oldest first"),
        ("BTCUSDT2024-05-15.csv", ",BTCUSDT,Sell", ",ETHUSDT,Sell", 3, "one symbol in a file"),
        ("BTC-USD-trades.csv", "Z,7000002", "+01:00,7000002", 3, "a time such as"),
        ("XBTUSD.csv", "1715731220,63003.30", "1715731220,6.3e4x", 4, "a plain decimal number"),
        ("BTCUSD_trades.csv", ",0\n", ",2\n", 2, "0 or 1 for side"),
    ],
)
def test_bad_rows_are_named(
    tmp_path: Path, name: str, old: str, new: str, line: int, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(altered(tmp_path, name, old, new))
    assert caught.value.line == line
    assert expected in caught.value.expected


def test_one_symbol_of_several_can_be_chosen(tmp_path: Path) -> None:
    path = altered(tmp_path, "BTCUSDT2024-05-15.csv", ",BTCUSDT,Sell", ",ETHUSDT,Sell")
    assert len(read(path, symbol="BTCUSDT")) == 39
    (other,) = read(path, symbol="ETHUSDT")
    # Numbers are those of the rows of the file.
    assert (other.symbol, other.id) == ("ETHUSDT", 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"error":["EGeneral:Invalid arguments"],"result":{}}', "a reply with a result"),
        ('{"error":[],"result":{"A":[[1]],"B":[[1]]}}', "the rows of one pair"),
        ('{"error":[],"result":{"A":[]}}', "a reply of Kraken with rows"),
        ('{"error":[],"result":{"A":[[1,2]]}}', "rows of Kraken's Trades or OHLC"),
        ('{"error":[],"result":', "a JSON reply"),
    ],
)
def test_other_replies_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "reply.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        detect(path)
    assert expected in caught.value.expected


@pytest.mark.parametrize("name", sorted(kline_files()))
def test_klines_of_other_sources(name: str) -> None:
    assert (FIXTURES / name).read_bytes() == kline_files()[name]
    klines = read_klines(FIXTURES / name)
    assert (klines.symbol, klines.interval.text) == ("XBTUSD", "1m")
    assert klines.fields == (*PRICE_FIELDS, "volume", "count")
    (instrument,) = klines.batch.instruments
    read_back = [
        (
            int(klines.batch.open_time_ns[row]) // 10**9,
            *(exact(getattr(klines.batch, f)[row], instrument.price_scale) for f in PRICE_FIELDS),
            exact(klines.batch.volume[row], instrument.quantity_scale),
            int(klines.batch.count[row]),
        )
        for row in range(len(klines.batch))
    ]
    assert read_back == [(row[0], *map(D, row[1:6]), row[6]) for row in KLINES]


# --- tables by a column map --------------------------------------------------------------------


def table(**columns: Any) -> pa.Table:
    """The trades as a table; columns given replace or add to the usual ones."""
    rows = trades(3)
    usual = {
        "tid": pa.array([t.id for t in rows], pa.int64()),
        "px": pa.array([D(t.price) for t in rows], pa.decimal128(20, 9)),
        "size": pa.array([t.quantity for t in rows], pa.string()),
        "ts": pa.array([t.time_ns // 10**6 for t in rows], pa.timestamp("ms", tz="UTC")),
        "sell": pa.array([t.taker_sells for t in rows], pa.bool_()),
        "dir": pa.array(["S" if t.taker_sells else "B" for t in rows]).dictionary_encode(),
    }
    return pa.table(usual | columns)


def column_map(tmp_path: Path, text: str) -> ColumnMap:
    path = tmp_path / "map.toml"
    path.write_text(text)
    return ColumnMap.read(path)


USUAL = 'price = "px"\nquantity = "size"\ntime = "ts"\nid = "tid"\n'


def expected_rows() -> list[Row]:
    return Source("", "", trades(3), b"", "").rows()


def read_table(path: Path, columns: ColumnMap, symbol: str | None = "BTCUSDT") -> list[Row]:
    return rows_of(open_trades(path, symbol=symbol, columns=columns).chunks())


@pytest.mark.parametrize("form", ["parquet", "arrow"])
@pytest.mark.parametrize(
    "sides",
    ['maker = "sell"', 'side = "dir"\nbuy = "B"\nsell = "S"'],
    ids=["maker", "side"],
)
def test_a_table_by_a_column_map(tmp_path: Path, form: str, sides: str) -> None:
    path = tmp_path / f"trades.{form}"
    if form == "parquet":
        pq.write_table(table(), path, row_group_size=7)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table().schema) as writer:
            writer.write_table(table(), max_chunksize=7)
    columns = column_map(tmp_path, USUAL + sides)
    assert read_table(path, columns) == expected_rows()
    file = open_trades(path, symbol="BTCUSDT", columns=columns)
    assert sum(map(len, file.chunks())) == 40
    assert (file.info.source, file.info.not_stated) == ("table", ())
    assert file.info.sha256 is not None


def test_integers_text_and_quotes(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    rows = trades(3)
    quotes = pa.array([str(D(t.price) * D(t.quantity)) for t in rows])
    times = pa.array([t.time_ns // 1000 for t in rows], pa.int64())
    names = pa.array(["BTCUSDT"] * 40)
    pq.write_table(table(q=quotes, us=times, s=names), path)
    text = 'price = "px"\nquantity = "size"\ntime = "us"\nquote = "q"\nsymbol = "s"\n'
    found = read_table(path, column_map(tmp_path, text), None)
    assert [row._replace(id=0, first=0, last=0) for row in found] == [
        row._replace(id=0, first=0, last=0, maker=False) for row in expected_rows()
    ]


def test_floats_only_where_the_map_allows_them(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    floats = pa.array([float(t.price) for t in trades(3)], pa.float64())
    singles = pa.array(np.array([t.quantity for t in trades(3)], dtype=np.float32))
    pq.write_table(table(px=floats, size=singles), path)
    text = USUAL + 'maker = "sell"\n'
    with pytest.raises(InputError) as caught:
        read_table(path, column_map(tmp_path, text))
    assert "exact numbers" in caught.value.expected
    assert "'px' for price" in caught.value.expected
    assert caught.value.found == "double"
    assert read_table(path, column_map(tmp_path, text + 'float = "shortest"')) == expected_rows()


def test_small_floats_have_no_exponent(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(px=pa.array([1e-7] * 40)), path)
    found = read_table(path, column_map(tmp_path, USUAL + 'float = "shortest"'))
    assert {row.price for row in found} == {D("0.0000001")}


@pytest.mark.parametrize(
    ("column", "values", "expected", "line"),
    [
        ("size", [None] + ["1"] * 39, "a value for quantity", 1),
        ("size", ["1"] * 39 + ["1x5"], "a plain decimal number for quantity", 40),
        ("dir", ["B"] * 5 + ["?"] * 35, "one of B S for side", 6),
    ],
)
def test_bad_values_of_a_table(
    tmp_path: Path, column: str, values: list[str | None], expected: str, line: int
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(**{column: pa.array(values)}), path)
    with pytest.raises(InputError) as caught:
        read_table(path, column_map(tmp_path, USUAL + 'side = "dir"\nbuy = ["B"]\nsell = ["S"]\n'))
    assert (caught.value.expected, caught.value.line) == (expected, line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('price = "px"', "a column for quantity"),
        (USUAL + 'cost = "c"', "one of price quantity"),
        (USUAL + 'float = "any"', 'float = "shortest"'),
        (USUAL + 'maker = "a"\nside = "b"', "maker or side"),
        (USUAL + 'side = "b"\nside_of = "buyer"', "side_of taker or maker"),
        ("price = ", "TOML"),
    ],
)
def test_a_map_that_says_nothing_known_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        column_map(tmp_path, text)
    assert expected in str(caught.value)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    columns = column_map(tmp_path, USUAL)
    path = tmp_path / "t.csv"
    path.write_text("px,size\n1,2\n")
    with pytest.raises(InputError, match="a column 'ts' for time"):
        open_trades(path, columns=columns)
    pq.write_table(table().drop(["px"]), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="a column 'px' for price"):
        open_trades(tmp_path / "t.parquet", columns=columns)
    assert START_NS % 86_400_000_000_000 == 0


@pytest.mark.parametrize("block_bytes", [1, 500, 4 << 20])
@pytest.mark.parametrize(
    "source", [s for s in SOURCES if s.name.endswith(".csv")], ids=lambda s: s.name
)
def test_line_ends_marks_and_packing_change_nothing(
    source: Source, block_bytes: int, tmp_path: Path
) -> None:
    path = tmp_path / source.name
    bom = b"" if source.name.startswith("BTC-USDT-trades-2024-05-14") else b"\xef\xbb\xbf"
    path.write_bytes(bom + source.content.replace(b"\n", b"\r\n").rstrip())
    assert read(path, block_bytes=block_bytes) == source.rows()


@pytest.mark.parametrize("bad", [" 63003.30", "0x10", "1e5x", "", "nan", "63,5", "6\r3", '"63"'])
def test_the_grammar_is_as_strict_as_for_the_archive(bad: str, tmp_path: Path) -> None:
    """Also where sides and symbols are cut out of the text before its numbers are read."""
    for name in ("BTCUSDT2024-05-15.csv", "BTCUSDT_2024-05-15.csv", "XBTUSD.csv"):
        path = tmp_path / name
        text = (FIXTURES / name).read_text()
        path.write_bytes(text.replace("63003.30", bad, 1).encode())
        with pytest.raises(InputError) as caught:
            read(path)
        assert caught.value.line in (4, 5)


def test_a_table_can_be_inspected(tmp_path: Path) -> None:
    columns = column_map(tmp_path, USUAL + 'maker = "sell"')
    pq.write_table(table(), tmp_path / "BTCUSDT.parquet")
    inspection = inspect_files([tmp_path / "BTCUSDT.parquet"], columns=columns)
    assert inspection.validity is Validity.VALID
    assert inspection.files[0].verdict.counts["rows"] == 40


def test_columns_that_the_map_leaves_out_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(table(), path)
    file = open_trades(path, symbol="BTCUSDT", columns=column_map(tmp_path, USUAL))
    assert file.peek().unread_columns == ("sell", "dir")
