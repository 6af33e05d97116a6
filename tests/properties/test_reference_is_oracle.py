"""The reference aggregator publishes exactly what the brute-force oracle says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.interval import INTERVALS as ALL
from kline_harness.interval import parse_interval
from kline_harness.kline import Trigger

from tests.contracts.aggregator import plain_rows, run
from tests.feeds import Item, TradeSpec, oracle_events, slices, wild_runs
from tests.oracle import OracleKline, OracleSeries, feed_klines

_LEDGER = ("received", "applied", "late", "duplicate", "rejected")
_CHOICES = [interval.text for interval in ALL[1:]]


@settings(max_examples=300, deadline=None)
@given(
    run_=wild_runs(),
    chosen=st.sets(st.sampled_from(_CHOICES), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 25), max_size=3),
)
def test_reference_is_the_oracle(run_: list[Item], chosen: set[str], cuts: list[int]) -> None:
    texts = sorted(chosen, key=_CHOICES.index)
    aggregator = ReferenceAggregator([parse_interval(text) for text in texts])
    pieces = slices(run_, [min(cut, len(run_)) for cut in cuts])
    emissions, accounts = run(aggregator, pieces)
    expected = feed_klines(oracle_events(run_), texts)

    rows = [row for emission in emissions for row in plain_rows(emission.klines)]
    for (symbol, text), series in expected.items():
        code = ALL.index(parse_interval(text))
        ours = [row for row in rows if row[0] == symbol and row[1] == code]
        assert [_comparable(row) for row in ours] == _told(series, run_)
        account = accounts[symbol]
        mine = account.series[text]
        assert account.received == len(series.received)
        assert mine.applied == len(series.applied)
        assert mine.late == series.late
        assert account.duplicate == series.duplicate
        assert sorted(i for ids in account.rejected.values() for i in ids) == sorted(
            series.rejected
        )
        assert mine.discarded == 0
    assert len(rows) == sum(len(series.finals) for series in expected.values())


def _comparable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    decimals = tuple(Decimal(value) for value in row[3:12])
    at_ns = None if row[15] == Trigger.END else row[14]
    return (row[2], *decimals, row[12], row[13], Trigger(row[15]).name.lower(), at_ns)


def _told(series: OracleSeries, run_: list[Item]) -> list[tuple[Any, ...]]:
    instants = [item.arrival_ns if isinstance(item, TradeSpec) else item.at_ns for item in run_]
    return [
        (
            *_nine(final.kline),
            final.trigger,
            None if final.trigger == "end" else instants[final.event_index],
        )
        for final in series.finals
    ]


def _nine(kline: OracleKline) -> tuple[Any, ...]:
    return (
        *(kline.open_time_ns, kline.open, kline.high, kline.low, kline.close),
        *(kline.volume, kline.quote_volume, Decimal(kline.count)),
        *(kline.taker_buy_volume, kline.taker_buy_quote_volume),
        *(kline.first_trade_id, kline.last_trade_id),
    )
