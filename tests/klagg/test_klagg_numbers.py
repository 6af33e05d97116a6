"""klagg's arithmetic: floats added in order and written shortest, and the exact counterpart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.columns import Instrument
from kline_harness.errors import UsageError
from kline_harness.klagg.numbers import ExactNumbers, FloatNumbers, Measure, Numbers
from kline_harness.tape import Tape
from kline_harness.units import parse_exact

from tests.feeds import TradeSpec, feed, tape
from tests.klagg.klagg_cases import run_klagg

FLOATS, EXACT = FloatNumbers(), ExactNumbers()


def added(numbers: Numbers, text: str, times: int) -> float | int:
    return numbers.total(0, [numbers.parse(text, Measure.QUANTITY)] * times)


@pytest.mark.parametrize(
    ("text", "times", "error"),
    [("0.001", 1_000_000, 1.7e-8), ("0.123", 300_000, 1.1e-7), ("51234.7", 2_000, 3.7e-6)],
)
def test_errors_of_float_sums(text: str, times: int, error: float) -> None:
    """Binary sums drift by this much; the exact ones do not."""
    total = added(FLOATS, text, times)
    value, scale = parse_exact(text)
    assert abs(total - value * times / 10**scale) == pytest.approx(error, rel=0.05)
    assert EXACT.exact(added(EXACT, text, times), Measure.QUANTITY) == parse_exact(
        EXACT.text(value * times * 10 ** (20 - scale), Measure.QUANTITY)
    )


def test_the_sum_of_a_million_thousandths() -> None:
    assert added(FLOATS, "0.001", 1_000_000) == 999.9999999832651


@given(st.lists(st.floats(0, 1e9), max_size=80), st.floats(0, 1e9))
def test_long_sums_are_added_in_order_too(values: list[float], start: float) -> None:
    expected = start
    for value in values:
        expected += value
    assert FLOATS.total(start, values) == expected


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        *(
            (100.0, "100"),
            (1e-7, "0.0000001"),
            (1e16, "10000000000000000"),
            (0.1 + 0.2, "0.30000000000000004"),
        ),
        *(
            (0, "0"),
            (0.0, "0"),
            (1.5, "1.5"),
            (2.5e-9, "0.0000000025"),
            (1e23, "100000000000000000000000"),
        ),
    ],
)
def test_floats_are_written_without_exponent(amount: float, text: str) -> None:
    assert FLOATS.text(amount, Measure.PRICE) == text


@given(st.floats(0, 1e15))
def test_the_published_integer_reads_back_as_the_float(amount: float) -> None:
    value, scale = FLOATS.exact(amount, Measure.PRICE)
    assert value / 10**scale == amount
    assert float(FLOATS.text(amount, Measure.PRICE)) == amount
    assert scale == 0 or value % 10


@given(st.integers(0, 10**22), st.integers(0, 20))
def test_exact_amounts_are_what_was_parsed(value: int, scale: int) -> None:
    digits = str(value).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    assert EXACT.exact(EXACT.parse(text, Measure.PRICE), Measure.PRICE) == parse_exact(text)


@pytest.mark.parametrize("text", ["", "abc", "1e5x"])
def test_what_cannot_be_parsed_is_zero(text: str) -> None:
    assert FLOATS.parse(text, Measure.PRICE) == EXACT.parse(text, Measure.PRICE) == 0


def test_prices_become_the_nearest_float() -> None:
    """As a parser of the text does, also where the integer is too long for a float."""
    texts = ["64000.10", "0.1", "0.3", "123456789.123456789", "98765432109876543.21"]
    for chosen in (texts[:3], texts):
        rows = [
            TradeSpec("ALFA", number, text, "0.7", number, number)
            for number, text in enumerate(chosen)
        ]
        trades = list(FLOATS.trades(tape(rows), [0]))
        assert [trade.price for trade in trades] == [float(text) for text in chosen]
        assert [trade.quote for trade in trades] == [float(text) * 0.7 for text in chosen]


def test_a_tape_finer_than_exact_numbers() -> None:
    instrument = Instrument.of("ALFA", 21, 0)
    one = np.array([1])
    fine = Tape.of(
        instrument,
        trade_id=one,
        price=one,
        quantity=one,
        event_time_ns=one,
        buyer_is_maker=np.array([True]),
    )
    with pytest.raises(UsageError, match="20 decimals"):
        list(EXACT.trades(fine, [0]))


def test_instruments_grow_as_sums_need_it() -> None:
    ran = run_klagg("ALFA 0:01 100x1; tick 1:00; ALFA 1:01 1x0.1", "1m")
    assert ran.aggregator.instruments[0].quantity_scale == 1
    emission = ran.aggregator.advance(feed("ALFA 1:02 1x0.2 #3; tick 2:00"))
    assert emission.klines.instruments[0].quantity_scale == 17
    assert emission.klines.volume.tolist() == [30_000_000_000_000_004]
