"""What is no file of trades, and rows that are no trades: each named by file and line."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from kline_harness.archives import open_trades
from kline_harness.archives import table as table_module
from kline_harness.errors import InputError

from tests.archives.files import START_MS, read, write

pytestmark = pytest.mark.usefixtures("either_reader")

HEADER = "id,price,qty,quote_qty,time,is_buyer_maker"


@pytest.mark.parametrize("bad", ["9" * 31, "9" * 31 + ".5"])
def test_a_number_too_long_at_the_scale_so_far_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bad: str
) -> None:
    monkeypatch.setattr(table_module, "_PROBE_BYTES", 1)
    prices = ["0.00000001", "9999999999.99999999", bad, "1"]
    content = "".join(f"{n},{price},3,6,{START_MS},true\n" for n, price in enumerate(prices))
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", content)
    for block_bytes in (1, 4096):
        with pytest.raises(InputError) as caught:
            read(path, block_bytes=block_bytes)
        assert (caught.value.line, caught.value.found) == (3, repr(bad))


def test_a_bare_carriage_return_ends_no_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(table_module, "_PROBE_BYTES", 1)
    good = f"1,2,3,6,{START_MS},1"
    content = f"{good}\n{good}\n{good}\r{good}\n{good}\n"
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", content)
    with pytest.raises(InputError, match="line 3: expected 6 columns, found 11"):
        read(path)


CELLS = (
    "",
    "NaN",
    "inf",
    "-1",
    "1e",
    "1e999",
    "+1e5",
    "+1",
    " 1",
    "1 ",
    "0x1",
    "1_0",
    "x",
    '"1"',
    "1.2.3",
)
LONG = "1234567890" * 4


@pytest.mark.parametrize("cell", [*CELLS, LONG, "0.0000000000000000001", "9" * 50, "1." + "0" * 60])
@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("at", [1, 2, 700, 1999])
def test_a_bad_number_is_named_by_its_line(tmp_path: Path, cell: str, column: int, at: int) -> None:
    lines = [f"{n},2.5,3,7.5,{START_MS},true" for n in range(2000)]
    fields = lines[at].split(",")
    fields[column] = cell
    lines[at] = ",".join(fields)
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", "\n".join(lines))
    for block_bytes in (4096, 4 << 20):
        with pytest.raises(InputError) as caught:
            read(path, block_bytes=block_bytes)
        assert caught.value.line == at + 1
        assert str(caught.value).count("\n") == 0
        shown = cell if len(cell) < 50 else cell[:20]
        assert shown in caught.value.found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1,2,3", "6 columns"),
        ("1,2,3,6,1715731200000,true,true", "6 columns"),
        ("", "6 columns"),
        ("not a row", "6 columns"),
        ("1,2,3,6,1715731200000,yes", "true or false for maker"),
        ("1,2,3,6,1715731200000,", "true or false for maker"),
        ("1,2,3,6,1715731200,true", "a timestamp in ms like the rows before"),
        ("1,2,3,6,1715731200000000,true", "a timestamp in ms like the rows before"),
        ("1,2,3,6,99999999999999999999,true", "an integer of at most 18 digits for time"),
        ("-1,2,3,6,1715731200000,true", "ids from 0 on"),
        ("1,0,3,6,1715731200000,true", "a price above 0"),
        ("1,2,3,6,1715731200000,true\r1,2,3,6,1715731200000,true", "6 columns"),
        ("1,2,3,6,1715731200000,\x00", "true or false"),
    ],
)
@pytest.mark.parametrize("header", [0, 1], ids=["bare", "header"])
@pytest.mark.parametrize("probe_bytes", [1, 32 << 10])
def test_a_bad_row_is_named_by_its_line(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    line: str,
    expected: str,
    header: int,
    probe_bytes: int,
) -> None:
    monkeypatch.setattr(table_module, "_PROBE_BYTES", probe_bytes)
    good = f"1,2,3,6,{START_MS},true"
    lines = [HEADER] * header + [good] * 3 + [line] + [good]
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", "\n".join(lines) + "\n")
    for block_bytes in (1, 4096):
        with pytest.raises(InputError) as caught:
            read(path, block_bytes=block_bytes)
        assert caught.value.line == 4 + header
        assert expected in caught.value.expected


@pytest.mark.parametrize("ids", ["-1,-1", "-1,5", "6,5"])
def test_an_aggregate_without_trades_is_no_trade(tmp_path: Path, ids: str) -> None:
    path = write(tmp_path / "ALFAUSDT-aggTrades-2024.csv", f"1,2,3,{ids},{START_MS},true\n")
    with pytest.raises(InputError, match="line 1: expected ids from 0 on, first <= last"):
        read(path)


@pytest.mark.parametrize(
    ("content", "expected", "line"),
    [
        ("", "trades or klines", None),
        ("\n\n", "trades or klines", 1),
        ("id,price,qty,time\n1,2,3,4\n", "a column for the trades field 'maker'", 1),
        ("agg_trade_id,price,quantity,first_trade_id,transact_time,is_buyer_maker\n1", "'last", 1),
        ("id,price,qty,amount,time,is_buyer_maker\n1,2,3,3,4,true\n", "one column for", 1),
        ("id,price,qty,quote_qty,time,is_buyer_maker\n", "rows after the first line", 1),
        ("id,price,qty,quote_qty,time,is_buyer_maker\n1,2\n", "6 columns", 2),
        ("id,price,qty,quote_qty,time,is_buyer_maker\n1,2,3,6,12,true\n", "an epoch", 2),
        ("{'a': 1}\n", "a JSON reply", None),
        ("{'a': 1}\n{'a': 2}\n", "a JSON reply", None),
        ('{"a": 1}\n{"a": 2}\n', "a column for", 1),
        ("1,2,3\n", "the columns of aggTrades", 1),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a CSV file or a recording", 1),
        ("a\0b\n".encode("utf-16"), "a CSV file or a recording", 1),
        (b"\x00\x01,\x02\n1,2\n", "a CSV file or a recording", 1),
        (b"PAR1" + bytes(range(256)), "a Parquet or Arrow table", None),
    ],
)
def test_what_is_not_a_trades_file_is_refused(
    tmp_path: Path, content: str | bytes, expected: str, line: int | None
) -> None:
    path = write(tmp_path / "ALFAUSDT-trades-2024-05-15.csv", content)
    with pytest.raises(InputError) as caught:
        open_trades(path)
    assert expected in caught.value.expected
    assert caught.value.line == line


def test_klines_are_no_trades(tmp_path: Path) -> None:
    path = write(tmp_path / "ALFAUSDT-1m-2024.csv", f"{START_MS},1,1,1,1,0,2,0,0,0,0,0\n")
    with pytest.raises(InputError, match="expected trades, found klines"):
        open_trades(path)


def test_a_file_without_a_symbol_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "trades.csv", f"1,2,3,6,{START_MS},true\n")
    with pytest.raises(InputError, match="a symbol, in the file's name or given"):
        open_trades(path)
    assert open_trades(path, symbol="ALFAUSDT").peek().symbols == ("ALFAUSDT",)


def test_pyarrow_takes_no_row_that_the_grammar_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every single-byte change of a row is accepted or refused alike alone and beside free text.

    A file with a column that means nothing here is gone over line by line, so it shows what the
    grammar says; the same row without that column goes through pyarrow.
    """
    monkeypatch.setattr(table_module, "_PROBE_BYTES", 1)
    row = f"12,2.5,3,7.5,{START_MS},true"
    path = tmp_path / "ALFAUSDT-trades-2024-05-15.csv"
    fill = "".join(f"{n},2,3,6,{START_MS},false\n" for n in range(3))
    differing = []
    for at, letter in itertools.product(range(len(row)), " ,.-+eExX0\t\r\n\"'\x0b\x7f_"):
        changed = row[:at] + letter + row[at + 1 :]
        results = []
        for extra in ("", "note,"):
            value = "x," if extra else ""
            lines = "".join(value + line + "\n" for line in (*fill.splitlines(), changed))
            write(path, f"{extra}{HEADER}\n{lines}")
            try:
                results.append(str(read(path, symbol="ALFAUSDT")))
            except InputError as error:
                results.append(f"line {error.line}")
        if results[0] != results[1]:
            differing.append((changed, results))
    assert differing == []
