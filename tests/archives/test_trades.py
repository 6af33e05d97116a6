"""CSV trades and aggregate trades, in every way they are written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from kline_harness.archives import detect, open_trades
from kline_harness.archives.trade_file import TradeFile
from kline_harness.errors import UsageError
from kline_harness.tape import TradeKind

from tests.archives.files import COMPRESSIONS, START_MS, Row, read, rows_of, write

pytestmark = pytest.mark.usefixtures("either_reader")

D = Decimal


@dataclass(frozen=True)
class Form:
    """A layout as the archive writes it: its header's names, in order of the columns."""

    name: str
    header: str
    market: str
    layout: str


FORMS = (
    Form(
        "spot-agg",
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,"
        "is_best_match",
        "spot",
        "aggTrades",
    ),
    Form(
        "um-agg",
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
        "um",
        "aggTrades",
    ),
    Form("spot", "id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch", "spot", "trades"),
    Form("um", "id,price,qty,quote_qty,time,is_buyer_maker", "um", "trades"),
    Form("cm", "id,price,qty,base_qty,time,is_buyer_maker", "cm", "trades"),
)
WORDS = {"True": ("True", "False"), "true": ("true", "false"), "TRUE": ("TRUE", "FALSE")} | {
    "1": ("1", "0")
}


def table(form: Form, unit_ns: int = 1_000_000) -> list[Row]:
    """Three trades whose numbers tell every column from every other."""
    rows = []
    for number, (price, quantity) in enumerate((("100.5", "2"), ("99.25", "0.125"), ("101", "3"))):
        trade_id, time = 5182005737 + number, START_MS * 1_000_000 + number * unit_ns
        quote = D(price) * D(quantity)
        if form.layout == "trades":
            quote += D("0.01")  # not the product: it must come from the file
        first, last = (trade_id, trade_id)
        if form.layout == "aggTrades":
            first, last = 7 * trade_id, 7 * trade_id + number
        maker = number != 1
        rows.append(Row(trade_id, D(price), D(quantity), quote, first, last, time, maker))
    return rows


def text(form: Form, rows: list[Row], *, header: bool, words: str, unit_ns: int) -> str:
    yes, no = WORDS[words]
    lines = [form.header] if header else []
    for row in rows:
        fields = [row.id, row.price, row.quantity]
        fields += [row.first, row.last] if form.layout == "aggTrades" else [row.quote]
        fields += [row.time_ns // unit_ns, yes if row.maker else no]
        fields += [yes] if form.market == "spot" else []
        lines.append(",".join(map(str, fields)))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
@pytest.mark.parametrize("header", [True, False], ids=["header", "bare"])
@pytest.mark.parametrize("unit_ns", [1_000_000, 1_000], ids=["ms", "us"])
@pytest.mark.parametrize("words", WORDS)
def test_every_layout_header_unit_and_spelling(
    tmp_path: Path, form: Form, header: bool, unit_ns: int, words: str
) -> None:
    rows = table(form, unit_ns)
    content = text(form, rows, header=header, words=words, unit_ns=unit_ns)
    symbol = "ALFAUSD_PERP" if form.market == "cm" else "ALFAUSDT"
    for compression in COMPRESSIONS:
        path = tmp_path / f"{symbol}-{form.layout}-2024-05-15.{compression}"
        write(path, content, compression)
        assert read(path) == [row._replace(symbol=symbol) for row in rows]
        file = open_trades(path)
        for _ in file.chunks():
            pass
        info = file.info
        assert (info.layout, info.market, info.header) == (form.layout, form.market, header)
        assert info.unit == {1_000_000: "ms", 1_000: "us"}[unit_ns]
        assert info.compression == ("zip" if compression == "stored" else compression)
        assert detect(path) == "trades"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "", "\n\n", "\r\n\r\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "bom"])
@pytest.mark.parametrize("header", [True, False], ids=["header", "bare"])
def test_line_ends_and_byte_order_marks_do_not_matter(
    tmp_path: Path, ending: str, mark: bytes, header: bool
) -> None:
    form = FORMS[3]
    content = text(form, table(form), header=header, words="true", unit_ns=1_000_000)
    content = content.rstrip("\n")
    if "\r" in ending:
        content = content.replace("\n", "\r\n")
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", mark + (content + ending).encode())
    for block_bytes in (1, 7, 50, 4096):
        assert read(path, block_bytes=block_bytes) == table(form)


def test_header_names_may_stand_in_any_order_and_spelling(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.csv",
        f"isBuyerMaker,timestamp,tradeId,note,amount,price\ntrue,{START_MS},7,hello,2,1.50\n",
    )
    (row,) = read(path, symbol="ALFAUSDT", market="spot")
    time_ns = START_MS * 1_000_000
    assert row == Row(7, D("1.5"), D(2), D(3), 7, 7, time_ns, True)


def test_a_trade_id_that_looks_like_a_time_does_not_make_klines(tmp_path: Path) -> None:
    path = write(tmp_path / "ALFAUSDT-trades-2024.csv", f"1715731200,1,2,2,{START_MS},1\n")
    assert detect(path) == "trades"
    assert read(path)[0].id == 1715731200


def test_sentinels_and_empty_trades_have_their_kind(tmp_path: Path) -> None:
    path = write(
        tmp_path / "ALFAUSDT-aggTrades-2022-04-12.csv",
        f"5,0.00000000,0.00000000,-1,-1,{START_MS},True,True\n"
        f"6,1.5,0.00000000,10,10,{START_MS},True,True\n"
        f"7,0,0,10,10,{START_MS},True,True\n"
        f"8,0,0,-1,10,{START_MS},True,True\n"
        f"9,0,0,10,-1,{START_MS},True,True\n"
        f"10,1.5,0,-1,-1,{START_MS},True,True\n"
        f"11,1.5,2,11,11,{START_MS},True,True\n",
    )
    kinds = [row.kind for row in read(path)]
    assert kinds == [TradeKind.SENTINEL, *[TradeKind.ZERO_QUANTITY] * 5, TradeKind.MARKET]


def test_scales_are_the_smallest_that_hold_every_value_so_far(tmp_path: Path) -> None:
    lines = [("1.50000000", "2.00"), ("1.25", "30"), ("1.5", "0.5"), ("7", "0.00000001")]
    content = "".join(
        f"{n},{p},{q},{n},{n},{START_MS},True,True\n" for n, (p, q) in enumerate(lines)
    )
    path = write(tmp_path / "ALFAUSDT-aggTrades-2024-05-15.csv", content)
    tapes = list(TradeFile(path, block_bytes=1).chunks())
    scales = [(t.instruments[0].price_scale, t.instruments[0].quantity_scale) for t in tapes]
    assert scales == [(1, 0), (2, 0), (2, 1), (2, 8)]
    assert [t.instruments[0].quote_scale for t in tapes] == [1, 2, 3, 10]
    assert [(str(r.price), str(r.quantity)) for r in rows_of(tapes)] == [
        ("1.5", "2"),
        ("1.25", "30"),
        ("1.50", "0.5"),
        ("7.00", "1E-8"),
    ]
    assert [t.instruments[0].price_scale for t in TradeFile(path).chunks()] == [2]


@pytest.mark.parametrize("zeros", [0, 3, 17])
def test_eighteen_digits_fit_whatever_zeros_follow(tmp_path: Path, zeros: int) -> None:
    price = "999999999999999999"
    content = f"1,{price}.{'0' * zeros},1.{'0' * zeros},0.000000000000000001,{START_MS},true\n"
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", content)
    (tape,) = TradeFile(path).chunks()
    assert tape.price.dtype == np.int64
    assert tape.price.tolist() == [int(price)]
    assert tape.instruments[0].quote_scale == 18
    assert tape.quote.tolist() == [1]


def test_a_product_beyond_int64_stays_exact(tmp_path: Path) -> None:
    content = f"1,99999999.99999999,99999999.99999999,1,1,{START_MS},True,True\n"
    path = write(tmp_path / "ALFAUSDT-aggTrades-2024-05-15.csv", content)
    (row,) = read(path)
    assert row.quote == D("9999999999999998.0000000000000001")


@pytest.mark.parametrize(
    ("symbol", "price", "quantity", "quote"),
    [
        ("BTCUSD_PERP", "61804.8", "4", "0.00647199"),  # 400 / 61804.8 = 0.006471989...
        ("ETHUSD_240927", "2000.5", "3", "0.01499625"),  # 30 / 2000.5 = 0.0149962509...
        ("BTCUSD_PERP", "64000000000", "3", "0.00000000"),  # 4.7e-9: below half
        ("BTCUSD_PERP", "20000000000", "1", "0.00000001"),  # 5e-9: half goes up
        ("ETHUSD_PERP", "0.00000001", "123456789", "123456789000000000"),
    ],
)
def test_coin_margined_aggregates_get_base_quantities(
    tmp_path: Path, symbol: str, price: str, quantity: str, quote: str
) -> None:
    path = write(
        tmp_path / f"{symbol}-aggTrades-2024-05-15.csv",
        f"1,{price},{quantity},1,1,{START_MS},true\n",
    )
    (row,) = read(path)
    assert row.quote == D(quote)
    assert open_trades(path).peek().market == "cm"


def test_a_given_market_and_symbol_win(tmp_path: Path) -> None:
    form = FORMS[3]
    content = text(form, table(form), header=True, words="true", unit_ns=1_000_000)
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", content)
    info = open_trades(path, symbol="BETAUSDT", market="spot").peek()
    assert (info.symbols, info.market) == (("BETAUSDT",), "spot")
    with pytest.raises(UsageError, match="unknown market 'futures'"):
        open_trades(path, market="futures")


def test_the_symbol_may_come_from_the_zips_member(tmp_path: Path) -> None:
    content = f"1,2,3,6,{START_MS},true\n"
    path = write(tmp_path / "day.zip", content, "zip", "BETAUSDT-trades-2024-05-15.csv")
    assert [row.symbol for row in read(path)] == ["BETAUSDT"]


@pytest.mark.parametrize(
    ("name", "coverage"),
    [
        ("ALFAUSDT-trades-2024-05-15.csv", ("2024-05-15", "2024-05-16")),
        ("ALFAUSDT-aggTrades-2024-12-31.zip", ("2024-12-31", "2025-01-01")),
        ("ALFAUSDT-trades-2024-02.csv.gz", ("2024-02-01", "2024-03-01")),
        ("ALFAUSDT-trades-2024-12.zip", ("2024-12-01", "2025-01-01")),
        ("ALFAUSDT-trades-2024-07-18_19.csv", None),
        ("ALFAUSDT-trades-2024-13.csv", None),
        ("ALFAUSDT-trades-2023-02-29.csv", None),
        ("ALFAUSDT-trades.csv", None),
    ],
)
def test_a_name_covers_exactly_one_day_or_month(
    tmp_path: Path, name: str, coverage: tuple[str, str] | None
) -> None:
    path = write(tmp_path / name, f"1,2,3,6,{START_MS},true\n")
    expected = coverage and tuple(
        int(np.datetime64(day, "ns").astype(np.int64)) for day in coverage
    )
    assert open_trades(path).peek().coverage == expected


def test_info_is_complete_after_a_pass_and_peek_is_not_one(tmp_path: Path) -> None:
    rows = 5000
    content = "".join(f"{n},2,3,6,{START_MS + n},true\n" for n in reversed(range(rows)))
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", content)
    file = TradeFile(path, block_bytes=10_000)
    peeked = file.peek()
    assert peeked.sha256 is None
    assert 0 < peeked.rows < rows
    assert peeked.last_trade_id == rows - 1
    for _ in range(2):
        assert sum(len(tape) for tape in file.chunks()) == rows
        assert file.info.rows == rows
        assert (file.info.first_trade_id, file.info.last_trade_id) == (0, rows - 1)
        assert file.info.first_event_time_ns == START_MS * 1_000_000
        assert file.info.last_event_time_ns == (START_MS + rows - 1) * 1_000_000
        assert file.info.bytes == path.stat().st_size
    assert file.info.to_dict()["path"] == str(path)


def test_a_block_with_fewer_decimals_than_the_ones_before_stays_exact(tmp_path: Path) -> None:
    # The second row's 19-digit id is not plain, so another reader takes its block over, at a
    # scale that the first reader found; 72057594037929000 is no float.
    lines = (
        "1,0.0000001,1,1,1,1715731200000,False",
        "2,7205759403.7929,1,2,1000000000000000000,1715731200000,False",
    )
    path = tmp_path / "ALFAUSDT-aggTrades-2024-05-15.csv"
    path.write_text("\n".join(lines))
    prices = [row.price for row in read(path, block_bytes=1)]
    assert prices == [D("0.0000001"), D("7205759403.7929")]


@pytest.mark.parametrize("block_bytes", [1, 4096])
def test_trades_wider_than_18_digits_are_exact(tmp_path: Path, block_bytes: int) -> None:
    quantities = ["12.9", "0.30000000000000004", "17490219043.12345678", "1"]
    lines = [f"{n},61.5,{q},1,{START_MS + n},true\n" for n, q in enumerate(quantities, 1)]
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", "".join(lines))
    found = read(path, block_bytes=block_bytes)
    assert [row.quantity for row in found] == [Decimal(q) for q in quantities]


@pytest.mark.parametrize("block_bytes", [1, 4096])
def test_an_exponent_is_exact_text_too(tmp_path: Path, block_bytes: int) -> None:
    quantities = ["1.5", "1e-05", "2.5E+3", "0.1e1"]
    lines = [f"{n},6.15e1,{q},1,{START_MS + n},true\r\n" for n, q in enumerate(quantities, 1)]
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", "".join(lines))
    found = read(path, block_bytes=block_bytes)
    assert [row.quantity for row in found] == [Decimal(q) for q in quantities]
    assert {row.price for row in found} == {Decimal("61.5")}
