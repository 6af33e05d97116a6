"""Trade faults: by identity, whatever the chunks, and exactly as recorded."""

from __future__ import annotations

from dataclasses import MISSING, fields
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
from kline_harness.columns import concat
from kline_harness.errors import UsageError
from kline_harness.faults.catalogue import CATALOGUE, Injection, to_table
from kline_harness.faults.consumers import ConsumerFault
from kline_harness.faults.fault import Fault
from kline_harness.faults.presets import PRESETS, hostile, lossy
from kline_harness.faults.trades import (
    DelayTrades,
    DropTrades,
    DuplicateTrades,
    ReorderTrades,
    SentinelRows,
    TradeFault,
    WrongTime,
    ZeroQuantity,
)
from kline_harness.replay.scenario_file import decode_scenario
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_MINUTE, NS_PER_SECOND

from tests.contracts.aggregator import plain_rows
from tests.mutants.stage import START_NS, minutes

WILD: tuple[Fault, ...] = (
    DropTrades(rate=0.1),
    DuplicateTrades(rate=0.2, after_ns=3 * NS_PER_SECOND, altered=True),
    DuplicateTrades(rate=0.2, number=9),
    ReorderTrades(rate=0.3, within_ns=NS_PER_MINUTE),
    DelayTrades(rate=0.2, by_ns=NS_PER_SECOND, jitter_ns=2 * NS_PER_MINUTE),
    WrongTime(rate=0.1, backwards=True),
    SentinelRows(rate=0.1),
    ZeroQuantity(rate=0.1),
)


def struck(tapes: list[Tape], faults: tuple[Fault, ...], seed: int = 0) -> tuple[Tape, Injection]:
    injection = Injection(faults, seed)
    out = list(injection.trades(tapes))
    return (concat(out) if out else Tape.empty()), injection


def test_chunks_change_nothing() -> None:
    whole = minutes()
    expected, injection = struck([whole], WILD)
    random = Random(1)
    for _ in range(30):
        cuts = sorted(random.choices(range(len(whole) + 1), k=random.randrange(1, 20)))
        pieces = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]
        got, again = struck(pieces, WILD)
        assert plain_rows(got) == plain_rows(expected)
        assert again.records == injection.records
    arrival_ns = expected.arrival_ns
    assert np.all(arrival_ns[1:] >= arrival_ns[:-1])


def test_another_symbol_changes_nothing() -> None:
    whole = minutes()
    one = whole.take(whole.symbol == 0)
    both, _ = struck([whole], WILD)
    alone, _ = struck([one], WILD)
    assert plain_rows(both.take(both.symbol == 0)) == plain_rows(alone)


def test_the_record_is_what_changed() -> None:
    whole = minutes()
    kept, injection = struck([whole], (DropTrades(rate=0.2),))
    record = injection.records[0]
    before = {tuple(row) for row in zip(whole.symbol, whole.trade_id, strict=True)}
    after = {tuple(row) for row in zip(kept.symbol, kept.trade_id, strict=True)}
    lost = {(whole.instruments[s].symbol, int(i)) for s, i in before - after}
    assert lost == {(symbol, i) for symbol, ids in record.trades.items() for i in ids}
    assert record.trade_count == len(whole) - len(kept) > 0


def test_a_seed_and_a_number_decide() -> None:
    whole = minutes()
    fault = DropTrades(rate=0.2)
    first = struck([whole], (fault,), 1)[1].records
    assert first == struck([whole], (fault,), 1)[1].records
    assert first != struck([whole], (fault,), 2)[1].records
    moved = struck([whole], (SentinelRows(rate=0), DropTrades(rate=0.2, number=0)), 1)[1].records
    assert moved[1].trades == first[0].trades


def test_rates_are_kept() -> None:
    ids = np.arange(200_000, dtype=np.int64)
    injection = Injection((DropTrades(rate=0.01),), 5)
    (drawn,) = injection._drawn(TradeFault)
    share = drawn[1].chosen("ALFA", ids, 0.01).mean()
    assert 0.009 < share < 0.011


def test_ids_name_trades() -> None:
    whole = minutes()
    fault = SentinelRows(symbol="BETAUSDT", ids=(703, 705))
    got, _ = struck([whole], (fault,))
    rows = np.flatnonzero(got.kind == TradeKind.SENTINEL).tolist()
    assert [(got.symbol_text(row), int(got.trade_id[row])) for row in rows] == [
        ("BETAUSDT", 703),
        ("BETAUSDT", 705),
    ]
    assert got.first_id[rows].tolist() == [-1, -1]
    assert got.price[rows].tolist() == [0, 0]


def required(made: type[Fault]) -> list[str]:
    return [
        one.name
        for one in fields(made)
        if one.default is MISSING and one.default_factory is MISSING
    ]


def samples() -> list[Fault]:
    given: dict[str, dict[str, int | str]] = {
        "clock_drift": {"from_ns": START_NS},
        "ticks_coalesced": {"until_ns": START_NS},
        "consumer_stalled": {"from_ns": 1, "until_ns": 2},
        "shutdown": {"at_ns": 5},
        "consumer_late": {"at_ns": 5},
        "consumer_crashed": {"at_ns": 5, "restart_ns": 6},
        "wire_symbol_name": {"symbol": "ÄUSDT"},
    }
    plain = []
    for kind, made in CATALOGUE.items():
        words: dict[str, Any] = {**dict.fromkeys(required(made), 5), **given.get(kind, {})}
        plain.append(made(**words))
    presets = [fault for preset in PRESETS.values() for fault in preset.make(START_NS)]
    return [*plain, *presets, *WILD]


@pytest.mark.parametrize("fault", samples(), ids=lambda fault: fault.KIND)
def test_a_fault_survives_its_table(fault: Fault) -> None:
    assert decode_scenario({"faults": [to_table(fault)]}, "x").faults == (fault,)


def test_every_fault_says_who_tells() -> None:
    for kind, made in CATALOGUE.items():
        # What a server does to its clients is told by what the service stored.
        assert made.TOLD_BY or kind.startswith("wire_"), kind
        assert made.__doc__
        assert issubclass(made, ConsumerFault) == kind.startswith("consumer_")


def test_presets_in_a_scenario_file() -> None:
    scenario = decode_scenario({"preset": {"name": "lossy"}, "faults": []}, "x")
    assert scenario.faults == lossy()
    assert len(hostile()) > len(lossy())


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"faults": [{"kind": "dropp"}]}, "drop_trades"),
        ({"faults": [{"rate": 0.5}]}, "kind"),
        ({"faults": [{"kind": "drop_trades", "rate": 1.5}]}, "rate"),
        ({"faults": [{"kind": "drop_trades", "by": "1s"}]}, "by"),
        ({"faults": [{"kind": "disk_full", "step": "fly"}]}, "rename"),
        ({"faults": [{"kind": "consumer_late"}]}, "at"),
        ({"preset": {"name": "stormy"}}, "lossy"),
    ],
)
def test_a_wrong_table_is_one_clear_sentence(table: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        decode_scenario(table, "scenario.toml")
