"""Canonical text: exact, and independent of how the table is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.gate.canonical import days_of, digest, escape, fields_of, time_text
from kline_harness.kline import SCHEMA

MINUTE_US = 60_000_000
OPEN_US = 1_715_731_200_000_000


def table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Finals in the schema of the dataset; what a row leaves out is 0."""
    filled = [
        {
            **{field.name: Decimal(0) for field in SCHEMA if pa.types.is_decimal(field.type)},
            "symbol": "AUSDT",
            "interval": "1m",
            "open_time": OPEN_US,
            "close_time": OPEN_US + MINUTE_US,
            "count": 0,
            "first_trade_id": -1,
            "last_trade_id": -1,
            "finalized_at": 0,
            "trigger": "tick",
            **row,
        }
        for row in rows
    ]
    return pa.Table.from_pylist(filled, schema=SCHEMA)


def line(**row: object) -> str:
    ((found,),) = days_of([table([row])]).values()
    return found


def test_a_line_is_exact_text() -> None:
    assert line(open=Decimal("3151.50"), volume=Decimal("0.00000001"), count=3) == (
        "AUSDT,1m,2024-05-15T00:00:00Z,3151.5,0,0,0,0.00000001,0,3,0,0"
    )


@given(st.decimals(min_value=-(10**19), max_value=10**19, places=18))
@settings(max_examples=100, deadline=None)
def test_every_number_comes_back(number: Decimal) -> None:
    text = fields_of(line(quote_volume=number))["quote_volume"]
    assert Decimal(text) == number
    assert "E" not in text
    assert "." not in text or not text.endswith(("0", "."))


def test_the_table_may_be_cut_sorted_and_packed_in_any_way(tmp_path: Path) -> None:
    rows = [
        {"symbol": symbol, "interval": interval, "open_time": OPEN_US + k * MINUTE_US, "count": k}
        for symbol in ("BUSDT", "AUSDT")
        for interval in ("1m", "1h")
        for k in range(3)
    ]
    expected = days_of([table(rows)])
    assert list(expected) == sorted(expected)
    pieces = pa.concat_tables([table(rows[7:]), table(rows[:7][::-1])]).unify_dictionaries()
    assert days_of([pieces]) == expected
    assert days_of(table([row]) for row in reversed(rows)) == expected
    assert days_of([table(rows[:-1])]) != expected
    assert days_of([table([*rows[:-1], {**rows[-1], "count": 7}])]) != expected
    pq.write_table(table(rows), tmp_path / "k.parquet", compression="none", use_dictionary=False)
    assert days_of([pq.read_table(tmp_path / "k.parquet")]) == expected


def test_each_day_has_its_own_digest() -> None:
    rows = [{"open_time": OPEN_US - MINUTE_US}, {"open_time": OPEN_US}]
    days = days_of([table(rows)])
    assert list(days) == ["AUSDT,1m,2024-05-14", "AUSDT,1m,2024-05-15"]
    assert len({digest(lines) for lines in days.values()}) == 2


def test_a_kline_that_is_there_twice_is_two_lines() -> None:
    (lines,) = days_of([table([{"count": 1}, {"count": 2}])]).values()
    assert [text.split(",")[9] for text in lines] == ["1", "2"]


def test_no_klines_are_no_days() -> None:
    assert not days_of([SCHEMA.empty_table()])


def test_hostile_names_stay_one_word() -> None:
    assert escape("A,B =\n#%USDT") == "A%2CB%20%3D%0A%23%25USDT"
    assert escape("币安USDT") == "币安USDT"
    assert line(symbol="A B,C").startswith("A%20B%2CC,1m,")


def test_times_have_a_fraction_only_where_there_is_one() -> None:
    assert time_text(OPEN_US * 1000) == "2024-05-15T00:00:00Z"
    assert time_text(OPEN_US * 1000 + 500_000) == "2024-05-15T00:00:00.0005Z"
    assert ",2024-05-15T00:00:00.0005Z," in line(open_time=OPEN_US + 500)
