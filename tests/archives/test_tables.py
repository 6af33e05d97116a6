"""Klines in Parquet and Arrow tables, against the decimals and times written into them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.archives import read_klines
from kline_harness.archives.grammar import Column
from kline_harness.archives.table import ExactTable
from kline_harness.arrow import narrowed, unscaled
from kline_harness.compiled import library
from kline_harness.errors import InputError
from pyarrow import feather

from tests.archives.files import exact

D = Decimal
OPEN_MS = 1715731200000
ROWS = 20
NAMES = ("open", "high", "low", "close", "volume")
# More than fits one batch of rows.
MANY = 70_000


def prices(rows: int = ROWS) -> dict[str, list[Decimal]]:
    return {
        "open": [D(f"{100 + n}.{n % 10}5") for n in range(rows)],
        "high": [D(f"{110 + n}.1") for n in range(rows)],
        "low": [D(90 + n) for n in range(rows)],
        "close": [D(f"{101 + n}.25") for n in range(rows)],
        "volume": [D(f"{n}.001") for n in range(rows)],
    }


def opens(rows: int = ROWS) -> list[int]:
    return [OPEN_MS + 60_000 * n for n in range(rows)]


def table(kind: pa.DataType, rows: int = ROWS, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"open_time": opens(rows)}
    for name, values in prices(rows).items():
        is_text = pa.types.is_string(kind)
        is_float = pa.types.is_floating(kind)
        cast = str if is_text else float if is_float else lambda value: value
        made[name] = pa.array([cast(value) for value in values], kind)
    return made | more


def write(folder: Path, form: str, columns: dict[str, Any]) -> Path:
    path = folder / f"FOXUSDT-1m.{form}"
    made = pa.table(columns)
    if form == "parquet":
        pq.write_table(made, path)
    else:
        feather.write_feather(made, str(path), chunksize=7 if made.num_rows < MANY else 9_999)
    return path


def decimals(path: Path, name: str) -> list[Decimal]:
    batch = read_klines(path).batch
    (instrument,) = batch.instruments
    scale = instrument.quantity_scale if name == "volume" else instrument.price_scale
    return [exact(value, scale) for value in getattr(batch, name)]


@pytest.mark.parametrize("form", ["parquet", "feather"])
@pytest.mark.parametrize(
    "kind",
    [
        pa.decimal128(38, 18),
        pa.decimal128(12, 4),
        pa.decimal256(60, 18),
        pa.float64(),
        pa.string(),
        pa.large_string(),
    ],
    ids=str,
)
def test_every_type_of_number_is_read_exactly(tmp_path: Path, form: str, kind: Any) -> None:
    if pa.types.is_large_string(kind):
        columns = table(pa.string())
        columns |= {name: columns[name].cast(kind) for name in NAMES}
    else:
        columns = table(kind)
    # What is no number in a column that is not read is in nobody's way.
    path = write(tmp_path, form, columns | {"note": [[1, 2]] * ROWS, "text": ["a,b\n"] * ROWS})
    for name, values in prices().items():
        assert decimals(path, name) == values
    found = read_klines(path)
    assert found.batch.open_time_ns.tolist() == [n * 1_000_000 for n in opens()]
    assert found.info.unread_columns == ("note", "text")
    assert found.info.not_stated == (("exact numbers",) if pa.types.is_floating(kind) else ())
    (law,) = found.equations
    assert law.balanced
    assert (law.total, law.parts["rows read"]) == (ROWS + 1, ROWS)


@pytest.mark.parametrize(
    ("kind", "factor"),
    [
        (pa.timestamp("s"), D("0.001")),
        (pa.timestamp("ms", tz="UTC"), D(1)),
        (pa.timestamp("us"), D(1_000)),
        (pa.timestamp("ns", tz="Europe/Paris"), D(1_000_000)),
        (pa.uint64(), D(1)),
        (pa.float64(), D(1)),
        (pa.string(), D(1)),
    ],
    ids=str,
)
def test_every_type_of_time_is_read_exactly(tmp_path: Path, kind: Any, factor: Decimal) -> None:
    times = [int(n * factor) for n in opens()]
    cast = str if pa.types.is_string(kind) else float if pa.types.is_floating(kind) else int
    columns = table(pa.decimal128(38, 18), open_time=pa.array([cast(t) for t in times], kind))
    path = write(tmp_path, "parquet", columns)
    assert read_klines(path).batch.open_time_ns.tolist() == [n * 1_000_000 for n in opens()]


def replaced(kind: pa.DataType, name: str, row: int, value: Any, rows: int = ROWS) -> Any:
    columns = table(kind, rows)
    values = columns[name] if name == "open_time" else columns[name].to_pylist()
    typed = pa.int64() if name == "open_time" else kind
    return columns | {name: pa.array([*values[:row], value, *values[row + 1 :]], typed)}


WIDE = pa.decimal128(38, 18)


@pytest.mark.parametrize("form", ["parquet", "feather"])
@pytest.mark.parametrize(
    ("kind", "name", "row", "value", "expected", "found"),
    [
        (pa.string(), "high", 9, "abc", "a plain decimal number for high", "'abc'"),
        (pa.string(), "high", 9, "1,5", "a plain decimal number for high", "'1,5'"),
        (pa.string(), "high", 9, "1\n5", "a plain decimal number for high", r"'1\n5'"),
        (pa.string(), "low", 9, "", "a plain decimal number for low", "''"),
        (pa.string(), "close", 9, None, "a plain decimal number for close", "''"),
        (WIDE, "close", 9, None, "a plain decimal number for close", "''"),
        (pa.float64(), "low", 9, float("nan"), "a plain decimal number for low", "'nan'"),
        (pa.string(), "volume", 9, "-1", "a number that is not negative for volume", "'-1'"),
        (WIDE, "volume", 9, D(-1), "a number that is not negative for volume", "'-1.0"),
        (pa.string(), "volume", 9, "0." + "1" * 19, "at most 18 decimals for volume", "'0.111"),
        (pa.decimal128(38, 20), "volume", 9, D("0." + "1" * 19), "at most 18 decimals", "'0.111"),
        (WIDE, "open_time", 9, 5, "an open time in ms like the rows before", "'5'"),
        (WIDE, "open_time", 9, None, "an integer for open_time", "''"),
    ],
)
def test_odd_values_are_named_by_row(
    tmp_path: Path, form: str, kind: Any, name: str, row: int, value: Any, expected: str, found: str
) -> None:
    path = write(tmp_path, form, replaced(kind, name, row, value))
    with pytest.raises(InputError) as caught:
        read_klines(path)
    # The names of the columns stand for the first line.
    assert caught.value.line == row + 2
    assert expected in caught.value.expected
    assert caught.value.found.startswith(found)


def test_of_odd_values_the_first_row_is_named(tmp_path: Path) -> None:
    columns = replaced(pa.string(), "open", 12, "x") | {
        "close": replaced(pa.string(), "close", 4, "y")["close"]
    }
    with pytest.raises(InputError) as caught:
        read_klines(write(tmp_path, "parquet", columns))
    assert (caught.value.line, caught.value.found) == (6, "'y'")


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_later_batches_are_read_and_named_as_the_first(tmp_path: Path, form: str) -> None:
    kind = pa.decimal128(20, 8)
    columns = table(kind, MANY)
    path = write(tmp_path, form, columns)
    # The last row has more decimals than any before: the scale grows.
    fine = replaced(kind, "close", MANY - 1, D("101.00000001"), MANY)
    assert decimals(path, "volume") == prices(MANY)["volume"]
    path = write(tmp_path, form, fine)
    assert decimals(path, "close")[-2:] == [prices(MANY)["close"][-2], D("101.00000001")]
    path = write(tmp_path, form, replaced(kind, "volume", 69_000, D(-2), MANY))
    with pytest.raises(InputError) as caught:
        read_klines(path)
    assert caught.value.line == 69_002


INTEGERS = st.one_of(
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(-(2**70), 2**70),
    st.integers(-(10**19), 10**19).map(lambda value: value * 10**18),
    st.sampled_from([2**63, 2**63 - 1, -(2**63), -(2**63) - 1, 2**64, -(2**64), 0]),
)


@settings(max_examples=300)
@given(st.lists(INTEGERS, max_size=6), st.integers(0, 38), st.integers(0, 3))
def test_integers_behind_decimals_are_those_written(
    values: list[int], scale: int, start: int
) -> None:
    written = [D((int(v < 0), tuple(map(int, str(abs(v)))), -scale)) for v in values]
    column = pa.array(written, pa.decimal128(38, scale)).slice(start)
    assert [int(value) for value in unscaled(column)] == values[start:]
    found, smaller = narrowed(column)
    assert smaller <= scale
    assert [int(value) * 10 ** (scale - smaller) for value in found] == values[start:]


def test_decimals_that_only_later_rows_have_are_refused_without_the_compiled_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(library, "LIBRARY", None)
    table = ExactTable("x.csv", (Column("volume", "exact", "volume"),))
    zeros = "80.001" + "0" * 17
    table.read(f"{zeros}\n{zeros}\n".encode(), 1)
    with pytest.raises(InputError, match=r"line 4: expected at most 18 decimals for volume"):
        table.read(f"{zeros}\n0.{'1' * 19}0\n".encode(), 3)
