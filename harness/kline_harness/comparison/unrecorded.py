"""What the exchange's kline has beyond our trades: whether it can be trades that we lack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis, within
from kline_harness.comparison.recompute import ROUNDED_SCALE, Values, product_scale
from kline_harness.comparison.retention import among
from kline_harness.tape import Tape
from kline_harness.units import decimal_text, to_decimal

# The exchange rounds a trade's quote quantity to 8 decimals.
_UNIT = Decimal("0.00000001")
_SUMS = ("volume", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume")
_CONTRACTS = (100, 10)
# Trades that were not seen can have prices beyond all that were, but hardly further than so many
# times what lies between those, where that is more than this part of the price.
_FURTHER, _FURTHER_MIN = 10, Decimal("0.1")


@dataclass(frozen=True, slots=True)
class UnrecordedTrades:
    """Which trades a kline may lack.

    `first` and `last`: a missing trade may come before all of ours, or after; only then may open
    or close differ. `most`: how many raw trades there can be, None for any number.
    """

    first: bool
    last: bool
    most: int | None = None


def unrecorded_values(
    case: DifferingKline, state: Hypothesis, missing: UnrecordedTrades
) -> dict[str, str] | None:
    """Return the excess, theirs minus the trades we have, if it can be trades; else None.

    The excess must have a positive count and volume, taker parts within the whole, quote volumes
    that its volumes can make at prices within the exchange's low and high, and a trade for each
    price of theirs that ours lacks. Late trades are no part of it: the exchange has them for
    certain, so they have to be applied before.
    """
    theirs, part = case.kline.theirs, state.part(case)
    if theirs is None or _has_late(case, state):
        return None
    ours = state.values(case) if part is not None else None
    excess = {
        name: Decimal(theirs[name]) - (Decimal(0) if ours is None else Decimal(ours[name]))
        # What only the exchange states has no trades of ours to be held against.
        for name in _SUMS
        if name in case.kline.compared
    }
    prices = _needed_prices(theirs, ours, missing)
    # A sentinel row has the price 0, a trade never.
    if prices is None or not all(price > 0 for price in prices):
        return None
    if any(value < 0 for name, value in excess.items() if "quote" not in name):
        return None
    if excess.get("volume", Decimal(1)) == 0 or excess.get("count", Decimal(1)) == 0:
        return None
    if "count" in excess:
        most = excess["count"] if missing.most is None else missing.most
        if not len(prices) <= excess["count"] <= most:
            return None
    rounded = _rounded_by(case, state, 0 if part is None else part["count"])
    if not _priced(case, theirs, excess, prices, rounded):
        return None
    return {f"unrecorded_{name}": decimal_text(value) for name, value in excess.items()}


def far_prices(case: DifferingKline, state: Hypothesis) -> str | None:
    """Say that what we lack would have prices far beyond all that were seen, if it is so."""
    theirs, ours = case.kline.theirs, state.values(case)
    seen = [Decimal(ours[name]) for name in ("low", "high")] if ours is not None else []
    seen += case.context.prices or ()
    if theirs is None or not seen:
        return None
    low, high = min(seen), max(seen)
    beyond = max(Decimal(theirs["high"]) - high, low - Decimal(theirs["low"]))
    if beyond <= _FURTHER * (high - low) or beyond <= _FURTHER_MIN * high:
        return None
    every = f"all prices seen are from {decimal_text(low)} to {decimal_text(high)}"
    return f"a price {decimal_text(beyond)} beyond them, and {every}"


def _has_late(case: DifferingKline, state: Hypothesis) -> bool:
    late = among(state.rows.trade_id, case.late_ids) & within(state.rows, case.kline)
    return bool(np.any(late & ~state.included))


def _needed_prices(
    theirs: Mapping[str, Decimal | int], ours: Values | None, missing: UnrecordedTrades
) -> set[Decimal] | None:
    """Return the prices at which something must be missing; None where ours contradicts."""
    low, high = Decimal(theirs["low"]), Decimal(theirs["high"])
    ends = [Decimal(theirs["open"]), Decimal(theirs["close"])]
    if not all(low <= price <= high for price in ends):
        return None
    if ours is None:
        return {low, high, *ends}
    if not low <= Decimal(ours["low"]) or not Decimal(ours["high"]) <= high:
        return None
    allowed = {"open": missing.first, "close": missing.last, "low": True, "high": True}
    needed = set()
    for name, may_differ in allowed.items():
        if theirs[name] != ours[name]:
            if not may_differ:
                return None
            needed.add(Decimal(theirs[name]))
    return needed


def _priced(
    case: DifferingKline,
    theirs: Mapping[str, Decimal | int],
    excess: Mapping[str, Decimal],
    prices: set[Decimal],
    rounded: Decimal,
) -> bool:
    """Tell whether bought and sold parts of it have quote volumes their prices can make."""
    if "volume" not in excess or "quote_volume" not in excess:
        return True
    pricing = _pricing(case)
    if pricing is None:
        return False
    count = excess.get("count", Decimal(0))
    low, high = Decimal(theirs["low"]), Decimal(theirs["high"])
    if count == 1 and len(prices) == 1:
        low = high = next(iter(prices))
    allowance = _UNIT * (count + 1) + rounded

    def possible(volume: Decimal, quote: Decimal) -> bool:
        if volume < 0 or (volume == 0 and abs(quote) > allowance):
            return False
        bounds = sorted((pricing(low, volume), pricing(high, volume)))
        return bounds[0] - allowance <= quote <= bounds[1] + allowance

    if not possible(excess["volume"], excess["quote_volume"]):
        return False
    if "taker_buy_volume" not in excess or "taker_buy_quote_volume" not in excess:
        return True
    bought = (excess["taker_buy_volume"], excess["taker_buy_quote_volume"])
    sold = (excess["volume"] - bought[0], excess["quote_volume"] - bought[1])
    if count == 1 and bought[0] != 0 and sold[0] != 0:
        return False
    return possible(*bought) and possible(*sold)


def _rounded_by(case: DifferingKline, state: Hypothesis, count: int) -> Decimal:
    """Return by how much the rounding of the trades we have can move a quote volume."""
    if state.rounding is not None or product_scale(case.instrument) <= ROUNDED_SCALE:
        return Decimal(0)
    return _UNIT / 2 * count


def _pricing(case: DifferingKline) -> Callable[[Decimal, Decimal], Decimal] | None:
    """Return how the source makes a quote quantity of a price and a quantity.

    Price times quantity, or, for contracts settled in the base asset, contracts times their
    size in dollars divided by the price; None where the trades show neither.
    """
    rows = case.evidence.sample
    if _holds(rows, _product):
        return _product
    for size in _CONTRACTS:
        pricing = _contracts(size)
        if _holds(rows, pricing):
            return pricing
    return None


def _product(price: Decimal, quantity: Decimal) -> Decimal:
    return price * quantity


def _contracts(size: int) -> Callable[[Decimal, Decimal], Decimal]:
    return lambda price, quantity: quantity * size / price if price else Decimal(0)


def _holds(rows: Tape, pricing: Callable[[Decimal, Decimal], Decimal]) -> bool:
    """Tell whether every row's quote quantity is what a rule makes of it, up to rounding."""
    if len(rows) == 0:
        return pricing is _product
    instrument = rows.instruments[0]
    columns = (rows.price.tolist(), rows.quantity.tolist(), rows.quote.tolist())
    for price, quantity, quote in zip(*columns, strict=True):
        made = pricing(
            to_decimal(price, instrument.price_scale),
            to_decimal(quantity, instrument.quantity_scale),
        )
        if abs(made - to_decimal(quote, instrument.quote_scale)) > _UNIT:
            return False
    return True
