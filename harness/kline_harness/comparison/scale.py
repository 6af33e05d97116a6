"""Which one factor or rounding would make two series of klines equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

import pyarrow as pa

from kline_harness.kline import QUANTITY_FIELDS, QUOTE_FIELDS
from kline_harness.nouns import counted
from kline_harness.units import decimal_text

# So many different klines have to agree; and so many are looked at, the first ones.
_DISTINCT_MIN, ROWS_MAX = 3, 20_000
_SUMS = (*QUANTITY_FIELDS, *QUOTE_FIELDS, "count")
_TRADES = (2, Fraction(1, 2))
_EXACT = Context(prec=80)
_ROUNDINGS = {
    "half up": ROUND_HALF_UP,
    "half to even": ROUND_HALF_EVEN,
    "down": ROUND_DOWN,
}


def diagnose_scale(mine: pa.Table, theirs: pa.Table, unequal: Sequence[str], kept: bool) -> str:
    """Say what one factor, or rounding, makes theirs of ours; empty where none does.

    Both tables have the same klines in the same order; `unequal` are the fields that differ
    somewhere, and `kept` tells whether all prices are equal. It has to hold in every kline.
    """
    rows = min(mine.num_rows, ROWS_MAX)
    columns = [
        (name, mine[name].slice(0, rows).to_pylist(), theirs[name].slice(0, rows).to_pylist())
        for name in unequal
    ]
    sentences = list(_roundings(columns)) or list(_factors(columns, kept))
    return f"{'; '.join(sentences)}, in {rows:,} of {counted(rows, 'kline')}" if sentences else ""


_Column = tuple[str, list[Decimal], list[Decimal]]


def _roundings(columns: Sequence[_Column]) -> Iterator[str]:
    """Yield how each field's numbers are the other side's with fewer decimals; all or none."""
    sentences = []
    for name, mine, theirs in columns:
        if name == "count":
            return
        finer, coarser, whose = mine, theirs, "theirs are ours"
        if _decimals(mine) < _decimals(theirs):
            finer, coarser, whose = theirs, mine, "ours are theirs"
        decimals = _decimals(coarser)
        how = next((h for h in _ROUNDINGS if _rounded(finer, coarser, decimals, h)), None)
        differing = {(a, b) for a, b in zip(mine, theirs, strict=True) if a != b}
        if how is None or decimals == _decimals(finer) or len(differing) < _DISTINCT_MIN:
            return
        sentences.append(f"{whose} rounded {how} to {decimals} decimals in {name}")
    yield from sentences


def _decimals(values: Sequence[Decimal]) -> int:
    return max((len(decimal_text(value).partition(".")[2]) for value in values), default=0)


def _rounded(finer: Sequence[Decimal], coarser: Sequence[Decimal], decimals: int, how: str) -> bool:
    unit = Decimal(1).scaleb(-decimals)
    return all(
        value.quantize(unit, _ROUNDINGS[how], _EXACT) == other
        for value, other in zip(finer, coarser, strict=True)
    )


def _factors(columns: Sequence[_Column], kept: bool) -> Iterator[str]:
    """Yield by which factor each field is the other side's; all or none."""
    factors = {name: _factor(mine, theirs) for name, mine, theirs in columns}
    values = set(factors.values())
    distinct = max((len({a for a in mine if a}) for _, mine, _ in columns), default=0)
    # A factor of 1: what differs stands after the klines that are looked at.
    if not values.isdisjoint({None, 1}) or not kept or distinct < _DISTINCT_MIN:
        return
    if len(values) == 1 and "count" in factors and values <= set(_TRADES):
        side = ("theirs", "ours") if values == {2} else ("ours", "theirs")
        yield f"{side[0]} have every trade of {side[1]} twice"
        return
    for name, factor in factors.items():
        assert factor is not None
        more = f"{factor}" if factor >= 1 else f"1/{1 / factor}"
        yield f"theirs are {more} times ours in {name}"


def _factor(mine: Sequence[Decimal], theirs: Sequence[Decimal]) -> Fraction | None:
    """Return what theirs are divided by ours in every row; None where it is not one number."""
    found = {
        Fraction(b) / Fraction(a) if a else None
        for a, b in zip(mine, theirs, strict=True)
        if a or b
    }
    factor = found.pop() if len(found) == 1 else None
    return None if factor is None or factor <= 0 else factor
