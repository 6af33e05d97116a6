"""The ledger has no gap: the right side of each equation is the left side of the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from kline_harness.explore.sampler import draw_scenario
from kline_harness.faults.consumers import CrashedConsumer
from kline_harness.faults.disk import DiskFull, KillDuringWrite
from kline_harness.faults.fault import Fault
from kline_harness.interval import parse_intervals
from kline_harness.ledger import Equation
from kline_harness.replay.memory_run import MemoryRun, run_in_memory
from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.storage.parquet_writer import WriterOptions
from kline_harness.units import NS_PER_MINUTE

from tests.klagg.queued import Queued
from tests.mutants.stage import MINUTES, START_NS, minutes

BASE = Scenario(intervals=parse_intervals("1m,3m"))
MARKET = TradeSet(minutes(), until_ns=START_NS + MINUTES * NS_PER_MINUTE)


def at(minute: float) -> int:
    return START_NS + int(minute * NS_PER_MINUTE)


def the(equations: Iterable[Equation], law: str, subject: str) -> Equation:
    (found,) = [one for one in equations if (one.law, one.subject) == (law, subject)]
    return found


def joins(trial: MemoryRun) -> None:
    """Follow every trade and every kline from the source to the disk, law by law."""
    laws, scenario = trial.equations, trial.run.scenario
    read = the(laws, "trades read", "all files")
    assert read.total == len(MARKET.tape)
    for symbol in trial.accounts:
        for interval in scenario.intervals:
            received = the(laws, "trades received", f"{symbol} {interval.text}")
            assert read.parts[symbol] == received.total
    for channel in trial.run.channels:
        published = the(laws, "published", channel.name)
        assert the(laws, "emitted", channel.name).parts["published"] == published.total
        for consumer in channel.consumers:
            subject = f"{channel.name} to {consumer.name}"
            sent = the(laws, "sent", subject)
            assert published.parts["sent"] == sent.total
            delivered = the(laws, "delivered", subject)
            assert sent.parts["delivered"] == delivered.total
            if consumer.name == "writer":
                taken = the(laws, "klines taken", "writer")
                assert delivered.parts["taken"] == taken.total
                written = the(laws, "klines written", "writer")
                assert taken.parts["written"] == written.total
                assert written.parts["rows on disk"] == trial.stored.num_rows
    assert [one for one in laws if not one.balanced] == []


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_equations_join_whatever_happens(seed: int) -> None:
    joins(run_in_memory(draw_scenario(seed, BASE, MARKET), MARKET, opinion=False))


SETTINGS: dict[str, Scenario] = {
    "as it is": BASE,
    "one listener": replace(BASE, audit=Audit.OFF),
    "a queue": replace(BASE, subject=Queued(), channels=ChannelOptions(klines=2, design="mpsc")),
    "no lifecycle": replace(BASE, channels=ChannelOptions(life_published=False)),
    "failing commits": replace(BASE, writer=WriterOptions(part_rows=4, failing_commits=(1, 3))),
}
STRIKES: dict[str, tuple[Fault, ...]] = {
    name: (CrashedConsumer(consumer=name, at_ns=at(4.5), restart_ns=at(7.2)),)
    for name in ("writer", "completeness", "lifecycle")
}
STRIKES["disk"] = (DiskFull(from_commit=1, until_commit=2),)
STRIKES["killed twice"] = (
    KillDuringWrite(from_commit=0, until_commit=1, step="rename"),
    KillDuringWrite(from_commit=2, until_commit=3, step="sync"),
)


@pytest.mark.parametrize("setting", SETTINGS)
def test_equations_join_in_every_setting(setting: str) -> None:
    joins(run_in_memory(SETTINGS[setting], MARKET, opinion=False))


@pytest.mark.parametrize("strike", STRIKES)
def test_equations_join_where_somebody_dies(strike: str) -> None:
    scenario = replace(BASE, faults=STRIKES[strike], writer=WriterOptions(part_rows=4))
    joins(run_in_memory(scenario, MARKET, opinion=False))


def test_what_is_delivered_to_a_dead_writer_is_in_an_equation_of_its_own() -> None:
    trial = run_in_memory(replace(BASE, faults=STRIKES["writer"]), MARKET, opinion=False)
    delivered = the(trial.equations, "delivered", "klines to writer")
    # Minutes 5, 6, 7 close while it is down, and the three minutes 3 to 5: of each symbol.
    assert delivered.parts["lost while down"] == 2 * 4
    # Everything before the crash was still in its buffer or its open part.
    taken = the(trial.equations, "klines taken", "writer")
    assert taken.total == delivered.total - 8
    assert taken.parts["written"] + taken.parts["dropped"] == taken.total
