"""The base quantity of trades that are settled in the base asset."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from kline_harness.columns import Instrument
from kline_harness.contracts import size_of
from kline_harness.units import INT64_MAX, ExactArray, magnitude, narrow, parse_exact, widen

_CM_QUOTE_SCALE = 8


def coin_margined(
    instrument: Instrument,
    price: ExactArray,
    quantity: ExactArray,
    contract_size: Decimal | None = None,
) -> tuple[Instrument, ExactArray]:
    """Return the base quantity of COIN-M trades that do not state it.

    quantity x contract size / price, rounded half up to 8 decimals; the size is the given one, or
    that of COIN-M contracts. Only a recording was at hand to derive this from, no official file
    to prove the rounding.
    """
    size = size_of(instrument.symbol, contract_size) or Decimal(10)
    contract, decimals = parse_exact(f"{size:f}")
    digits = _CM_QUOTE_SCALE + instrument.price_scale - instrument.quantity_scale - decimals
    up, down = 2 * contract * 10 ** max(0, digits), 10 ** max(0, -digits)
    if (magnitude(quantity) + 1) * up + 2 * (magnitude(price) + 1) * down > INT64_MAX:
        quantity, price = widen(quantity), widen(price)
    # An invalid row may have the price 0; its quantity is 0 too.
    divisor = np.where(price == 0, 1, price * down)
    quote: ExactArray = (quantity * up + divisor) // (2 * divisor)
    settled = Instrument(
        instrument.symbol, instrument.price_scale, instrument.quantity_scale, _CM_QUOTE_SCALE
    )
    return settled, narrow(quote)
