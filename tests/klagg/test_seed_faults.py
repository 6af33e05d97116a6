"""What the seed of the broadcast design got wrong, and what a replay must show instead."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from kline_harness.checks.channels import channels_verdict, lost_klines
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.interval import INTERVALS
from kline_harness.klagg.queue import QueueChannel
from kline_harness.kline import KlineBatch
from kline_harness.replay import Outcome, Scenario
from kline_harness.replay import replay as run
from kline_harness.replay.scenario_file import decode_scenario, load_scenario
from kline_harness.simulation.broadcast import Empty, Lagged, Receiver, Sender, channel
from kline_harness.simulation.channels import BroadcastChannel, ChannelOptions
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.simulation.simulation import Fidelity, Simulation
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.units import NS_PER_SECOND, Window

from tests.checks.tables import series, table
from tests.feeds import MINUTE, T0, feed
from tests.klagg.klagg_cases import intervals_of
from tests.klagg.made import FOLDER

STREAM = FOLDER.parent / "um-stream" / "ALFAUSDT-trade-stream.txt.gz"
NOON_NS = 1_715_774_400 * NS_PER_SECOND
BUSY = "; ".join(f"ALFA {m}:30 100x1; BETA {m}:31 5x2; tick {m + 1}:00.110" for m in range(40))


def replayed(options: Scenario, folder: Path) -> Outcome:
    options = replace(options, expectations=False)
    return run(options, [STREAM], [], folder, command="", report=False)


def stored_bytes(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted((folder / "klines").iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def simulated(folder: Path, channels: ChannelOptions, **listeners: ListenerOptions) -> Simulation:
    aggregator = Scenario(intervals=tuple(intervals_of("1m 5m"))).make_aggregator()
    design = QueueChannel if channels.design == "mpsc" else None
    simulation = Simulation(aggregator, [feed(BUSY)], channels, design=design)
    writer, auditor = ParquetWriter(folder), CompletenessAuditor()
    calm = ListenerOptions()
    simulation.listen_to_klines(writer, writer.on_rows, listeners.get("writer", calm))
    simulation.listen_to_klines(auditor, auditor.on_rows, listeners.get("completeness", calm))
    return simulation


# --- Q33: a drain ends at Empty, and goes on after Lagged -----------------------------------------


def test_a_drain_loses_nothing_that_is_retained() -> None:
    sender: Sender[int]
    receiver: Receiver[int]
    sender, receiver = channel(4)
    sender.send_many(range(10))
    drained: list[int] = []
    lagged = 0
    while True:
        try:
            drained.append(receiver.try_recv())
        except Lagged as lag:
            lagged += lag.missed
        except Empty:
            break
    assert (lagged, drained) == (6, [6, 7, 8, 9])


# --- the audit and the writer, and each one's loss ------------------------------------------------


@pytest.mark.parametrize("aggregator", ["exact", "klagg"])
def test_a_slow_auditor_never_changes_what_is_stored(aggregator: str, tmp_path: Path) -> None:
    base = Scenario(aggregator=aggregator, channels=ChannelOptions(klines=16))
    calm = replayed(base, tmp_path / "calm")
    hours = (Window(NOON_NS - 600 * NS_PER_SECOND, NOON_NS + 600 * NS_PER_SECOND),)
    slow = {
        "completeness": ListenerOptions(stalls=hours),
        "lifecycle": ListenerOptions(stalls=hours),
    }
    lagging = replayed(replace(base, listeners=slow), tmp_path / "slow")
    assert stored_bytes(tmp_path / "calm") == stored_bytes(tmp_path / "slow")
    lost = {one.check: one for one in lagging.checks}["channels"]
    assert lost.counts["lost"] > 0
    assert {one.evidence["consumer"] for one in lost.findings} == {"completeness"}
    assert {one.check: one.counts for one in calm.checks}["channels"]["lost"] == 0


@pytest.mark.parametrize("design", ["broadcast", "mpsc"])
def test_a_slow_writers_loss_is_counted_to_the_kline(design: str, tmp_path: Path) -> None:
    slow = ListenerOptions(stalls=(Window(T0 + 10 * MINUTE, T0 + 30 * MINUTE),))
    options = ChannelOptions(klines=16, design=design)
    records = simulated(tmp_path, options, writer=slow).run(lambda: T0 + 41 * MINUTE)
    klines = records[0]
    writer = klines.consumers[0]
    lost = lost_klines(writer)
    assert len(lost) == writer.lagged + klines.refused > 0
    assert writer.delivered + len(lost) == klines.published
    # Published but neither lost nor stored: none, and none is both.
    everything = simulated(tmp_path / "all", ChannelOptions(), writer=ListenerOptions())
    everything.run(lambda: T0 + 41 * MINUTE)
    stored = ParquetWriter(tmp_path).dataset.read()
    whole = ParquetWriter(tmp_path / "all").dataset.read()
    keys = {*_stored_keys(stored)} | {*_keys(lost)}
    assert len(_stored_keys(stored)) + len(lost) == whole.num_rows
    assert keys == {*_stored_keys(whole)}
    told = [f for f in channels_verdict(records).findings if f.kind == "klines_lost"]
    assert sum(f.evidence["lost"] for f in told if f.evidence["consumer"] == "writer") == len(lost)
    # The oldest of the stalled time, or the newest.
    newest = max(_keys(lost), key=lambda key: key[2])[2]
    assert (newest > T0 + 25 * MINUTE) == (design == "mpsc")


def _keys(klines: KlineBatch) -> list[tuple[str, str, int]]:
    return [
        (klines.symbol_text(row), INTERVALS[int(code)].text, int(open_ns))
        for row, (code, open_ns) in enumerate(
            zip(klines.interval, klines.open_time_ns, strict=True)
        )
    ]


def _stored_keys(stored: object) -> list[tuple[str, str, int]]:
    rows = stored.select(["symbol", "interval", "open_time"]).to_pylist()  # type: ignore[attr-defined]
    return [
        (row["symbol"], row["interval"], round(row["open_time"].timestamp()) * NS_PER_SECOND)
        for row in rows
    ]


def test_a_late_subscriber_is_reported_as_late(tmp_path: Path) -> None:
    late = {"completeness": ListenerOptions(subscribe_at_ns=NOON_NS)}
    outcome = replayed(Scenario(listeners=late), tmp_path / "run")
    findings = [f for check in outcome.checks for f in check.findings if f.check == "channels"]
    assert [f.kind for f in findings] == ["late_subscriber"]
    assert findings[0].evidence["missed"] > 0


def test_a_consumer_that_leaves_drains_or_says_what_it_left(tmp_path: Path) -> None:
    leaves = T0 + 10 * MINUTE + 30 * NS_PER_SECOND
    stalls = (Window(T0, leaves),)
    for drains, unread in ((True, 0), (False, 24)):
        options = ListenerOptions(leaves_at_ns=leaves, drains=drains, stalls=stalls)
        simulation = simulated(tmp_path / str(drains), ChannelOptions(), writer=options)
        writer = simulation.run(lambda: T0 + 41 * MINUTE)[0].consumers[0]
        assert (writer.unread, writer.died_at_ns) == (unread, None)
        assert writer.after_leaving > 0


def test_a_consumer_that_takes_a_lag_for_the_end_stores_nothing_more(tmp_path: Path) -> None:
    stalls = (Window(T0 + 10 * MINUTE, T0 + 20 * MINUTE),)
    options = ListenerOptions(stalls=stalls, ends_at_lag=True)
    simulation = simulated(tmp_path, ChannelOptions(klines=16), writer=options)
    records = simulation.run(lambda: T0 + 41 * MINUTE)
    writer = records[0].consumers[0]
    assert writer.lag_events == 1
    assert writer.after_leaving > 0
    # What was retained at its end is unread: 16 values.
    assert writer.unread == 16
    total = writer.delivered + writer.lagged + writer.unread + writer.after_leaving
    assert total == records[0].sent
    assert ParquetWriter(tmp_path).dataset.rows() == writer.delivered
    left = [f for f in channels_verdict(records).findings if f.kind == "consumer_left"]
    assert left[0].evidence["missed"] == writer.unread + writer.after_leaving


def test_bursts_of_the_notes() -> None:
    """15 000 finals into a queue of 10 000; 20 000 into a broadcast that retains 16 384 (Q31)."""
    finals = table(series(" ".join(str(step) for step in range(20_000))))
    queue = QueueChannel("klines", 10_000, "writer")
    queue.subscribe("writer")
    queue.publish(finals, 0, 15_000)
    assert (queue.sent, queue.refused) == (10_000, 5_000)
    assert [(r.start, r.stop) for r in queue.lost("writer")] == [(10_000, 15_000)]
    broadcast = BroadcastChannel("klines", 10_000, remember=True)
    broadcast.subscribe("writer")
    broadcast.publish(finals, 0, 20_000)
    assert broadcast.received("writer").unread == 20_000
    assert [(r.start, r.stop) for r in broadcast.lost("writer")] == [(0, 3_616)]


def test_shutdown_in_the_middle_of_a_burst(tmp_path: Path) -> None:
    """What comes after is counted as such, what was published is drained and stored."""
    options = decode_scenario({"shutdown": NOON_NS + 7}, "test")
    outcome = replayed(options, tmp_path / "run")
    ledger = (tmp_path / "run" / "run.json").read_text(encoding="utf-8")
    assert "ALFAUSDT after shutdown" in ledger
    assert outcome.checks[0].validity.value == "valid"


@pytest.mark.unbalanced
@pytest.mark.parametrize("name", ["q03", "q15", "q24", "q26", "q32", "q18", "q28"])
def test_both_fidelities_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    """With commands, pulls, outages and a busy loop too."""
    from_file = load_scenario(FOLDER / f"{name}.toml")
    for fidelity in Fidelity:
        options = replace(from_file, expectations=False, fidelity=fidelity)
        trades = [FOLDER / f"{name}.txt"]
        run(options, trades, [], tmp_path / fidelity.value, command="", report=False)
    batch, trade = (tmp_path / fidelity.value for fidelity in Fidelity)
    assert stored_bytes(batch) == stored_bytes(trade)
    findings = "findings.ndjson"
    assert (batch / findings).read_bytes() == (trade / findings).read_bytes()
