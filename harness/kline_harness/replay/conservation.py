"""The conservation laws of a run, in one chain: each right side is the left side of the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kline_harness.comparison.retained_trades import RetainedTrades
from kline_harness.comparison.stored import Stored
from kline_harness.ledger import Equation, Ledger, TradeAccount, trade_equations
from kline_harness.replay.observations import ObservedRun
from kline_harness.replay.tallies import value_equations
from kline_harness.simulation.records import ChannelRecord, ConsumerRecord
from kline_harness.verdict import Verdict

# How an auditor counts what it was given.
_TAKEN = {"completeness": "klines", "lifecycle": "events"}


def equations(
    observed: ObservedRun,
    rows_read: int,
    accounts: Mapping[str, TradeAccount],
    audits: Mapping[str, Verdict],
    stored: Stored,
    evidence: Mapping[str, RetainedTrades],
) -> Ledger:
    """Return every law of a run, from the rows of the files to the rows on disk.

    `rows_read` are the trades that the files hold, by their own account.
    """
    run = observed.run
    laws = Ledger([_read(observed, rows_read, accounts)])
    laws.extend(trade_equations(accounts))
    for channel, emitted in zip(run.channels, _emitted(observed), strict=True):
        published = {"published": channel.published}
        laws.extend([Equation("emitted", channel.name, emitted, published)])
        laws.extend(_carried(channel))
        for consumer in channel.consumers:
            lost = run.lost_while_down(consumer.name)
            took = _taken(observed, audits, consumer.name)
            laws.extend(_to_consumer(channel, consumer, lost, took))
    # Where klines were lost on the way, the laws above say so, and the sums are the published.
    whole = len(stored) == run.channels[0].published
    sums = (observed.given, observed.tally, accounts, stored if whole else None)
    laws.extend(value_equations(*sums, evidence))
    laws.extend(run.writer.equations())
    return laws


def _read(observed: ObservedRun, rows_read: int, accounts: Mapping[str, TradeAccount]) -> Equation:
    """Return trades read = trades received by symbol + those kept from the aggregator.

    What an aggregator without accounts received is what it was given.
    """
    received = {symbol: account.received for symbol, account in accounts.items()}
    if not accounts:
        received = dict(sorted(observed.given.rows.items()))
    lost = observed.run.feed.trade_filter.lost
    kept_back = {f"{symbol} {reason}": count for (symbol, reason), count in lost.items()}
    parts = received | observed.run.rows_changed() | dict(sorted(kept_back.items()))
    return Equation("trades read", "all files", rows_read, parts)


def _emitted(observed: ObservedRun) -> tuple[int, int]:
    """Return how many klines and lifecycle events the aggregator emitted to be published."""
    is_published = observed.run.scenario.channels.life_published
    return observed.tally.klines, observed.tally.events if is_published else 0


def _carried(channel: ChannelRecord) -> Iterator[Equation]:
    carried = {"sent": channel.sent, "without a receiver": channel.unsent}
    if channel.refused:
        carried["refused"] = channel.refused
    yield Equation("published", channel.name, channel.published, carried)


def _to_consumer(
    channel: ChannelRecord, consumer: ConsumerRecord, lost: int, took: tuple[int | None, int | None]
) -> Iterator[Equation]:
    """Yield what became of the values sent to a consumer, up to what it says it took.

    `lost` were delivered while it was down; of its own it says how many it took, and missed.
    """
    subject, (taken, missed) = f"{channel.name} to {consumer.name}", took
    parts = {
        "delivered": consumer.delivered,
        "lagged": consumer.lagged,
        "before subscribing": consumer.before_subscribing,
    }
    left = {"unread": consumer.unread, "after leaving": consumer.after_leaving}
    parts |= {name: count for name, count in left.items() if count}
    yield Equation("sent", subject, channel.sent, parts)
    if taken is not None:
        parts = {"taken": taken}
        parts |= {"lost while down": lost} if lost else {}
        yield Equation("delivered", subject, consumer.delivered, parts)
    if missed is not None and (consumer.lagged or lost):
        total = consumer.lagged + lost
        yield Equation("lagged", consumer.name, total, {"counted by it": missed})


def _taken(
    observed: ObservedRun, audits: Mapping[str, Verdict], consumer: str
) -> tuple[int | None, int | None]:
    """Return how many values a consumer says it took, and how many it missed, if it says so."""
    writer = observed.run.writer
    if consumer == writer.name:
        return writer.counters.received, writer.counters.lag_missed
    if consumer not in audits:
        # A consumer of the caller's own owes no account.
        return None, None
    counts = audits[consumer].counts
    return counts.get(_TAKEN[consumer]), counts.get("missed")
