"""Laws of the rows of one file: of ids and times, of quote quantities, of aggregates' raw ids.

Each returns the rows that break it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kline_harness.columns import Instrument
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import BoolArray, ExactArray, Int64Array, mask, multiply, rescale

# What a broken law of rows says, and the field of klines that bears them out.
LAWS = {
    "time_backwards": ("are later by id and earlier by time than the row before", "volume"),
    "overlapping_aggregates": ("have raw trades of the aggregate before them", "count"),
    "quote_not_product": ("state a quote quantity that is not price x quantity", "quote_volume"),
    "contract_size_assumed": (
        "state no base quantity, and no --contract-size was given: a contract is taken for 10 USD",
        "quote_volume",
    ),
    "zero_quantity": ("have the quantity 0, and are in no kline", "count"),
    "contract_sizes": ("state a base quantity of another contract size", "quote_volume"),
}


def contradicted(ids: Int64Array, times: Int64Array) -> BoolArray:
    """Tell of each row but the first whether it is later by its id and earlier by its time.

    So is the reverse; a file of which the rows are in another order keeps this law.
    """
    id_before, id_now, time_before, time_now = ids[:-1], ids[1:], times[:-1], times[1:]
    return np.asarray(
        ((id_now > id_before) & (time_now < time_before))
        | ((id_now < id_before) & (time_now > time_before))
    )


def shared_raw_ids(ids: Int64Array, first: Int64Array, last: Int64Array) -> BoolArray:
    """Tell of each aggregate but the first whether it has raw trades of the one before, by id."""
    rises = ids[1:] > ids[:-1]
    return np.asarray(rises & (first[1:] >= 0) & (first[1:] <= last[:-1]))


def not_products(
    tape: Tape, instrument: Instrument, product: ExactArray | None = None, scale: int | None = None
) -> tuple[BoolArray, ExactArray, ExactArray, int]:
    """Return which quotes are not price x quantity, both as integers, and their scale.

    They are compared at the finer of both scales, to one unit of the stated one. `product`, with
    its `scale`, is another rule's; it is a quotient, and so always rounded.
    """
    rounded = product is not None
    if product is None or scale is None:
        product = multiply(tape.price, tape.quantity)
        scale = instrument.price_scale + instrument.quantity_scale
    finest = max(scale, instrument.quote_scale)
    stated: ExactArray = rescale(tape.quote, finest - instrument.quote_scale)
    exact: ExactArray = rescale(product, finest - scale)
    rounded = rounded or instrument.quote_scale < scale
    unit = 10 ** (finest - min(scale, instrument.quote_scale)) if rounded else 0
    wrong = mask(abs(stated - exact) > unit)
    return wrong, stated, exact, finest


@dataclass(slots=True)
class ContractSize:
    """The one size of an inverse contract that the base quantities of a file leave possible."""

    least: float = 0.0
    most: float = math.inf

    def others(self, tape: Tape) -> BoolArray:
        """Return which rows, of one symbol, state a base quantity of another size.

        It is size x contracts / price, rounded to one unit. Where the rows contradict each other,
        those are wrong that most of the others, or the rows before, are not.
        """
        wrong = np.zeros(len(tape), dtype=np.bool_)
        rows = (tape.kind == TradeKind.MARKET) & (tape.quantity > 0) & (tape.price > 0)
        if not rows.any():
            return wrong
        one = tape.instruments[int(tape.symbol[0])]
        worth = tape.price[rows].astype(np.float64) / tape.quantity[rows].astype(np.float64)
        worth *= 10.0 ** (one.quantity_scale - one.price_scale - one.quote_scale)
        base = tape.quote[rows].astype(np.float64)
        # The last digits of a float are none of the file's.
        least, most = (base - 1) * worth * (1 - 1e-12), (base + 1) * worth * (1 + 1e-12)
        if max(self.least, least.max()) > min(self.most, most.min()):
            lowest = max(self.least, float(np.median(least)))
            highest = min(self.most, float(np.median(most)))
            odd = (least > highest) | (most < lowest)
            if not odd.any():
                odd[int(np.argmax(least))] = True
            wrong[np.flatnonzero(rows)[odd]] = True
            least, most = least[~odd], most[~odd]
        self.least = max(self.least, float(least.max(initial=0.0)))
        self.most = min(self.most, float(most.min(initial=math.inf)))
        return wrong
