"""What the channels carried: as a check, and as data of the run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kline_harness.columns import gather
from kline_harness.interval import INTERVALS
from kline_harness.kline import KlineBatch
from kline_harness.run_rows import ChannelRow
from kline_harness.simulation.records import ChannelRecord, ConsumerRecord
from kline_harness.verdict import OMITTED, Finding, Severity, Verdict

CHECK = "channels"
NOT_CHECKED = ("what is published, and what a consumer does with it",)
# Runs of lost klines reported one by one.
_RUNS_TOLD = 1_000
# Who stores klines: what it misses is lost, while what an auditor misses is only not checked.
_STORES = "writer"


def channels_verdict(channels: Sequence[ChannelRecord], *, owes_life: bool = True) -> Verdict:
    """Tell who did not get what was published: late, slow, gone, or not there at all.

    What a writer misses is an error, what an auditor misses a doubt. Lost finals are named. An
    aggregator that does not owe lifecycle events may publish none: that is said.
    """
    counts = {"published": 0, "lost": 0, "missed": 0}
    findings: list[Finding] = []
    for channel in channels:
        counts["published"] += channel.published
        # Without an audit nobody is meant to listen to the lifecycle; somebody always is to finals.
        if channel.unsent and (channel.consumers or channel.name != "lifecycle"):
            evidence = {"channel": channel.name, "klines": channel.unsent}
            findings.append(Finding(CHECK, "published_to_nobody", evidence=evidence))
        for consumer in channel.consumers:
            lost = consumer.lagged + (channel.refused if consumer.connected else 0)
            missed = consumer.before_subscribing + consumer.unread + consumer.after_leaving
            counts["lost"] += lost
            counts["missed"] += missed
            findings += _of_consumer(channel, consumer)
    life = [channel for channel in channels if channel.name == "lifecycle" and channel.consumers]
    if life and not life[0].published and counts["published"]:
        severity = Severity.DOUBT if owes_life else Severity.NOTICE
        sentence = "no lifecycle events were published: the lifecycle of klines was not checked"
        evidence = {"sentence": sentence}
        findings.append(Finding(CHECK, "no_lifecycle_events", severity, evidence=evidence))
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)


def _of_consumer(channel: ChannelRecord, consumer: ConsumerRecord) -> Iterator[Finding]:
    severity = Severity.ERROR if consumer.name == _STORES else Severity.DOUBT
    who: dict[str, Any] = {"channel": channel.name, "consumer": consumer.name}
    if channel.sent and not consumer.connected and not consumer.before_subscribing:
        evidence = who | {"missed": channel.sent}
        yield Finding(CHECK, "not_connected", severity, evidence=evidence)
        return
    if consumer.before_subscribing:
        evidence = who | {"missed": consumer.before_subscribing}
        yield Finding(CHECK, "late_subscriber", severity, evidence=evidence)
    missed = consumer.unread + consumer.after_leaving
    if consumer.died_at_ns is not None:
        evidence = who | {"missed": missed}
        at_ns = consumer.died_at_ns
        yield Finding(CHECK, "consumer_died", Severity.ERROR, at_ns=at_ns, evidence=evidence)
    elif missed:
        yield Finding(CHECK, "consumer_left", severity, evidence=who | {"missed": missed})
    lost = consumer.lagged + channel.refused
    if lost:
        policy = "newest" if channel.refused else "oldest"
        evidence = who | {"lost": lost, "policy": policy}
        yield Finding(CHECK, "lost", severity, evidence=evidence)
        yield from _runs(consumer, severity, who | {"policy": policy})


def lost_klines(consumer: ConsumerRecord) -> KlineBatch:
    """Return the finals that a consumer lost, in the order published."""
    return gather(list(consumer.lost)) if consumer.lost else KlineBatch.empty()


def _runs(
    consumer: ConsumerRecord, severity: Severity, evidence: dict[str, Any]
) -> Iterator[Finding]:
    """Name the lost finals, series by series, as runs without a gap."""
    lost = lost_klines(consumer)
    order = np.lexsort((lost.open_time_ns, lost.interval, lost.symbol))
    klines = lost.take(order)
    closes = klines.close_time_ns()
    same = (klines.symbol[1:] == klines.symbol[:-1]) & (klines.interval[1:] == klines.interval[:-1])
    starts = np.flatnonzero(np.append(True, ~(same & (klines.open_time_ns[1:] == closes[:-1]))))
    if not len(klines):
        return
    stops = [*starts[1:].tolist(), len(klines)]
    for start, stop in list(zip(starts.tolist(), stops, strict=True))[:_RUNS_TOLD]:
        yield Finding(
            CHECK,
            "klines_lost",
            severity,
            klines.symbol_text(start),
            INTERVALS[int(klines.interval[start])].text,
            int(klines.open_time_ns[start]),
            evidence=evidence
            | {"lost": stop - start, "last_open_time_ns": int(klines.open_time_ns[stop - 1])},
        )
    if len(starts) > _RUNS_TOLD:
        left_out = {"klines_lost": len(starts) - _RUNS_TOLD}
        yield Finding(CHECK, OMITTED, severity, evidence=left_out)


def channel_row(channel: ChannelRecord) -> ChannelRow:
    """Return what a channel carried as a row of run.json."""
    return {
        "name": channel.name,
        "design": channel.design,
        "capacity": channel.capacity,
        "published": channel.published,
        "sent": channel.sent,
        "unsent": channel.unsent,
        "refused": channel.refused,
        "consumers": [
            {
                "name": one.name,
                "delivered": one.delivered,
                "lagged": one.lagged,
                "lag_events": one.lag_events,
                "depth_peak": one.depth_peak,
                "before_subscribing": one.before_subscribing,
                "unread": one.unread,
                "after_leaving": one.after_leaving,
                "connected": one.connected,
                "died_at_ns": one.died_at_ns,
            }
            for one in channel.consumers
        ],
    }
