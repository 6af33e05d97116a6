"""Any table of exact numbers survives the way through text, wherever the blocks are cut."""

from __future__ import annotations

import json
from decimal import Context, Decimal, Inexact

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.archives import read_klines
from kline_harness.interval import INTERVALS
from kline_harness.tape import TradeKind

from tests.archives.files import COMPRESSIONS, START_MS, Row, read, write
from tests.archives.test_klines import official, stated, text, values

pytestmark = pytest.mark.usefixtures("either_reader")

EXACT = Context(prec=200, traps=[Inexact])


@st.composite
def numbers(draw: st.DrawFn, least: int = 0, scale: int = 8) -> str:
    """Plain decimal text: at most 18 digits at any scale drawn, zeros before or after."""
    digits = draw(st.integers(0, scale))
    value = draw(
        st.integers(least, draw(st.sampled_from([9, 10**6, 10 ** (18 - scale + digits) - 1])))
    )
    whole, fraction = divmod(value, 10**digits)
    written = f"{whole}.{fraction:0{digits}}" if digits else str(whole)
    if "." in written:
        written += "0" * draw(st.integers(0, 4))
    return written


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[Row], str]:
    """The text of an aggTrades or trades file and its rows."""
    layout = draw(st.sampled_from(["aggTrades", "trades"]))
    lines, rows = [], []
    for _ in range(draw(st.integers(1, 30))):
        price, quantity = draw(numbers(least=1)), draw(numbers())
        quote = draw(numbers())
        trade_id = draw(st.integers(0, 2**63 - 1))
        first, last = sorted(draw(st.tuples(*[st.integers(0, 2**63 - 1)] * 2)))
        time = START_MS + draw(st.integers(0, 10**9))
        maker = draw(st.booleans())
        product = EXACT.multiply(Decimal(price), Decimal(quantity))
        empty = Decimal(quantity) == 0
        kind = TradeKind.ZERO_QUANTITY if empty else TradeKind.MARKET
        if layout == "aggTrades":
            fields = [trade_id, price, quantity, first, last, time, maker, True]
        else:
            fields = [trade_id, price, quantity, quote, time, maker]
            first = last = trade_id
            product = Decimal(quote)
        lines.append(",".join(map(str, fields)))
        prices = Decimal(price), Decimal(quantity), product
        rows.append(Row(trade_id, *prices, first, last, time * 10**6, maker, kind))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    return end.join(lines) + draw(st.sampled_from(["", end])), rows, layout


@settings(max_examples=150, deadline=None)
@given(
    tables(),
    st.integers(1, 3000),
    st.sampled_from(COMPRESSIONS),
)
def test_trades_survive_the_way_through_text(
    tmp_path_factory: pytest.TempPathFactory,
    table: tuple[str, list[Row], str],
    block_bytes: int,
    compression: str,
) -> None:
    content, rows, layout = table
    path = tmp_path_factory.mktemp("table") / f"ALFAUSDT-{layout}-2024-05-15.csv"
    write(path, content, compression)
    assert read(path, block_bytes=block_bytes) == rows


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 3000), st.integers(1, 12))
def test_klines_survive_the_way_through_text(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, block_bytes: int, count: int
) -> None:
    rows = official(count)
    for row in rows:
        for column in (1, 2, 3, 4, 5, 7, 9, 10):
            row[column] = data.draw(numbers())
        row[8] = str(data.draw(st.integers(0, 10**9)))
    path = write(tmp_path_factory.mktemp("table") / "ALFAUSDT-1m-2024-05-15.csv", text(rows))
    klines = read_klines(path, block_bytes=block_bytes)
    assert values(klines) == [stated(row) for row in rows]
    assert klines.interval == INTERVALS[1]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ABC"), numbers(least=1), numbers(least=1)), min_size=1),
    st.integers(1, 3000),
)
def test_recordings_survive_the_way_through_json(
    tmp_path_factory: pytest.TempPathFactory, trades: list[tuple[str, str, str]], block_bytes: int
) -> None:
    lines, rows = [], []
    for number, (symbol, price, quantity) in enumerate(trades):
        event = {"e": "trade", "s": symbol, "t": number, "p": price, "q": quantity}
        event |= {"T": START_MS, "m": False}
        lines.append(f"{START_MS * 10**6 + number} {json.dumps(event)}\n")
        exact = Decimal(price), Decimal(quantity)
        product = EXACT.multiply(*exact)
        rows.append(Row(number, *exact, product, number, number, START_MS * 10**6, False))
        rows[-1] = rows[-1]._replace(symbol=symbol)
    path = write(tmp_path_factory.mktemp("table") / "recording.txt", "".join(lines))
    assert read(path, block_bytes=block_bytes) == rows
