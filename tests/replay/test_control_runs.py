"""A control run is the same scenario without one fault: every option of it is there."""

from __future__ import annotations

import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.archives import ColumnMap
from kline_harness.checks.faults import Results
from kline_harness.comparison.stored import Stored
from kline_harness.faults.consumers import CrashedConsumer
from kline_harness.faults.trades import DropTrades
from kline_harness.interfaces import FeedSlice, Observer
from kline_harness.interval import parse_intervals
from kline_harness.klagg.gateway import GatewayOptions
from kline_harness.klagg.options import KlaggOptions, ModelOptions
from kline_harness.klagg.snapshot_writer import SnapshotOptions
from kline_harness.replay.assembly import Run, Storage
from kline_harness.replay.control_runs import control_run, without_fault
from kline_harness.replay.emission_log import EmissionLog
from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.replay.sources import Sources
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.clock import ClockOptions
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.signals import LoopOptions, ScriptedCommand
from kline_harness.simulation.simulation import Fidelity
from kline_harness.simulation.trade_filter import Outage
from kline_harness.storage.parquet_writer import WriterOptions
from kline_harness.units import NS_PER_MINUTE, NS_PER_SECOND, Window

from tests.replays import UM_STREAM, replay

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
# 2024-05-15 11:55 UTC, when the recording begins.
START_NS = 1_715_774_100_000_000_000


def after(minutes: float) -> int:
    return START_NS + int(minutes * NS_PER_MINUTE)


EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "subjects" / "aggregator.py"
SUBJECT = f"process:{sys.executable} {EXAMPLE}"
# A value of every option that is not its default, and the aggregator that takes it.
OPTIONS: dict[str, tuple[str, Any]] = {
    "intervals": ("exact", parse_intervals("1m,3m")),
    "aggregator": ("klagg", "klagg"),
    "symbol": ("exact", "ALFAUSDT"),
    "market": ("exact", "um"),
    "contract_size": ("exact", 10),
    "columns": ("exact", ColumnMap({"price": "p"})),
    "seed": ("exact", 7),
    "audit": ("exact", Audit.OFF),
    "expectations": ("exact", False),
    "fidelity": ("exact", Fidelity.TRADE),
    "until_ns": ("exact", after(30)),
    "silence_max": ("exact", 900_000),
    "shutdown_ns": ("exact", after(2.5)),
    "clock_offset_ns": ("exact", -NS_PER_SECOND),
    "clock": ("exact", ClockOptions(grace_ns=7 * NS_PER_SECOND)),
    "loop": ("klagg", LoopOptions((Window(after(1.5), after(3.5)),))),
    "outages": ("exact", (Outage(after(1), after(3)),)),
    "commands": ("klagg", (ScriptedCommand(after(2), remove="ALFAUSDT"),)),
    "process": (SUBJECT, ProcessOptions(unsynced_max=1)),
    "subject": (
        "klagg",
        KlaggOptions(ModelOptions(quirks="fixed"), GatewayOptions(), SnapshotOptions()),
    ),
    "channels": ("exact", ChannelOptions(klines=1, life_published=False)),
    "writer": ("exact", WriterOptions(part_rows=1, failing_commits=(1, 2))),
    "listeners": (
        "exact",
        {"writer": ListenerOptions(subscribe_at_ns=after(4))},
    ),
    "faults": ("exact", (CrashedConsumer(at_ns=after(1), restart_ns=after(4)),)),
}


class Seen(Observer):
    """What the aggregator was given: trades by slice, and every signal."""

    def __init__(self) -> None:
        self.trades: list[int] = []
        self.signals: list[object] = []

    def on_slice(self, feed: FeedSlice) -> None:
        self.trades.append(len(feed.trades))
        self.signals += feed.signals


def options(name: str) -> Scenario:
    aggregator, value = OPTIONS[name]
    base = Scenario(intervals=parse_intervals("1m,5m"), aggregator=aggregator, seed=1)
    return replace(base, **{name: value})


def ran(scenario: Scenario, storage: Storage) -> tuple[object, ...]:
    """What a run over the files came to, as plain values."""
    seen, log = Seen(), EmissionLog()
    # Files of trades without a table to map.
    sources = Sources.open([TRADES], [], replace(scenario, columns=None))
    run = Run(scenario, sources.source(whole=False), storage, [seen, log])
    run.simulate()
    results = Results.of(log.finals, Stored(run.writer.dataset.readers()), run.channels)
    records = [
        (channel.published, [(c.name, c.delivered, c.lagged) for c in channel.consumers])
        for channel in run.channels
    ]
    pulled = getattr(run.aggregator, "pulls", [])
    pulls = [(pull.at_ns, pull.kind, len(pull.records)) for pull in pulled]
    return (*plain(results), seen.trades, seen.signals, records, run.end_ns, pulls)


def plain(results: Results) -> tuple[object, ...]:
    klines, stored = results.klines.whole(), results.stored.table
    columns = [getattr(klines, name).tolist() for name in klines.column_names()]
    return (columns, stored.to_pylist(), results.undelivered)


def test_every_option_has_a_value_here() -> None:
    assert OPTIONS.keys() == {one.name for one in fields(Scenario)}
    for name in OPTIONS:
        assert getattr(options(name), name) != getattr(Scenario(), name), name


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_is_in_the_scenario_of_the_control_run(name: str) -> None:
    fault = DropTrades(rate=0.5)
    scenario = options(name)
    struck = replace(scenario, faults=(*scenario.faults, fault))
    assert without_fault(struck, len(scenario.faults)) == scenario


@pytest.mark.parametrize("name", OPTIONS)
def test_a_run_in_memory_is_the_run_on_disk(name: str, tmp_path: Path) -> None:
    scenario = options(name)
    on_disk = ran(scenario, Storage.on_disk(tmp_path / "klines"))
    assert ran(scenario, Storage.in_memory()) == on_disk
    # The control run is given nothing but the scenario: it is the same run once more.
    sources = Sources.open([TRADES], [], replace(scenario, columns=None))
    struck = replace(scenario, faults=(*scenario.faults, DropTrades(rate=0.5)))
    market = sources.trade_set(whole=False)
    control = control_run(struck, len(scenario.faults), market.source())
    assert plain(control) == on_disk[:3]


ALTERS = set(OPTIONS) - {
    *("symbol", "market", "contract_size", "columns", "seed", "expectations", "fidelity"),
    # How a program is treated: what it does must not hang on it.
    *("clock_offset_ns", "process"),
    # It refuses a run or changes nothing of it.
    "silence_max",
}


@pytest.mark.parametrize("name", sorted(ALTERS))
def test_an_option_makes_a_difference(name: str) -> None:
    """Else the tests above would hold whatever became of it."""
    scenario = options(name)
    default = replace(scenario, **{name: getattr(Scenario(), name)})
    assert ran(scenario, Storage.in_memory()) != ran(default, Storage.in_memory())


def test_a_fault_after_a_symbol_was_removed_has_no_effect(tmp_path: Path) -> None:
    text = """aggregator = "klagg"
intervals = ["1m"]
klagg = { quirks = "fixed" }

[[commands]]
at = 2024-05-15T11:56:00Z
remove = "ALFAUSDT"

[[faults]]
kind = "drop_trades"
rate = 0.5
from = 2024-05-15T11:58:00Z
"""
    (tmp_path / "scenario.toml").write_text(text, encoding="utf-8")
    ran = replay(tmp_path / "run", TRADES, "--scenario", tmp_path / "scenario.toml")
    (fault,) = ran.run["faults"]
    assert ran.run["channels"][0]["published"] == 2
    assert fault["effect"].keys() == {"trades_struck"}
    assert not fault["had_effect"]
    delivery = ran.check("delivery")["counts"]
    assert delivery["published for writer"] == 2
