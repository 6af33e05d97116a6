"""Inputs after users' reports and inputs that once crashed: read for what they are, or refused in
one sentence. What they hold was put together by hand (fixtures/cases/metadata.json)."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from kline_harness.archives import ColumnMap, detect, open_trades, read_all_klines, read_klines
from kline_harness.errors import InputError
from kline_harness.kline import PRICE_FIELDS

from tests.archives.files import Row, exact, rows_of
from tests.replays import ROOT, command, replay

CASES = ROOT / "fixtures" / "cases"
CRASHES = CASES / "crashes"
D = Decimal


def mapped(name: str, text: str, tmp_path: Path, symbol: str | None = None) -> list[Row]:
    column_map = tmp_path / "map.toml"
    column_map.write_text(text)
    columns = ColumnMap.read(column_map)
    return rows_of(open_trades(CASES / "case12" / name, symbol=symbol, columns=columns).chunks())


FIRST = (5000001, D("61.39"), D("26.4"), 1770112801978000000, True)
"""The trade that the tables of case12 begin with: id, price, quantity, time, taker sells."""
BASE = 'price = "price"\nquantity = "amount"\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "FOXUSD-bitfinex.csv",
            'price = "PRICE"\nquantity = "AMOUNT"\ntime = "MTS"\nid = "ID"\nsigned = true\n',
        ),
        ("FOXUSD-bitfinex.csv", 'price = "PRICE"\nquantity = "AMOUNT"\ntime = "MTS"\nid = "ID"\n'),
        ("FOXUSDT-ccxt-trades.csv", BASE + 'time = "timestamp"\nid = "id"\nside = "side"\n'),
        ("cryptofeed.csv", BASE + 'time = "timestamp"\nid = "id"\nside = "side"\n'),
        (
            "FOX_USDT-trades.feather",
            BASE + 'time = "timestamp"\nid = "id"\nside = "side"\nfloat = "shortest"\n',
        ),
        (
            "cryptofeed.parquet",
            BASE + 'time = "timestamp"\nid = "id"\nside = "side"\nfloat = "shortest"\n',
        ),
    ],
)
def test_tables_with_their_own_headers_by_a_map(tmp_path: Path, name: str, text: str) -> None:
    first, second, *_ = mapped(name, text, tmp_path, "FOX")
    found = (first.id, first.price, first.quantity, first.time_ns, first.maker)
    assert found == FIRST
    assert (second.id, second.quantity) == (5000002, D("38.0"))


def test_signed_floats_of_a_table(tmp_path: Path) -> None:
    text = 'price = "price"\nquantity = "size"\ntime = "ts"\nfloat = "shortest"\n'
    rows = mapped("signed.parquet", text, tmp_path, "FOX")
    assert [(r.quantity, r.maker) for r in rows[:3]] == [
        (D("26.4"), True),
        (D("38"), True),
        (D("27.9"), False),
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-05", "0.00001"), ("2.5E+3", "2500"), ("+7.5", "7.5"), ('"0.10"', "0.1"), ("1.", "1")],
)
def test_numbers_of_a_mapped_file_are_exact_however_written(
    tmp_path: Path, written: str, value: str
) -> None:
    path = tmp_path / "FOXUSDT-trades.csv"
    path.write_text(f"t,p,q,note\n1770112801.978,61.39,{written},x\n")
    (tmp_path / "map.toml").write_text('price = "p"\nquantity = "q"\ntime = "t"\n')
    columns = ColumnMap.read(tmp_path / "map.toml")
    (row,) = rows_of(open_trades(path, columns=columns).chunks())
    assert (row.quantity, row.time_ns) == (D(value), 1770112801978000000)


@pytest.mark.parametrize(
    "written", ["1e", "1e999999999", "e5", "1,5", "0x1", "nan", "--1", "", "1e-400"]
)
def test_no_numbers_of_a_mapped_file_are_named_by_line(tmp_path: Path, written: str) -> None:
    path = tmp_path / "FOXUSDT-trades.csv"
    path.write_text(f't,p,q\n1770112801,61.39,2\n1770112801,61.39,"{written}"\n')
    (tmp_path / "map.toml").write_text('price = "p"\nquantity = "q"\ntime = "t"\n')
    with pytest.raises(InputError) as caught:
        list(open_trades(path, columns=ColumnMap.read(tmp_path / "map.toml")).chunks())
    assert (caught.value.line, "for quantity" in caught.value.expected) == (3, True)


def test_a_map_that_is_about_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.toml").write_text('price = "p"\nquantity = "q"\ntime = "t"\n')
    path = CASES / "case02" / "FOXUSDT-trades.csv"
    ran = replay(tmp_path / "run", path, "--columns", tmp_path / "map.toml")
    assert (ran.exit_code, "in the header of none of the files" in ran.output) == (2, True)


@pytest.mark.parametrize(
    ("name", "source", "symbol", "ids"),
    [
        ("FOX_USDT-202602.csv", "gate", "FOX_USDT", True),
        ("FOXUSDT_SPBL_1002_20260203.csv", "bitget", "FOXUSDT", True),
        ("bitmex.csv", "bitmex", "FOXUSD", False),
    ],
)
def test_files_of_more_exchanges(name: str, source: str, symbol: str, ids: bool) -> None:
    file = open_trades(CASES / "case12" / name)
    first, second, third, *_ = rows_of(file.chunks())
    info = file.info
    assert (info.source, info.symbols, info.ids_stated) == (source, (symbol,), ids)
    assert [row.maker for row in (first, second, third)] == [True, True, False]
    assert [row.price for row in (first, second, third)] == [D("61.39"), D("61.40"), D("61.43")]
    if ids:
        assert (first.id, first.quantity, first.time_ns) == (FIRST[0], FIRST[2], FIRST[3])
    else:
        assert (first.quantity, first.time_ns) == (D("27"), 1770112800948313000)


def test_a_symbol_of_a_file_without_ids_is_held_to_its_own_order(tmp_path: Path) -> None:
    """BitMEX writes one symbol after the other: the second begins in the morning again."""
    text = (CASES / "case12" / "bitmex.csv").read_text()
    header, *rows = text.splitlines(keepends=True)
    path = tmp_path / "trades.csv"
    path.write_text(header + "".join(rows) + "".join(rows).replace("FOXUSD", "HENUSD"))
    for symbol in ("FOXUSD", "HENUSD"):
        assert len(rows_of(open_trades(path, symbol=symbol).chunks())) == len(rows)


# --- replies and recordings --------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["FOXUSDT-aggTrades.json", "FOXUSDT-aggTrades.jsonl", "combined.jsonl", "wrapped.jsonl"],
)
def test_the_usual_forms_of_binances_trades(name: str) -> None:
    file = open_trades(CASES / "case11" / name)
    rows = rows_of(file.chunks())
    assert [row.id for row in rows] == list(range(7000, 7008))
    assert (rows[0].price, rows[0].quantity, rows[0].maker) == (D("61.41"), D("35.0"), True)
    assert rows[0].time_ns == 1770112801112000000
    assert (file.info.symbols, file.info.market) == (("FOXUSDT",), "spot")


def test_a_field_of_a_reply_that_means_nothing_known_is_named() -> None:
    file = open_trades(CASES / "case11" / "CLUSDT-aggTrades.json")
    assert (file.info.unread_columns, sum(map(len, file.chunks()))) == (("nq",), 25)


def test_a_reply_of_klines(tmp_path: Path) -> None:
    klines = read_klines(CASES / "case11" / "FOXUSDT-1m.json")
    assert (klines.symbol, klines.interval.text, len(klines.batch)) == ("FOXUSDT", "1m", 4)
    assert klines.batch.count.tolist() == [8, 8, 8, 8]
    replies = json.loads((CASES / "case11" / "FOXUSDT-1m.json").read_text())
    (tmp_path / "FOXUSDT-1m.json").write_text(json.dumps(replies, indent=2))
    assert len(read_klines(tmp_path / "FOXUSDT-1m.json").batch) == 4
    lines = "".join(json.dumps([row]) + "\n" for row in replies)
    (tmp_path / "FOXUSDT-1m.jsonl").write_text(lines)
    assert len(read_klines(tmp_path / "FOXUSDT-1m.jsonl").batch) == 4


def test_raw_trades_of_a_reply(tmp_path: Path) -> None:
    path = tmp_path / "FOXUSDT-trades.json"
    row = {"id": 5, "price": "61.5", "qty": "2", "quoteQty": "123.0", "time": 1770112801112}
    path.write_text(json.dumps([row | {"isBuyerMaker": True, "isBestMatch": True}]))
    (read,) = rows_of(open_trades(path).chunks())
    assert (read.id, read.quote, read.maker) == (5, D("123"), True)


def test_closed_klines_of_a_recording_are_the_exchanges(tmp_path: Path) -> None:
    path = CASES / "case05" / "klines.txt"
    assert detect(path) == "klines"
    (klines,) = read_all_klines(path)
    assert (klines.symbol, klines.interval.text, len(klines.batch)) == ("FOXUSDT", "1m", 4)
    assert all(law.balanced for law in klines.equations)
    both = path.read_text().replace('"i": "1m"', '"i": "3m"').replace('"x": true', '"x": false', 1)
    mixed = tmp_path / "mixed.txt"
    mixed.write_text(path.read_text() + both)
    found = read_all_klines(mixed)
    assert [(one.interval.text, len(one.batch)) for one in found] == [("1m", 4), ("3m", 3)]


@pytest.mark.parametrize("verb", ["replay", "explore"])
def test_a_recording_without_trades_is_one_sentence(tmp_path: Path, verb: str) -> None:
    out: list[str | Path] = ["--out", tmp_path / "run"]
    ran = command(verb, CASES / "case05" / "ticker.txt", *out)
    assert ran.exit_code == 2
    assert "none in 6 messages (24hrTicker 6)" in ran.output


# --- klines ------------------------------------------------------------------------------------


def test_cryptodatadownload_is_read_with_its_volumes() -> None:
    klines = read_klines(CASES / "case08" / "Binance_FOXUSDT_minute.csv")
    right = read_klines(CASES / "case08" / "FOXUSDT-1m.csv")
    assert klines.fields == (*PRICE_FIELDS, "volume", "quote_volume", "count")
    assert klines.batch.open_time_ns.tolist() == right.batch.open_time_ns.tolist()
    scale = klines.batch.instruments[0].quantity_scale
    other = right.batch.instruments[0].quantity_scale
    assert [exact(v, scale) for v in klines.batch.volume] == [
        exact(v, other) for v in right.batch.volume
    ]
    assert (klines.info.unread_columns, klines.line_of(0)) == ((), 2 + len(klines.batch))


def test_volumes_of_coins_the_symbol_does_not_tell_are_not_read(tmp_path: Path) -> None:
    text = (CASES / "case08" / "FOXUSDT-1m-wrongvolume.csv").read_text()
    path = tmp_path / "FOXUSDT-1m.csv"
    path.write_text(text.replace("Volume FOX", "Volume HEN"))
    klines = read_klines(path)
    assert klines.info.unread_columns == ("Volume HEN", "Volume USDT")
    assert "volume" not in klines.fields


def test_premium_klines_may_be_negative(tmp_path: Path) -> None:
    path = CASES / "case06" / "FOXUSDT-1m-premium.csv"
    klines = read_klines(path)
    scale = klines.batch.instruments[0].price_scale
    assert exact(klines.batch.open[0], scale) == D("-0.00042931")
    ran = command("inspect", path)
    assert (ran.exit_code, "prices_missing x 1" in ran.output) == (1, True)
    assert "non_positive_price" not in ran.output
    traded = tmp_path / path.name
    traded.write_text(path.read_text().replace(",0,1691603879999", ",5,1691603879999"))
    with pytest.raises(InputError, match="line 2: expected a number that is not negative for open"):
        read_klines(traded)


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_klines_of_tables(tmp_path: Path, form: str) -> None:
    opens = [1770112800000 + 60_000 * n for n in range(3)]
    table = pa.table(
        {
            "date": pa.array(opens, pa.timestamp("ms", tz="UTC")),
            "open": [61.1, 61.2, 0.1 + 0.2],
            "high": [61.5] * 3,
            "low": [0.1] * 3,
            "close": pa.array([D("61.39")] * 3, pa.decimal128(10, 4)),
            "volume": ["12.5", "1", "0.001"],
            "note": [1, 2, 3],
        }
    )
    path = tmp_path / f"FOXUSDT-1m.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    else:
        feather.write_feather(table, str(path))
    klines = read_klines(path)
    assert detect(path) == "klines"
    assert klines.batch.open_time_ns.tolist() == [n * 1_000_000 for n in opens]
    scale = klines.batch.instruments[0].price_scale
    assert exact(klines.batch.open[2], scale) == D("0.30000000000000004")
    assert (klines.info.unread_columns, klines.info.rows) == (("note",), 3)
    assert klines.info.not_stated == ("exact numbers",)


# --- other kinds -------------------------------------------------------------------------------

OTHERS = {path.name: path.name.split("-")[1] for path in sorted((CASES / "case13").iterdir())}


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_other_kinds_are_named_and_not_looked_at(tmp_path: Path, name: str) -> None:
    path = CASES / "case13" / name
    assert detect(path) == OTHERS[name]
    assert command("inspect", path).exit_code == 3
    beside = command("inspect", path, CASES / "case02" / "FOXUSDT-trades.csv")
    assert (beside.exit_code, "not looked at" in beside.output) == (0, True)
    ran = replay(tmp_path / "run", path)
    assert (ran.exit_code, f"found {OTHERS[name]}" in ran.output) == (2, True)


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_are_known_without_header_and_without_name(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(CASES / "case13" / name) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    bare = text if text[0].isdigit() else text.partition("\n")[2]
    for number, content in enumerate((text, bare)):
        for path in (tmp_path / f"FOXUSDT-{number}.csv", tmp_path / f"{number}.csv"):
            path.write_text(content)
            assert detect(path) == OTHERS[name]


@pytest.mark.parametrize("content", [f"{'ab' * 32}  x.zip\n", ""])
def test_checksums_and_empty_files_are_another_kind(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.CHECKSUM"
    path.write_text(content)
    assert detect(path) in ("CHECKSUM", "an empty file")
    assert command("inspect", path, CASES / "case02" / "FOXUSDT-trades.csv").exit_code == 0


# --- what once crashed -------------------------------------------------------------------------


def _klines(path: Path) -> Any:
    return read_klines(path)


def _trades(path: Path) -> Any:
    return list(open_trades(path).chunks())


@pytest.mark.parametrize(
    ("name", "use", "expected"),
    [
        ("DIGITSUSDT-aggTrades.csv", _trades, "a number of at most 38 digits for price"),
        ("coinbase-month-15.csv", _trades, "a UTC time"),
        ("month-15-1m.csv", _klines, "an epoch timestamp"),
        ("stream-X-list.txt", _trades, "text for X"),
        ("kraken-result.json", _trades, "the rows of one pair"),
        ("zip-empty-name-USDT-aggTrades.zip", _trades, "a complete zip file"),
        ("zip-offset-USDT-aggTrades.zip", _trades, "a complete zip file"),
    ],
)
def test_what_once_crashed_is_one_sentence(
    tmp_path: Path, name: str, use: Callable[[Path], Any], expected: str
) -> None:
    path = tmp_path / f"XUSDT-{name}" if name.startswith(("coin", "month")) else CRASHES / name
    path.write_bytes((CRASHES / name).read_bytes()) if path.parent == tmp_path else None
    with pytest.raises(InputError) as caught:
        use(path)
    assert expected in caught.value.expected
    for verb in ("replay", "inspect"):
        words: list[str | Path] = ["--out", tmp_path / "run"] if verb == "replay" else []
        assert command(verb, path, *words).exit_code in (1, 2)


def test_the_last_day_of_the_calendar_claims_nothing() -> None:
    file = open_trades(CRASHES / "XUSDT-aggTrades-9999-12-31.csv")
    assert (sum(map(len, file.chunks())), file.info.coverage) == (1, None)


def test_blank_lines_take_linear_time(tmp_path: Path) -> None:
    path = tmp_path / "XUSDT-aggTrades.csv"
    row = b"1,1.5,1,1,1,1715731200000,true\n"
    seconds = []
    for megabytes in (8, 64):
        path.write_bytes(row + b"\n" * (megabytes << 20))
        start = time.process_time()
        file = open_trades(path)
        assert sum(map(len, file.chunks())) == 1
        seconds.append(time.process_time() - start)
        assert file.equations[0].parts["blank"] == megabytes << 20
    assert seconds[1] < 40 * max(seconds[0], 0.02)


def test_a_table_of_klines_with_pandas_unnamed_index(tmp_path: Path) -> None:
    opens = [1770112800000 + 60_000 * n for n in range(3)]
    columns: dict[str, Any] = {name: [61.5, 61.5, 61.25] for name in PRICE_FIELDS}
    index = pa.array(opens, pa.timestamp("ms"))
    pq.write_table(
        pa.table({**columns, "volume": [1.5, 2.0, 0.1], "__index_level_0__": index}),
        tmp_path / "FOXUSDT-1m.parquet",
    )
    klines = read_klines(tmp_path / "FOXUSDT-1m.parquet")
    assert klines.batch.open_time_ns.tolist() == [n * 1_000_000 for n in opens]
    scale = klines.batch.instruments[0].quantity_scale
    assert [exact(v, scale) for v in klines.batch.volume] == [D("1.5"), D("2"), D("0.1")]


def test_an_inspection_does_not_look_at_a_recording_of_other_messages(tmp_path: Path) -> None:
    """Such a recording is sound: what it is stands beside what was looked at."""
    book = '{"e":"bookTicker","u":1,"s":"FOXUSDT","b":"1","B":"1","a":"2","A":"2"}\n'
    (tmp_path / "rec.txt").write_text(book * 3)
    alone = command("inspect", tmp_path / "rec.txt")
    assert (alone.exit_code, "3 messages (bookTicker 3)" in alone.output) == (3, True)
    beside = command("inspect", CASES / "case02" / "FOXUSDT-trades.csv", tmp_path / "rec.txt")
    assert (beside.exit_code, "1 of 2 files were not looked at" in beside.output) == (0, True)


@pytest.mark.parametrize("text", ["", "open_time,open,high,low,close,volume\n"])
def test_klines_without_a_row_leave_an_inspection_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / "FOXUSDT-1m.csv").write_text(text)
    trades = CASES / "case02" / "FOXUSDT-trades.csv"
    assert command("inspect", trades, tmp_path / "FOXUSDT-1m.csv").exit_code == 3
    # A table of anything else is not looked at.
    (tmp_path / "notes.csv").write_text("day,weather\n")
    assert command("inspect", trades, tmp_path / "notes.csv").exit_code == 0
    ran = command("replay", trades, "--klines", tmp_path / "FOXUSDT-1m.csv", "--out", tmp_path)
    assert ran.exit_code == 2
