"""Stored klines that are not what a kline ends as: without trades, or left as it was forming."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.checks.finding_log import FindingLog
from kline_harness.columns import concat
from kline_harness.comparison.compare import Class, Comparison, Difference
from kline_harness.kline import PRICE_FIELDS, QUANTITY_FIELDS, QUOTE_FIELDS
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import BoolArray, ExactArray, mask, utc_text, widen
from kline_harness.verdict import Finding, Verdict

CHECK = "left_bars"
# So many differing klines are looked into; of more only the first.
_LOOKED_AT = 2_000
_NOT_CHECKED = ("klines that are equal to the exact ones, and those that are not stored",)


@dataclass(slots=True)
class LeftBars:
    """Looks into the stored klines that differ from the exact ones, with the trades served.

    phantom: flat and without volume, while trades were served in its time. left_forming: what the
    kline was after some of its trades, and no longer after all of them.
    """

    differences: Sequence[Difference]

    @staticmethod
    def of(comparison: Comparison) -> LeftBars:
        """Take the klines that both sides have and that differ for no cause that is proved."""
        differ = (d for d in comparison.differences if d.proof is None)
        both = [d for d in differ if d.ours is not None and d.theirs is not None]
        return LeftBars([d for d in both if d.category is not Class.IDENTICAL])

    def verdict(self, tapes: Iterable[Tape]) -> Verdict:
        """Read the trades once and say what each differing kline is."""
        looked_at = self.differences[:_LOOKED_AT]
        phantoms = [one for one in looked_at if _is_phantom(one)]
        others = [one for one in looked_at if not _is_phantom(one)]
        log = FindingLog(CHECK)
        for one in phantoms:
            log.add(one.open_time_ns, _finding(one, "phantom", _phantom_evidence(one)))
        left = 0
        for one, trades in _with_trades(others, tapes):
            after = _prefix(one, trades)
            if after is not None:
                left += 1
                log.add(one.open_time_ns, _finding(one, "left_forming", after))
        counts = {
            "differing": len(self.differences),
            "phantom": len(phantoms),
            "left_forming": left,
            "otherwise": len(others) - left,
            "not_looked_at": len(self.differences) - len(looked_at),
        }
        return Verdict.of(CHECK, counts, log.findings(), _NOT_CHECKED)


def _is_phantom(one: Difference) -> bool:
    """Tell whether ours is flat without volume where the exact one has trades."""
    ours, theirs = one.ours, one.theirs
    assert ours is not None
    assert theirs is not None
    flat = len({ours[name] for name in PRICE_FIELDS}) == 1
    empty = [ours[name] == 0 for name in ("volume", "count") if name in ours]
    return flat and bool(empty) and all(empty) and theirs["count"] != 0


def _phantom_evidence(one: Difference) -> dict[str, Any]:
    assert one.theirs is not None
    return {
        "trades": int(one.theirs["count"]),
        "sentence": f"flat and without volume; {int(one.theirs['count']):,} trades were served "
        "in its time",
    }


def _with_trades(
    klines: Sequence[Difference], tapes: Iterable[Tape]
) -> Iterator[tuple[Difference, Tape]]:
    """Yield each kline with the trades of its time, in their order."""
    kept: dict[int, list[Tape]] = {}
    if not klines:
        return
    for tape in tapes:
        times = tape.event_time_ns
        codes = {instrument.symbol: k for k, instrument in enumerate(tape.instruments)}
        for place, one in enumerate(klines):
            first, stop = np.searchsorted(times, (one.open_time_ns, one.close_time_ns)).tolist()
            if first == stop or one.symbol not in codes:
                continue
            part = tape[first:stop]
            mine = (part.symbol == codes[one.symbol]) & (part.kind == TradeKind.MARKET)
            if mine.any():
                kept.setdefault(place, []).append(part.take(mine))
    for place, one in enumerate(klines):
        if place in kept:
            yield one, concat(kept[place])


def _prefix(one: Difference, trades: Tape) -> dict[str, Any] | None:
    """Return after which trade ours was the exact kline, None where after none.

    The count is not looked at: services count trades in two ways, raw ones or aggregates.
    """
    assert one.ours is not None
    instrument = trades.instruments[int(trades.symbol[0])]
    after = _after_each(trades)
    scales = dict.fromkeys(PRICE_FIELDS, instrument.price_scale)
    scales |= dict.fromkeys(QUANTITY_FIELDS, instrument.quantity_scale)
    scales |= dict.fromkeys(QUOTE_FIELDS, instrument.quote_scale)
    same: BoolArray = np.ones(len(trades), dtype=np.bool_)
    for name, scale in scales.items():
        if name not in one.ours:
            continue
        scaled = Decimal(one.ours[name]) * 10**scale
        if scaled != int(scaled):
            return None
        same &= mask(after[name] == int(scaled))
    places = np.flatnonzero(same)
    # The last trade makes the whole kline: then something else differs.
    if len(places) == 0 or places[-1] == len(trades) - 1:
        return None
    row, rest = int(places[-1]), len(trades) - 1 - int(places[-1])
    at = utc_text(int(trades.event_time_ns[row]))
    return {
        "after_trade": int(trades.trade_id[row]),
        "rows_after": rest,
        "sentence": f"as it was after trade {int(trades.trade_id[row])} at {at}; the "
        f"{rest:,} that follow in its time are not in it",
    }


def _after_each(trades: Tape) -> Mapping[str, ExactArray]:
    """Return each field after each trade."""
    taker = ~trades.buyer_is_maker
    price, quantity, quote = widen(trades.price), widen(trades.quantity), widen(trades.quote)
    return {
        "open": np.full(len(trades), price[0], dtype=object),
        "high": np.maximum.accumulate(price),
        "low": np.minimum.accumulate(price),
        "close": price,
        "volume": np.cumsum(quantity),
        "quote_volume": np.cumsum(quote),
        "taker_buy_volume": np.cumsum(np.where(taker, quantity, 0)),
        "taker_buy_quote_volume": np.cumsum(np.where(taker, quote, 0)),
    }


def _finding(one: Difference, kind: str, evidence: dict[str, Any]) -> Finding:
    return Finding(
        CHECK,
        kind,
        symbol=one.symbol,
        interval=one.interval.text,
        open_time_ns=one.open_time_ns,
        evidence=evidence,
    )
