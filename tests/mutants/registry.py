"""Every mutant: what is planted where, in which setting, and the check that has to find it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kline_harness.replay.assembly import Substitutions

from tests.mutants import channel_defects as channel
from tests.mutants import feed_defects as feed
from tests.mutants import kline_defects as kline
from tests.mutants import trade_defects as trade
from tests.mutants import writer_defects as writer


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted defect.

    `setting` names the run in which it shows (see `tests/mutants/runs.py`); `expected` is
    the check that must find it.
    """

    name: str
    where: str
    defect: str
    setting: str
    expected: str
    parts: Substitutions


def _of(
    where: str, slot: str, setting: str, expected: str, made: dict[str, Callable[..., object]]
) -> list[Mutant]:
    mutants = []
    for name, defect in made.items():
        parts = Substitutions(**{slot: defect})  # type: ignore[arg-type]
        text = (defect.__doc__ or "").strip().split("\n")[0]
        text = text.removeprefix("Make an end that ").removeprefix("Make an end whose ")
        mutants.append(Mutant(name, where, text, setting, expected, parts))
    return mutants


_AGGREGATOR = [
    *_of(
        "aggregator",
        "aggregator",
        "plain",
        "reference",
        {
            "boundary_off_by_one": trade.BoundaryOffByOne,
            "left_open": trade.LeftOpen,
            "swapped_taker": trade.SwappedTaker,
            "count_of_aggregates": trade.CountOfAggregates,
            "fund_trade_applied": trade.FundTradeApplied,
            "first_trade_lost": trade.FirstTradeLost,
            "open_is_previous_close": kline.OpenIsPreviousClose,
            "float_volume": kline.FloatVolume,
            "reset_at_tick": kline.ResetAtTick,
        },
    ),
    *_of(
        "aggregator",
        "aggregator",
        "plain",
        "completeness",
        {
            "no_gap_fill": kline.NoGapFill,
            "high_low_swapped_on_ties": kline.HighLowSwappedOnTies,
            "ids_swapped": kline.IdsSwapped,
            "published_twice": kline.PublishedTwice,
        },
    ),
    *_of(
        "aggregator",
        "aggregator",
        "plain",
        "lifecycle",
        {
            "tick_taken_for_later": kline.TickTakenForLater,
            "tick_ignored": kline.TickIgnored,
            "final_without_event": kline.FinalWithoutEvent,
            "opened_twice": kline.OpenedTwice,
        },
    ),
    *_of("aggregator", "aggregator", "late", "ledger", {"late_not_counted": trade.LateNotCounted}),
    *_of(
        "aggregator",
        "aggregator",
        "plain",
        "ledger",
        {"rejected_not_counted": trade.RejectedNotCounted},
    ),
    *_of(
        "aggregator",
        "aggregator",
        "late",
        "reference",
        {"late_applied_to_open": trade.LateAppliedToOpen},
    ),
    *_of(
        "aggregator",
        "aggregator",
        "late",
        "lifecycle",
        {"late_applied_to_final": trade.LateAppliedToFinal},
    ),
    *_of(
        "aggregator",
        "aggregator",
        "duplicates",
        "reference",
        {"duplicate_applied": trade.DuplicateApplied},
    ),
    *_of(
        "aggregator",
        "aggregator",
        "reordered",
        "reference",
        {"close_by_arrival": kline.CloseByArrival},
    ),
    *_of(
        "aggregator",
        "aggregator",
        "calendar",
        "completeness",
        {"week_on_thursday": kline.WeekOnThursday, "month_of_30_days": kline.MonthOf30Days},
    ),
]
_CHANNEL = [
    *_of(
        "channel",
        "channel",
        "lagging",
        "delivery",
        {
            "lag_not_told": channel.lag_not_told,
            "lag_miscounted": channel.lag_miscounted,
            "newest_kept": channel.newest_kept,
        },
    ),
    *_of(
        "channel",
        "channel",
        "plain",
        "delivery",
        {
            "delivered_twice": channel.delivered_twice,
            "value_lost": channel.value_lost,
            "order_swapped": channel.order_swapped,
        },
    ),
    *_of(
        "channel", "channel", "late_consumer", "delivery", {"late_sees_old": channel.late_sees_old}
    ),
]
_WRITER = [
    *_of(
        "writer",
        "writer",
        "plain",
        "stored",
        {
            "row_dropped": writer.RowDropped,
            "row_twice": writer.RowTwice,
            "decimals_truncated": writer.DecimalsTruncated,
        },
    ),
    *_of(
        "writer", "writer", "buffered", "ledger", {"flush_lost_at_close": writer.FlushLostAtClose}
    ),
    *_of("writer", "writer", "disk", "ledger", {"loss_not_counted": writer.LossNotCounted}),
    *_of("writer", "writer", "plain", "writer", {"buffer_abandoned": writer.BufferAbandoned}),
]
_FEED = [
    *_of(
        "clock",
        "feed",
        "plain",
        "clock",
        {
            "tick_early": feed.tick_early,
            "tick_twice": feed.tick_twice,
            "tick_missed": feed.tick_missed,
            "tick_tells_wrong_time": feed.tick_tells_wrong_time,
        },
    ),
    *_of("feed", "feed", "plain", "feed", {"trade_lost": feed.trade_lost}),
    *_of("feed", "feed", "plain", "trades", {"trade_twice": feed.trade_twice}),
]
MUTANTS: dict[str, Mutant] = {
    mutant.name: mutant for mutant in (*_AGGREGATOR, *_CHANNEL, *_WRITER, *_FEED)
}
