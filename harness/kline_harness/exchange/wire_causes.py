"""Stored klines that differ because of a fault of the wire, proved by making them with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from kline_harness.columns import concat
from kline_harness.comparison.compare import Comparison, Difference, Proof
from kline_harness.comparison.extent import CLOSE_TIME
from kline_harness.comparison.series_rows import opens_ns
from kline_harness.exchange.served import Served, ServedFault
from kline_harness.exchange.truth import klines_of, shifted
from kline_harness.faults.wire import WireDelay, WireDuplicate, WireReorder
from kline_harness.interval import Interval
from kline_harness.kline import FIELDS
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_SECOND, BoolArray, Int64Array, decimal_text, utc_text
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "wire_faults"
CAUSE = "injected_fault"
_SHOWN = 20
_NOT_CHECKED = (
    "what a service does with messages of klines that come late, twice or in another order",
    "faults that strike requests, the server's time and names: they keep no trade back",
)
Change = Callable[[Tape, Interval], Tape]
# The symbol, the interval and the open time of a kline.
Key = tuple[str, str, int]
Touched = Mapping[str, np.ndarray[tuple[int, int], np.dtype[np.int64]]]


@dataclass(frozen=True, slots=True)
class Guess:
    """What a service got, if it took a fault's messages in one way."""

    faults: tuple[ServedFault, ...]
    how: str
    change: Change


@dataclass(frozen=True, slots=True)
class WireCauses:
    """The faults of a run of the server that touched trades, and what they explain.

    A differing kline is explained by a fault where it is, in every compared field, the exact
    kline of the trades as the service got them with the fault. With the fault undone those are
    the trades served, whose kline it was compared with. A fault that touches no trade of it, nor
    the price before it, makes no other kline, and explains nothing.
    """

    faults: tuple[ServedFault, ...]
    kinds: tuple[str, ...]
    delays_ns: Mapping[int, int]

    @staticmethod
    def of(served: Served, kinds: tuple[str, ...]) -> WireCauses:
        """Take the faults of a run; `kinds` are the streams that say what klines are made of."""
        settings = served.scenario.get("faults") or []
        delays = {
            number: int(one.get("by_ns", NS_PER_SECOND))
            for number, one in enumerate(settings)
            if one.get("kind") == WireDelay.KIND
        }
        touching = tuple(one for one in served.faults if one.trades)
        return WireCauses(touching, kinds, delays)

    def explained(
        self,
        found: Comparison,
        tapes: Callable[[], Iterable[Tape]],
        until_ns: int,
        moved: Callable[[Interval], int],
    ) -> Comparison:
        """Return a comparison with a proof at each difference that a fault makes.

        `moved` tells by how much later than in the files klines of an interval are judged.
        """
        proofs: dict[Key, Proof] = {}
        open_questions = [d for d in found.differences if _asked(d)]
        if not open_questions or not self.faults:
            return found
        # At once: what a fault moves may cross the pieces that trades are read in.
        pieces = [tape for tape in tapes() if len(tape)]
        whole = concat(pieces) if pieces else None
        for guess in self._guesses():
            if not open_questions:
                break
            for interval in {one.interval.text: one.interval for one in open_questions}.values():
                changed = guess.change(whole, interval) if whole is not None else None
                by_ns = moved(interval)
                made = [] if changed is None else [shifted(changed, by_ns)]
                tables = klines_of(made, [interval], until_ns + by_ns)
                for one in open_questions:
                    proof = proof_of(one, tables, guess)
                    if proof is not None:
                        proofs[key_of(one)] = proof
            open_questions = [d for d in open_questions if key_of(d) not in proofs]
        return with_proofs(found, proofs)

    def verdict(self, found: Comparison, served: Served) -> Verdict:
        """Say of every fault whether it had an effect, who noticed, and what was left of it."""
        left: dict[int, list[Difference]] = {}
        for one in found.differences:
            if one.proof is not None and one.proof.cause == CAUSE:
                for number in one.proof.evidence["numbers"]:
                    left.setdefault(number, []).append(one)
        findings = []
        for fault in served.faults:
            klines = left.get(fault.number, [])
            findings.append(_finding(fault, klines))
        counts = {
            "faults": len(served.faults),
            "had_effect": sum(one.effects > 0 for one in served.faults),
            "noticed": sum(one.detected is True for one in served.faults),
            "klines": sum(map(len, left.values())),
        }
        return Verdict.of(CHECK, counts, findings, _NOT_CHECKED)

    def _guesses(self) -> Iterator[Guess]:
        for fault in self.faults:
            yield from self._ways(fault)
        if len(self.faults) > 1:
            every = [next(iter(self._ways(fault))) for fault in self.faults]
            yield Guess(self.faults, "; ".join(one.how for one in every), _all_of(every))

    def _ways(self, fault: ServedFault) -> Iterator[Guess]:
        touched = {
            stream.partition("@")[0]: np.array(ranges, dtype=np.int64).reshape(-1, 2)
            for stream, ranges in fault.trades.items()
            if stream.partition("@")[2] in self.kinds
        }
        if fault.kind == WireDuplicate.KIND:
            yield Guess((fault,), "with the trades twice", lambda tape, _: _twice(tape, touched))
            return
        yield Guess((fault,), "without the trades", lambda tape, _: _without(tape, touched))
        if fault.kind not in (WireDelay.KIND, WireReorder.KIND):
            return
        by_ns = self.delays_ns.get(fault.number) if fault.kind == WireDelay.KIND else None

        @lru_cache(maxsize=1)
        def arrived(tape: Tape) -> Tape:
            return _arrived(tape, touched, by_ns)

        def came(take: Callable[[Tape, Interval], Tape]) -> Change:
            return lambda tape, interval: take(arrived(tape), interval)

        for how, take in _WAYS.items():
            yield Guess((fault,), how, came(take))


def _asked(one: Difference) -> bool:
    return one.proof is None and one.ours is not None and one.theirs is not None


def key_of(one: Difference) -> Key:
    """Return of which kline a difference is."""
    return one.symbol, one.interval.text, one.open_time_ns


def with_proofs(found: Comparison, proofs: Mapping[Key, Proof]) -> Comparison:
    """Return a comparison with proofs at the differences that have none yet."""
    if not proofs:
        return found
    series = tuple(
        replace(
            result,
            differences=tuple(
                replace(d, proof=d.proof or proofs.get(key_of(d))) for d in result.differences
            ),
        )
        for result in found.series
    )
    return replace(found, series=series)


def _all_of(guesses: Sequence[Guess]) -> Change:
    def change(tape: Tape, interval: Interval) -> Tape:
        for guess in guesses:
            tape = guess.change(tape, interval)
        return tape

    return change


def _mask(tape: Tape, touched: Touched) -> BoolArray:
    """Mark the trades that a fault touched."""
    mine = np.zeros(len(tape), dtype=np.bool_)
    for code, instrument in enumerate(tape.instruments):
        ranges = touched.get(instrument.symbol.lower())
        if ranges is None or len(ranges) == 0:
            continue
        rows = np.flatnonzero(tape.symbol == code)
        ids = tape.trade_id[rows]
        place = np.searchsorted(ranges[:, 0], ids, side="right") - 1
        mine[rows] = (place >= 0) & (ids <= ranges[np.maximum(place, 0), 1])
    return mine


def _without(tape: Tape, touched: Touched) -> Tape:
    return tape.take(~_mask(tape, touched))


def _twice(tape: Tape, touched: Touched) -> Tape:
    mine = tape.take(_mask(tape, touched))
    return _numbered(_in_time(concat([tape, mine]))) if len(mine) else tape


def _arrived(tape: Tape, touched: Touched, by_ns: int | None) -> Tape:
    """Return trades in the order in which they came: so much later, or behind the next one."""
    mine, times = _mask(tape, touched), tape.event_time_ns.copy()
    if by_ns is not None:
        times[mine] += by_ns
    else:
        for code in np.unique(tape.symbol[mine]).tolist():
            rows = np.flatnonzero(tape.symbol == code)
            chosen = np.flatnonzero(mine[rows][:-1])
            times[rows[chosen]] = tape.event_time_ns[rows[chosen + 1]]
    order = np.lexsort((tape.trade_id, mine, times))
    return tape.with_columns({"arrival_ns": times}).take(order)


def _not_overtaken(came: Tape, interval: Interval) -> Tape:
    opens = interval.open_times_ns(came.event_time_ns)
    return came.take(opens >= _newest(opens, came))


def _before_the_close(came: Tape, interval: Interval) -> Tape:
    closes = interval.close_times_ns(interval.open_times_ns(came.event_time_ns))
    return came.take(came.arrival_ns < closes)


def _in_what_formed(came: Tape) -> Tape:
    return _numbered(came.with_columns({"event_time_ns": _newest(came.event_time_ns, came)}))


def _by_arrival(came: Tape) -> Tape:
    return _numbered(came.with_columns({"event_time_ns": came.arrival_ns}))


def _newest(times: Int64Array, came: Tape) -> Int64Array:
    """Return the latest of some times so far, symbol by symbol."""
    newest = times.copy()
    for code in np.unique(came.symbol).tolist():
        rows = np.flatnonzero(came.symbol == code)
        newest[rows] = np.maximum.accumulate(times[rows])
    return newest


def _in_time(tape: Tape) -> Tape:
    ordered = tape.take(np.lexsort((tape.trade_id, tape.event_time_ns)))
    return ordered.with_columns({"arrival_ns": ordered.event_time_ns})


def _numbered(tape: Tape) -> Tape:
    """Return trades numbered as they stand, in order of time.

    The exact aggregator goes by ids: it would refuse a second one, and take open and close by them.
    """
    ordered = tape.take(np.argsort(tape.event_time_ns, kind="stable"))
    numbers = np.arange(len(ordered), dtype=np.int64)
    return ordered.with_columns({"trade_id": numbers, "arrival_ns": ordered.event_time_ns})


# How services take trades that come late; open and close go by arrival, or by the trade's time.
_WAYS: Mapping[str, Callable[[Tape, Interval], Tape]] = {
    "without the trades that others of a later kline overtook": (
        lambda came, interval: _in_what_formed(_not_overtaken(came, interval))
    ),
    "without the trades that others of a later kline overtook, by their time": (
        lambda came, interval: _in_time(_not_overtaken(came, interval))
    ),
    "without the trades that came after their kline": (
        lambda came, interval: _in_what_formed(_before_the_close(came, interval))
    ),
    "without the trades that came after their kline, by their time": (
        lambda came, interval: _in_time(_before_the_close(came, interval))
    ),
    "with the trades in the kline that formed when they came": (
        lambda came, _: _in_what_formed(came)
    ),
    "with the trades in the kline of the time at which they came": lambda came, _: _by_arrival(
        came
    ),
}


def proof_of(
    one: Difference, tables: Mapping[tuple[str, str], pa.Table], guess: Guess
) -> Proof | None:
    """Return a proof where ours is, in every compared field, what a guess makes; else None."""
    table = tables.get((one.symbol, one.interval.text))
    if table is None or one.ours is None or one.theirs is None:
        return None
    opens = opens_ns(table)
    row = int(np.searchsorted(opens, one.open_time_ns))
    if row >= len(opens) or opens[row] != one.open_time_ns:
        return None
    if CLOSE_TIME in one.fields:
        # No trade makes a close time.
        return None
    made = {name: table[name][row].as_py() for name in FIELDS if name in one.compared}
    if any(made[name] != one.ours[name] for name in made):
        return None
    if all(made[name] == one.theirs[name] for name in made):
        return None
    names = [f"{fault.kind} {fault.number}" for fault in guess.faults]
    causes = [{"cause": CAUSE, "fault": name, "how": guess.how} for name in names]
    evidence = {
        "causes": causes,
        "numbers": [fault.number for fault in guess.faults],
        "kline": {name: decimal_text(value) for name, value in one.theirs.items()},
        "equal": True,
        "with_the_fault": {name: decimal_text(value) for name, value in made.items()},
    }
    return Proof(CAUSE, evidence)


def _finding(fault: ServedFault, klines: Sequence[Difference]) -> Finding:
    trades = sum(last - first + 1 for ranges in fault.trades.values() for first, last in ranges)
    evidence: dict[str, Any] = {
        "fault": fault.kind,
        "number": fault.number,
        "effects": fault.effects,
        "noticed_by_the_client": fault.detected,
        "trades_touched": trades,
    }
    name = f"{fault.kind} {fault.number}"
    if not fault.effects:
        evidence["sentence"] = f"{name}: it struck nothing"
        return Finding(CHECK, "no_effect", Severity.NOTICE, evidence=evidence)
    at = "" if fault.first_ns is None else f", first at {utc_text(fault.first_ns)}"
    struck = f"{name}: it struck {fault.effects:,} times{at}"
    noticed = {True: "; a client noticed", False: "; no client noticed", None: ""}[fault.detected]
    if not klines:
        evidence["sentence"] = f"{struck}{noticed}; no stored kline differs by it"
        return Finding(CHECK, "absorbed", Severity.NOTICE, at_ns=fault.first_ns, evidence=evidence)
    evidence["klines"] = [list(key_of(one)) for one in klines[:_SHOWN]]
    some = f"{len(klines):,} stored kline{'s' if len(klines) != 1 else ''}"
    evidence["sentence"] = (
        f"{struck}{noticed}; {some} are what its trades make as it let them through, and were "
        "not mended"
    )
    return Finding(CHECK, "not_mended", at_ns=fault.first_ns, evidence=evidence)
