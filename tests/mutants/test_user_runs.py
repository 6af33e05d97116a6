"""Every check that a user's run makes kills a mutant in a user's run: files in, run folder out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.reference import ReferenceAggregator
from kline_harness.archives.trade_file import TradeFile
from kline_harness.checks.check_list import CHECK_IDS, CheckList, Question
from kline_harness.expectations.in_process import InProcessExpectations
from kline_harness.faults.consumers import StalledConsumer
from kline_harness.faults.trades import DropTrades
from kline_harness.interfaces import Tick
from kline_harness.interval import parse_intervals
from kline_harness.klagg.gateway import GatewayOptions
from kline_harness.klagg.options import KlaggOptions, ModelOptions
from kline_harness.klagg.snapshot_writer import SnapshotOptions
from kline_harness.replay import Scenario, replay
from kline_harness.replay.assembly import NONE, Substitutions
from kline_harness.replay.run import Outcome
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.signals import LoopOptions
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MINUTE, NS_PER_SECOND, Window
from kline_harness.verdict import Verdict

from tests.klagg.defects import DEFECTS
from tests.mutants import channel_defects, feed_defects, kline_defects, trade_defects
from tests.mutants import writer_defects as writers
from tests.replays import UM_STREAM

pytestmark = pytest.mark.unbalanced

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
KLINES = UM_STREAM / "ALFAUSDT-1m-2024-05-15.csv"
# 2024-05-15 11:55 UTC, when the recording begins.
START_NS = 1_715_774_100_000_000_000
PLAIN = Scenario(intervals=parse_intervals("1m,5m"), seed=1)
# The offset of the recording's receiver, as a replay measures it.
MEASURED = replace(PLAIN, clock_offset_ns=-1_296_000_000)
STALL = (START_NS + NS_PER_MINUTE, START_NS + 6 * NS_PER_MINUTE)
STRUCK = replace(
    PLAIN,
    faults=(DropTrades(rate=0.02), StalledConsumer(from_ns=STALL[0], until_ns=STALL[1])),
    channels=ChannelOptions(klines=2),
)


def late(consumer: str, options: ListenerOptions) -> ListenerOptions:
    """Let the writer subscribe after three minutes."""
    late_ns = START_NS + 3 * NS_PER_MINUTE
    return replace(options, subscribe_at_ns=late_ns) if consumer == "writer" else options


class Crashes(ReferenceAggregator):
    """Dies at its third tick."""

    ticks = 0

    def on_tick(self, tick: Tick) -> None:
        self.ticks += 1
        if self.ticks == 3:
            raise RuntimeError("the third tick")
        super().on_tick(tick)


Read = Callable[..., Iterator[Tape]]


def sides_lost(plain: Read) -> Read:
    """Read every buyer as the maker."""

    def chunks(self: TradeFile, **how: Any) -> Iterator[Tape]:
        for tape in plain(self, **how):
            maker = tape.buyer_is_maker | True
            yield tape.with_columns({"buyer_is_maker": maker})

    return chunks


def received_early(plain: Read) -> Read:
    """Read the receive time of the first trade of each block ten seconds too early."""

    def chunks(self: TradeFile, **how: Any) -> Iterator[Tape]:
        for tape in plain(self, **how):
            arrival_ns = tape.arrival_ns.copy()
            arrival_ns[:1] -= 10 * NS_PER_SECOND
            yield tape.with_columns({"arrival_ns": arrival_ns})

    return chunks


RIGHT = KlaggOptions(ModelOptions(quirks="fixed"), GatewayOptions(), SnapshotOptions())
KLAGG = replace(
    PLAIN,
    aggregator="klagg",
    subject=RIGHT,
)
STALLED = (Window(*STALL),)


@dataclass(frozen=True)
class Mutant:
    """A defect of a run's part, or of its reader, in a scenario where the check has its needs.

    `scripted` is the scenario with the defect, where a scenario can say it.
    """

    check: str
    parts: Substitutions = NONE
    reader: Callable[[Read], Read] | None = None
    scenario: Scenario = field(default_factory=lambda: PLAIN)
    scripted: Scenario | None = None


MUTANTS = (
    Mutant("ledger", Substitutions(writer=writers.RowDropped)),
    Mutant("ledger", Substitutions(feed=feed_defects.trade_lost)),
    Mutant("trades", Substitutions(feed=feed_defects.trade_twice)),
    Mutant("continuity", Substitutions(feed=feed_defects.trade_lost)),
    Mutant("files", reader=sides_lost),
    Mutant("reception", reader=received_early, scenario=MEASURED),
    Mutant("writer", Substitutions(writer=writers.BufferAbandoned)),
    Mutant("completeness", Substitutions(aggregator=kline_defects.NoGapFill)),
    Mutant("lifecycle", Substitutions(aggregator=kline_defects.TickIgnored)),
    Mutant("comparison", Substitutions(aggregator=trade_defects.SwappedTaker)),
    Mutant("channels", Substitutions(listener=late)),
    Mutant("exactness", Substitutions(aggregator=trade_defects.LeftOpen)),
    Mutant("subject", Substitutions(aggregator=Crashes)),
    Mutant("clock", Substitutions(feed=feed_defects.tick_missed)),
    Mutant("expectations", Substitutions(aggregator=kline_defects.NoGapFill)),
    Mutant("feed", Substitutions(feed=feed_defects.trade_lost), scenario=STRUCK),
    Mutant("delivery", Substitutions(channel=channel_defects.lag_miscounted), scenario=STRUCK),
    Mutant("stored", Substitutions(writer=writers.DecimalsTruncated), scenario=STRUCK),
    Mutant(
        "faults",
        Substitutions(feed=feed_defects.ids_closed_up),
        scenario=replace(PLAIN, faults=(DropTrades(rate=0.02),)),
    ),
    Mutant("gateway", scenario=KLAGG, scripted=replace(KLAGG, loop=LoopOptions(STALLED))),
    Mutant(
        "gateway_reader",
        scenario=KLAGG,
        scripted=replace(
            KLAGG, subject=replace(RIGHT, gateway=GatewayOptions(reader_stalls=STALLED))
        ),
    ),
)


def ran(folder: Path, mutant: Mutant, *, sound: bool, patch: pytest.MonkeyPatch) -> Outcome:
    with patch.context() as patched:
        if mutant.reader is not None and not sound:
            patched.setattr(TradeFile, "chunks", mutant.reader(TradeFile.chunks))
        return replay(
            mutant.scenario if sound else mutant.scripted or mutant.scenario,
            [TRADES],
            [KLINES],
            folder,
            command="",
            report=False,
            expectations=InProcessExpectations,
            substitutions=NONE if sound else mutant.parts,
        )


def signs(outcome: Outcome, check: str) -> Counter[tuple[object, ...]]:
    """What a check found, without the numbers."""
    return Counter(
        (f.kind, f.symbol, f.interval, f.open_time_ns, f.at_ns)
        for verdict in outcome.checks
        if verdict.check == check
        for f in verdict.findings
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.check)
def test_a_mutant_is_killed_in_a_user_s_run(
    mutant: Mutant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = ran(tmp_path / "sound", mutant, sound=True, patch=monkeypatch)
    found = ran(tmp_path / "mutant", mutant, sound=False, patch=monkeypatch)
    assert signs(found, mutant.check) - signs(sound, mutant.check)


def test_every_check_of_a_user_s_run_has_a_mutant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: set[str] = set()
    for number, scenario in enumerate((PLAIN, STRUCK, KLAGG)):
        mutant = Mutant("", scenario=scenario)
        outcome = ran(tmp_path / str(number), mutant, sound=True, patch=monkeypatch)
        names = [verdict.check for verdict in outcome.checks]
        assert len(names) == len(set(names))
        assert all(verdict.needs and verdict.not_checked for verdict in outcome.checks)
        made |= set(names)
    # The mutants of klagg's own checks are its known defects, each in a run of its own.
    killed = {mutant.check for mutant in MUTANTS} | {defect.check for defect in DEFECTS}
    unproved = sorted(made - killed)
    assert not unproved, f"a mutant for each is to be added to MUTANTS here: {unproved}"
    # `reference` is asked in memory alone: tests/mutants/registry.py has its mutants.
    assert {*killed, "reference"} >= CHECK_IDS
    assert made >= CHECK_IDS - {"reference"}


def test_two_checks_of_one_id_are_refused() -> None:
    def answer() -> Verdict:
        return Verdict.of("clock", {}, ())

    with pytest.raises(ValueError, match="two of clock"):
        CheckList([Question("clock", "ticks", answer), Question("clock", "ticks", answer)])
    with pytest.raises(ValueError, match="answered as clock"):
        tuple(CheckList([Question("feed", "trades", answer)]).verdicts())


def test_a_check_that_crashes_is_unknown_and_the_next_is_asked() -> None:
    def crash() -> Verdict:
        raise RuntimeError("broken")

    checks = [Question("one", "a", crash), Question("two", "b", lambda: Verdict.of("two", {}, ()))]
    first, second = CheckList(checks).verdicts()
    assert (first.check, first.validity.value) == ("one", "unknown")
    assert second.validity.value == "valid"
