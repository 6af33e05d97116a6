"""Whose files are whose, and that an exchange is one file."""

from __future__ import annotations

import shutil
import subprocess
import sys
from decimal import Decimal
from itertools import repeat
from pathlib import Path

import kline_harness
import pytest
from kline_harness.archives import exchange_of, open_trades, read_klines
from kline_harness.archives.exchange import Dialect
from kline_harness.archives.registry import EXCHANGES
from kline_harness.kline_rule import QuietRule

from tests.archives.files import read

OPEN_MS = 1715731200000
PRICES = "1,3,1,2"


def klines(header: str, *rest: str, count: int = 3) -> str:
    rows = (",".join([str(OPEN_MS + n * 60_000), PRICES, *rest]) for n in range(count))
    return "\n".join([*([header] if header else []), *rows, ""])


@pytest.mark.parametrize(
    ("text", "source", "unread"),
    [
        (klines("", "5", str(OPEN_MS + 59_999), "9", "4", "2", "3", "0"), "binance", ()),
        (klines("open_time,open,high,low,close,taker_buy_volume", "2"), "binance", ()),
        (klines("", "5", "4"), "kraken", ()),
        (klines("time,open,high,low,close,vwap,volume,count", "2", "5", "4"), "kraken", ()),
        # The same name is a known one of Kraken's only.
        (klines("time,open,high,low,close,vwap", "2"), "not stated", ("vwap",)),
        (klines("", "5"), "not stated", ()),
        (klines("timestamp,open,high,low,close,volume", "5"), "not stated", ()),
        (
            "https://www.CryptoDataDownload.com\n".lower()
            + klines("unix,open,high,low,close,Volume BTC", "5"),
            "cryptodatadownload",
            ("Volume BTC",),
        ),
        ("https://example.org\n" + klines("unix,open,high,low,close", count=2), "not stated", ()),
    ],
)
def test_klines_say_whose_they_are_only_where_their_form_does(
    tmp_path: Path, text: str, source: str, unread: tuple[str, ...]
) -> None:
    path = tmp_path / "XBTUSD-1m.csv"
    path.write_text(text)
    found = read_klines(path, symbol="XBTUSD")
    assert (found.info.source, found.info.unread_columns) == (source, unread)
    assert found.batch.high.tolist() == [3] * len(found.batch)
    absent = exchange_of(found.info.source).klines.quiet is QuietRule.ABSENT
    assert absent is (source == "kraken")


def test_a_header_of_two_exchanges_is_told_by_the_times(tmp_path: Path) -> None:
    header = (
        "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
        "foreignNotional\n"
    )
    for time, source in [
        ("2026-02-03D10:00:00.948313000", "bitmex"),
        ("1770112800.9483", "bybit"),
    ]:
        path = tmp_path / f"{source}.csv"
        path.write_text(f"{header}{time},XBTUSD,Buy,100,78000.5,PlusTick,a-b,1,2,3\n")
        assert open_trades(path).peek().source == source


LAYOUTS = [(one.name, layout) for one in EXCHANGES for layout in one.trades]
TIMES = {
    "epoch": ("1715731200250", "1715731201500"),
    "seconds": ("1715731200.250", "1715731201.500"),
    "iso": ("2024-05-15T00:00:00.250Z", "2024-05-15T00:00:01.500Z"),
}


def row_of(layout: Dialect, number: int) -> str:
    """Write a trade, 7 @ 0.25 x 40.5 that buys or 8 @ 0.5 x 3 that sells, as a layout has it."""
    time, ids = TIMES[layout.time][number], ("7", "8")[number]
    price, quantity, quote = (("0.25", "40.5", "10.125"), ("0.5", "3", "1.5"))[number]
    texts = {"time": time, "receive": time, "id": ids, "price": price, "quantity": quantity}
    texts |= {"quote": quote, "symbol": "FOXUSD", "side": (layout.buys, layout.sells)[number][0]}
    return ",".join(texts.get(meaning, "x") for meaning in layout.columns) + "\n"


@pytest.mark.parametrize(("exchange", "layout"), LAYOUTS, ids=[name for name, _ in LAYOUTS])
def test_each_layout_is_read_by_what_its_columns_mean(
    exchange: str, layout: Dialect, tmp_path: Path
) -> None:
    """A new exchange's layouts are held to this without a line here."""
    header = ",".join(layout.header) + "\n" if layout.header else ""
    path = tmp_path / "FOXUSD.csv"
    path.write_text(header + row_of(layout, 0) + row_of(layout, 1))
    first, second = read(path, symbol=None)
    assert open_trades(path).peek().source == exchange
    traded = [(one.price, one.quantity, one.quote, one.time_ns) for one in (first, second)]
    assert traded == [
        (Decimal("0.25"), Decimal("40.5"), Decimal("10.125"), OPEN_MS * 1_000_000 + 250_000_000),
        (Decimal("0.5"), Decimal(3), Decimal("1.5"), OPEN_MS * 1_000_000 + 1_500_000_000),
    ]
    ids = (7, 8) if "id" in layout.columns else (1, 2)
    assert (first.id, second.id) == ids
    # The first buys: as the taker, or as the maker.
    makers = {"taker": (False, True), "maker": (True, False), "": (False, False)}[layout.side]
    assert (first.maker, second.maker) == makers


def test_each_exchange_has_a_row_in_the_page_on_sources() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sources.md").read_text()
    lines = [line[2:].lower() for line in page.splitlines() if line.startswith("| ")]
    missing = [
        one.name for one in EXCHANGES if not any(map(str.startswith, lines, repeat(one.name)))
    ]
    assert not missing, f"a row for each is to be added to docs/sources.md: {', '.join(missing)}"


NEW = '''"""A made-up exchange."""

from kline_harness.archives.exchange import Exchange, KlineForm, dialect
from kline_harness.id_rule import IdRule
from kline_harness.kline_rule import Basis, KlineRule, OpenRule, QuietRule

EXCHANGE = Exchange(
    "newex",
    KlineRule(
        OpenRule.PREVIOUS_CLOSE, QuietRule.ABSENT, Basis.DOCUMENTED, Basis.DOCUMENTED, "a page"
    ),
    IdRule.EVERY_ID,
    trades=(
        dialect(
            "quantity price id time side",
            "lots,px,no,when,taker",
            time="epoch",
            side="taker",
            sides=("B", "S"),
        ),
    ),
    kline_forms=(KlineForm(marks=("candle", "lots")),),
)
'''
READ = """
import sys
from kline_harness.archives import id_rule_of, open_trades, read_klines
file = open_trades(sys.argv[1])
(tape,) = file.chunks()
print(file.info.source, file.info.ids_stated, tape.trade_id.tolist(), tape.price.tolist())
print(tape.buyer_is_maker.tolist(), id_rule_of(file.info).name)
print(read_klines(sys.argv[2]).info.source)
"""


def test_an_exchange_is_one_file(tmp_path: Path) -> None:
    """The package and one file more: its trades, klines and rules are known."""
    package = Path(kline_harness.__file__).parent
    copy = tmp_path / "kline_harness"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "archives" / "exchanges" / "newex.py").write_text(NEW)
    trades, candles = tmp_path / "FOXUSD.csv", tmp_path / "FOXUSD-1m.csv"
    trades.write_text(f"lots,px,no,when,taker\n2,10.5,7,{OPEN_MS},B\n1,10.0,8,{OPEN_MS},S\n")
    candles.write_text(klines("time,open,high,low,close,candle,lots", "x", "1"))
    ran = subprocess.run(
        [sys.executable, "-c", READ, trades, candles],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "newex True [7, 8] [105, 100]",
        "[False, True] EVERY_ID",
        "newex",
    ]
