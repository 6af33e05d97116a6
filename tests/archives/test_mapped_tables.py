"""Trades in tables of one's own, by a column map, against what was written into them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.archives import ColumnMap
from kline_harness.archives.trade_file import TradeFile
from kline_harness.errors import InputError
from pyarrow import feather

from tests.archives.files import exact

D = Decimal
ROWS = 30
START_MS = 1715731200000
PRICES = [D(f"{100 + n}.{n % 7}") for n in range(ROWS)]
QUANTITIES = [D(f"{n % 5 + 1}.5") for n in range(ROWS)]
SELLS = [n % 3 == 0 for n in range(ROWS)]
TIMES = [START_MS + 10 * n for n in range(ROWS)]
WIDE = pa.decimal128(38, 18)


def write(folder: Path, form: str, columns: dict[str, Any]) -> Path:
    path = folder / f"mine.{form}"
    if form == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        feather.write_feather(pa.table(columns), str(path), chunksize=7)
    return path


def table(**more: Any) -> dict[str, Any]:
    return {"px": pa.array(PRICES, WIDE), "size": pa.array(QUANTITIES, WIDE), "ts": TIMES} | more


def column_map(**more: Any) -> ColumnMap:
    options = {name: more.pop(name) for name in ("signed", "shortest_floats") if name in more}
    return ColumnMap({"price": "px", "quantity": "size", "time": "ts"} | more, **options)


def read(path: Path, columns: ColumnMap) -> tuple[TradeFile, list[tuple[Any, ...]]]:
    file = TradeFile(path, symbol="FOX", columns=columns)
    rows = []
    for tape in file.chunks():
        (instrument,) = tape.instruments
        scales = (instrument.price_scale, instrument.quantity_scale)
        for row in range(len(tape)):
            rows.append(
                (
                    int(tape.trade_id[row]),
                    exact(tape.price[row], scales[0]),
                    exact(tape.quantity[row], scales[1]),
                    int(tape.event_time_ns[row]),
                    bool(tape.buyer_is_maker[row]),
                )
            )
    return file, rows


def expected(sells: list[bool] | None = None, first_id: int = 1) -> list[tuple[Any, ...]]:
    sides = sells or [False] * ROWS
    times = [time * 1_000_000 for time in TIMES]
    ids = range(first_id, first_id + ROWS)
    return list(zip(ids, PRICES, QUANTITIES, times, sides, strict=True))


NUMBERS: list[Any] = [
    pa.decimal128(38, 18),
    pa.decimal128(9, 2),
    pa.decimal256(60, 9),
    pa.float64(),
    pa.string(),
]


@pytest.mark.parametrize("form", ["parquet", "feather"])
@pytest.mark.parametrize("kind", NUMBERS, ids=str)
def test_every_type_of_number_is_read_exactly(tmp_path: Path, form: str, kind: Any) -> None:
    is_float = pa.types.is_floating(kind)
    cast = float if is_float else str if pa.types.is_string(kind) else D
    columns = table(
        px=pa.array([cast(value) for value in PRICES], kind),
        size=pa.array([cast(value) for value in QUANTITIES], kind),
        trade=[70 + n for n in range(ROWS)],
        maker=SELLS,
        note=[["a,b"]] * ROWS,
    )
    given = column_map(id="trade", maker="maker", shortest_floats=is_float)
    file, rows = read(write(tmp_path, form, columns), given)
    assert rows == expected(SELLS, 70)
    assert (file.info.ids_stated, file.info.unread_columns) == (True, ("note",))
    (law,) = file.equations
    assert (law.balanced, law.total, file.info.sha256 is None) == (True, ROWS, False)


TIME_COLUMNS: dict[str, Any] = {
    "s": pa.array([time // 1000 for time in TIMES]),
    "text": [f"{time // 1000}.{time % 1000:03}" for time in TIMES],
    "iso": [f"2024-05-15T02:00:00.{time % 1000:03}+02:00" for time in TIMES],
    "us": pa.array([time * 1_000 for time in TIMES], pa.timestamp("us")),
    "ns": pa.array([time * 1_000_000 for time in TIMES], pa.timestamp("ns", tz="UTC")),
    "ms": pa.array(TIMES, pa.uint64()),
}


@pytest.mark.parametrize("name", TIME_COLUMNS)
def test_every_form_of_time_is_read_exactly(tmp_path: Path, name: str) -> None:
    _, rows = read(write(tmp_path, "parquet", table(ts=TIME_COLUMNS[name])), column_map())
    whole = [time // 1000 * 1000 if name == "s" else time for time in TIMES]
    assert [row[3] for row in rows] == [time * 1_000_000 for time in whole]


@pytest.mark.parametrize("kind", [WIDE, pa.float64(), pa.string()], ids=str)
@pytest.mark.parametrize("signed", [True, False])
def test_a_quantity_below_0_is_a_sell(tmp_path: Path, kind: Any, signed: bool) -> None:
    values = [-q if sell else q for q, sell in zip(QUANTITIES, SELLS, strict=True)]
    cast = float if pa.types.is_floating(kind) else str if pa.types.is_string(kind) else D
    columns = table(size=pa.array([cast(value) for value in values], kind))
    given = column_map(signed=signed, shortest_floats=True)
    assert read(write(tmp_path, "feather", columns), given)[1] == expected(SELLS)


@pytest.mark.parametrize("form", ["parquet", "feather"])
@pytest.mark.parametrize(
    ("column", "value", "more", "expects", "found"),
    [
        ("ts", 5, {}, "a timestamp in ns like the rows before", "'5'"),
        ("ts", -5, {}, "a time like those before (epoch)", "'-5'"),
        ("size", D(-1), {"maker": "maker"}, "a number that is not negative", "'-1.0"),
        ("size", None, {}, "a value for quantity", "null"),
        ("px", D(0), {}, "ids from 0 on and a price above 0", "'0.0000"),
        ("word", "hold", {"side": "word"}, "for side", "'hold'"),
        ("text", "1,5", {"quote": "text"}, "a plain decimal number for quote", "'1,5'"),
    ],
)
def test_odd_values_are_named_as_they_stand_in_the_table(
    tmp_path: Path,
    form: str,
    column: str,
    value: Any,
    more: dict[str, str],
    expects: str,
    found: str,
) -> None:
    columns = table(trade=list(range(ROWS)), maker=SELLS, word=["buy"] * ROWS, text=["1"] * ROWS)
    values = columns[column]
    kind = values.type if isinstance(values, pa.Array) else None
    values = values.to_pylist() if isinstance(values, pa.Array) else list(values)
    values[9] = value
    path = write(tmp_path, form, columns | {column: pa.array(values, kind)})
    with pytest.raises(InputError) as caught:
        read(path, column_map(**more))
    assert caught.value.line == 10
    assert expects in caught.value.expected
    assert caught.value.found.startswith(found)
