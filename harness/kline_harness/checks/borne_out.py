"""What the exchange's klines, as they were compared, bear out of the trades of files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kline_harness.comparison.compare import Comparison, Difference, ReferenceKlines

# Causes by which the exchange has trades that ours lacks.
_LACKING = {"edge", "missing_trade_ids"}


def borne_out(
    found: Comparison, references: Sequence[ReferenceKlines]
) -> tuple[dict[str, tuple[int, int]], dict[str, set[str]]]:
    """Return, by symbol, the time in which klines bear the trades out, and in which fields.

    One that is explained by trades that ours lacks bears nothing out: it says that they lack.
    """
    reached: dict[str, tuple[int, int]] = {}
    compared: dict[str, set[str]] = {}
    left = {one.symbol for one in found.not_compared if one.is_doubt}
    left |= {one.symbol for one in found.differences if one.proof is None}
    for result, reference in zip(found.series, references, strict=False):
        if not result.paired or result.symbol in left:
            continue
        compared.setdefault(result.symbol, set()).update(result.compared)
        opens = reference.rows.opens_ns()
        lacking = [one.open_time_ns for one in result.differences if _lacks_trades(one)]
        opens = opens[~np.isin(opens, lacking)] if lacking else opens
        if len(opens) == 0:
            continue
        low, high = int(opens.min()), reference.interval.close_time_ns(int(opens.max()))
        before = reached.get(result.symbol, (low, high))
        reached[result.symbol] = min(low, before[0]), max(high, before[1])
    return reached, compared


def _lacks_trades(kline: Difference) -> bool:
    causes = () if kline.proof is None else kline.proof.cause.split("+")
    return not _LACKING.isdisjoint(causes)
