"""Laws of the rows of one file: of ids and times, of quote quantities, of aggregates' raw ids.

Each returns the rows that break it.
"""

from __future__ import annotations

import numpy as np

from kline_harness.columns import Instrument
from kline_harness.tape import Tape
from kline_harness.units import BoolArray, ExactArray, Int64Array, multiply, rescale


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
    wrong = np.asarray(abs(stated - exact) > unit, dtype=np.bool_)
    return wrong, stated, exact, finest
