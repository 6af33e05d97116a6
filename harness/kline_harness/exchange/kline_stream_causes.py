"""Stored klines that a service took from streams of klines, and whose last message did not come.

A stream of klines says what a kline is at intervals, and at its end what it is for good. Where a
fault of the wire kept that last message back, a service that stores the last ones alone lacks the
kline, and one that stores each message has it as it was in the last that was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from kline_harness.columns import concat
from kline_harness.comparison.compare import Comparison, Difference, Proof
from kline_harness.exchange.served import Served, ServedFault
from kline_harness.exchange.stream_names import TRADE_KINDS
from kline_harness.exchange.truth import klines_of, shifted
from kline_harness.exchange.wire_causes import CAUSE, Guess, Key, key_of, proof_of, with_proofs
from kline_harness.interval import Interval
from kline_harness.tape import Tape
from kline_harness.units import decimal_text

_FORMED = "as it was in the last message that was sent"
_ABSENT = "its last message was not sent"
Moved = Callable[[Interval], int]


@dataclass(frozen=True, slots=True)
class _Withheld:
    """A fault that kept back the last messages of some klines; times as those of the files."""

    fault: ServedFault
    first_ns: int
    last_ns: int
    sent_ns: int


def explained(
    found: Comparison, served: Served, tapes: Callable[[], Iterable[Tape]], moved: Moved
) -> Comparison:
    """Return a comparison with a proof at each kline whose last message a fault kept back.

    `moved` tells by how much later than in the files klines of an interval are judged.
    """
    withheld = dict(_withheld(served))
    if not withheld:
        return found
    trading = {
        one.stream.partition("@")[0]
        for one in served.subscriptions
        if one.stream.partition("@")[2] in TRADE_KINDS
    }
    whole: Tape | None = None
    proofs: dict[Key, Proof] = {}
    for one in found.differences:
        rows = withheld.get((one.symbol.lower(), one.interval.text), ())
        by_ns = moved(one.interval)
        held = next((w for w in rows if w.first_ns <= one.open_time_ns - by_ns <= w.last_ns), None)
        if held is None or one.proof is not None or one.theirs is None:
            continue
        if one.ours is None:
            # A service that takes trades makes its klines itself.
            proof = None if one.symbol.lower() in trading else _of_absent(one, held)
        else:
            if whole is None:
                whole = concat([tape for tape in tapes() if len(tape)])
            proof = _of_formed(one, held, whole, by_ns)
        if proof is not None:
            proofs[key_of(one)] = proof
    return with_proofs(found, proofs)


def _withheld(served: Served) -> Iterator[tuple[tuple[str, str], list[_Withheld]]]:
    found: dict[tuple[str, str], list[_Withheld]] = {}
    for fault in served.faults:
        for stream, rows in fault.klines.items():
            symbol, _, kind = stream.partition("@")
            key = symbol.removesuffix("_perpetual"), kind.partition("_")[2]
            found.setdefault(key, []).extend(_Withheld(fault, *row) for row in rows)
    yield from found.items()


def _of_absent(one: Difference, held: _Withheld) -> Proof:
    assert one.theirs is not None
    name = f"{held.fault.kind} {held.fault.number}"
    return Proof(
        CAUSE,
        {
            "causes": [{"cause": CAUSE, "fault": name, "how": _ABSENT}],
            "numbers": [held.fault.number],
            "kline": {name: decimal_text(value) for name, value in one.theirs.items()},
            "equal": True,
        },
    )


def _of_formed(one: Difference, held: _Withheld, whole: Tape, by_ns: int) -> Proof | None:
    """Return a proof that ours is what the kline was in the last message that was sent."""
    # A message covers the trades before its instant.
    window = (one.open_time_ns - by_ns, held.sent_ns)
    first, stop = np.searchsorted(whole.event_time_ns, window).tolist()
    part = whole[first : max(first, stop)]
    part = shifted(part.take(part.of_symbol(one.symbol)), by_ns)
    tables = klines_of([part], [one.interval], one.close_time_ns) if len(part) else {}
    return proof_of(one, tables, Guess((held.fault,), _FORMED, lambda tape, _: tape))
