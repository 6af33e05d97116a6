"""How much a comparison rests on explanations that are only consistent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from kline_harness.comparison.compare import (
    CHECK,
    Class,
    Comparison,
    Difference,
    SeriesResult,
)
from kline_harness.verdict import Finding, Severity

# Of a series' volume so much can be missing ids, which are trades that were lost, ...
_LOST_MAX = Decimal("0.01")
# ... and so much can rest on anything that was not seen.
_UNSEEN_MAX = Decimal("0.1")
# Causes that need no trade that was not seen.
_OF_SEEN_TRADES = {"quote_rounding", "straddling_aggregate"}


@dataclass(frozen=True, slots=True)
class Bearing:
    """Klines whose explanation was not seen, and the share of the volume that they lack.

    `share` is that of each symbol's shortest interval, None where no volume is stated.
    """

    klines: int
    share: Decimal | None

    def sentence(self) -> str:
        """Return the bearing in words; nothing where nothing rests on what was not seen."""
        if not self.klines:
            return ""
        volume = "" if self.share is None else f", {percent(self.share)} of the volume"
        some = f"{self.klines:,} kline{'s' if self.klines != 1 else ''}"
        return f"{some}{volume} rest on what is consistent but was not seen"


def bearing_of(found: Comparison) -> Bearing:
    """Return what a comparison rests on without having seen it."""
    finest: dict[str, list[SeriesResult]] = {}
    for result in sorted(found.series, key=lambda one: one.interval.length_ns or 2**63):
        known = finest.setdefault(result.symbol, [])
        if not known or known[0].interval == result.interval:
            known.append(result)
    chosen = [result for results in finest.values() for result in results]
    return Bearing(found.count(Class.CONSISTENT), _share(chosen, bool))


def with_bearing(found: Comparison) -> Comparison:
    """Return the comparison with a note on what it rests on, a doubt where that is too much.

    What lies outside of a recording is not counted as lacking: nobody claims to have it.
    """
    bearing = bearing_of(found)
    if not bearing.klines:
        return found
    doubts = [*_not_one_seen(found)]
    doubts += [doubt for result in found.series if (doubt := _doubt(result))]
    evidence: dict[str, Any] = {
        "sentence": bearing.sentence(),
        "klines": bearing.klines,
        "share_of_volume": "not stated" if bearing.share is None else percent(bearing.share),
    }
    if doubts:
        doubt = "; ".join(doubts)
        evidence |= {"doubt": doubt, "sentence": f"{bearing.sentence()}; {doubt}"}
    severity = Severity.DOUBT if doubts else Severity.NOTICE
    note = Finding(CHECK, "rests_on_consistent", severity, evidence=evidence)
    return replace(found, notes=(*found.notes, note))


def _not_one_seen(found: Comparison) -> Iterator[str]:
    """Say of which symbols every kline that was compared rests on what was not seen."""
    seen: dict[str, bool] = {}
    for result in found.series:
        equal = result.identical > 0 or any(map(_is_seen, result.differences))
        seen[result.symbol] = seen.get(result.symbol, False) or equal
    differing = {result.symbol for result in found.series if result.differences}
    for symbol, equal in seen.items():
        if symbol in differing and not equal:
            yield f"no kline of {symbol} is equal to the exchange's, or proved"


def _is_seen(kline: Difference) -> bool:
    """Tell whether a kline is that of trades that were seen, be it that their sum has a bound."""
    if kline.proof is None or not kline.proof.consistent:
        return kline.proof is not None
    return kline.proof.doubt is None and _OF_SEEN_TRADES.issuperset(kline.proof.cause.split("+"))


def _doubt(result: SeriesResult) -> str:
    """Say that more of a series was not seen than the rest can vouch for, if it is so."""
    for most, what, matters in (
        (_LOST_MAX, "was lost, as its missing ids say", _is_lost),
        (_UNSEEN_MAX, "was not seen", _is_inside),
    ):
        share = _share([result], matters)
        if share is not None and share > most:
            return f"{result.symbol} {result.interval}: {percent(share)} of the volume {what}"
    return ""


def percent(share: Decimal) -> str:
    """Write a share in percent, with two significant digits or as a whole number."""
    hundredths = share * 100
    digits = 0 if hundredths >= 10 or hundredths == 0 else 1 - hundredths.adjusted()
    return f"{hundredths:.{digits}f} %"


def _share(
    results: Iterable[SeriesResult], matters: Callable[[Sequence[str]], bool]
) -> Decimal | None:
    """Return the share of the volume that consistent klines of some causes lack or have more."""
    unseen, whole, stated = Decimal(0), Decimal(0), False
    for result in results:
        if result.volume is None:
            continue
        stated, whole = True, whole + result.volume
        for kline in result.differences:
            proof = kline.proof
            if proof is not None and proof.consistent and matters(proof.cause.split("+")):
                unseen += _lacking(kline)
    if not stated:
        return None
    return Decimal(0) if whole == 0 else min(unseen / whole, Decimal(1))


def _is_inside(causes: Sequence[str]) -> bool:
    return "edge" not in causes


def _is_lost(causes: Sequence[str]) -> bool:
    return _is_inside(causes) and "missing_trade_ids" in causes


def _lacking(kline: Difference) -> Decimal:
    sides = [
        Decimal(0) if side is None else Decimal(side.get("volume", 0))
        for side in (kline.ours, kline.theirs)
    ]
    return Decimal(0) if kline.theirs is None else abs(sides[1] - sides[0])
