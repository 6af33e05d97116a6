"""Runs a stored proof again, from its row of differences.parquet and the trades alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from kline_harness.comparison.agreed import Agreed
from kline_harness.comparison.causes.registry import CAUSES
from kline_harness.comparison.compare import Difference
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.differing_kline import KlineContext, make_case
from kline_harness.comparison.exchange_rows import Absence, OtherRow, RowPlace
from kline_harness.comparison.explain import explain_series
from kline_harness.comparison.retained_trades import RetainedTrades, collect
from kline_harness.comparison.retention import Refused, retention_plan
from kline_harness.comparison.row_numbers import ROWS
from kline_harness.interval import Interval, parse_interval
from kline_harness.kline import FIELDS
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MICROSECOND, Int64Array

_RESULTS = ("equal", "settled")
_IDS = {row: name for name, row in ROWS.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def reprove(row: Mapping[str, Any], tape: Tape, undone: Sequence[tuple[str, Tape]] = ()) -> bool:
    """Tell whether the cause that a row names explains it, by the trades of a tape.

    `row` is one of differences.parquet; `tape` holds the trades that were replayed, in their
    order, at least from the last trade before the kline to the first one after its close.
    `undone` gives, per injected fault, the trades without it. The row's class and the proof's
    own results are not believed; its inputs (which ids were refused, what time was covered,
    what the exchange's other klines are) are, for the trades do not tell them.
    """
    if not row.get("cause") or not row.get("proof"):
        return False
    told = json.loads(row["proof"])
    inputs = told["inputs"]
    if not inputs["ids_stated"]:
        told = _with_ids(told)
        inputs = told["inputs"]
    differences = [_difference(row, open_ns, sides, inputs) for open_ns, sides in _sides(row, told)]
    symbol, interval = str(row["symbol"]), str(row["interval"])
    late = {interval: _ids(inputs["late_ids"])}
    refused = Refused(late, _repeated(tape, symbol), _ids(inputs["refused_ids"]))
    plan = replace(retention_plan(differences, refused), ids_stated=inputs["ids_stated"])
    evidence = collect({symbol: plan}, [tape]).get(symbol)
    if evidence is None:
        return False

    def before_of(fed: Tape) -> RetainedTrades | None:
        alone = Refused(duplicate=_repeated(fed, symbol))
        return collect({symbol: retention_plan(differences, alone)}, [fed]).get(symbol)

    previous = inputs.get("previous_close")
    context = KlineContext(
        Coverage(tuple((start, end) for start, end in inputs["coverage_ns"])),
        None if previous is None else Decimal(previous),
        tuple(OtherRow(n, _numbers(v), later) for n, v, later in inputs.get("alternatives", [])),
        tuple((name, before) for name, fed in undone if (before := before_of(fed)) is not None),
        _row_place(inputs.get("row")),
        Absence(**inputs.get("absence", {})),
        {name: Decimal(value) for name, value in inputs.get("busiest", {}).items()},
        inputs.get("states_quiet", False),
        Agreed.of(inputs["agreed"]),
        inputs.get("omits_quiet", False),
    )
    gaps = evidence.runs.gaps()
    cases = [make_case(difference, evidence, gaps, context) for difference in differences]
    named = row["cause"].split("+")
    proofs = explain_series(
        cases, [one for one in CAUSES if set(one.name.split("+")) <= set(named)]
    )
    place = [case.kline.open_time_ns for case in cases].index(_open_ns(row))
    proof = proofs[place]
    return proof is not None and proof.cause == row["cause"] and _same(proof.evidence, told)


def _row_place(told: Mapping[str, Any] | None) -> RowPlace:
    if told is None:
        return RowPlace()
    following = None if told["following"] is None else _numbers(told["following"])
    return RowPlace(told["last"], told["repeated"], told.get("claimed", False), following)


def _same(now: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    """Tell whether a proof came out as it is stored."""
    again = json.loads(json.dumps(now))
    return all(again.get(name) == told.get(name) for name in ("causes", "kline", *_RESULTS))


def _sides(
    row: Mapping[str, Any], told: Mapping[str, Any]
) -> list[tuple[int, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]]:
    """Return the klines to prove together, by open time: the row's own, or its chain."""
    own = (_side(row, "ours"), _side(row, "theirs"))
    open_ns = _open_ns(row)
    klines = {open_ns: own}
    for one in told["inputs"].get("chain", []):
        if one["open_time_ns"] != open_ns:
            klines[one["open_time_ns"]] = (_numbers(one["ours"]), _numbers(one["theirs"]))
    return sorted(klines.items(), key=lambda item: item[0])


def _difference(
    row: Mapping[str, Any],
    open_ns: int,
    sides: tuple[Mapping[str, Any] | None, Mapping[str, Any] | None],
    inputs: Mapping[str, Any],
) -> Difference:
    interval: Interval = parse_interval(str(row["interval"]))
    return Difference(
        symbol=str(row["symbol"]),
        interval=interval,
        open_time_ns=open_ns,
        close_time_ns=interval.close_time_ns(open_ns),
        ours=sides[0],
        theirs=sides[1],
        fields=(),
        compared=tuple(inputs["compared"]),
        whole=bool(inputs["whole"]),
        source="",
        published_ns=inputs["published_ns"],
    )


def _side(row: Mapping[str, Any], side: str) -> dict[str, Decimal | int] | None:
    values = {name: row[f"{side}_{name}"] for name in FIELDS}
    known = {name: value for name, value in values.items() if value is not None}
    return known or None


def _numbers(texts: Mapping[str, str] | None) -> dict[str, Decimal | int]:
    numbers: dict[str, Decimal | int] = {}
    for name, text in (texts or {}).items():
        numbers[name] = int(text) if name == "count" else Decimal(text)
    return numbers


def _open_ns(row: Mapping[str, Any]) -> int:
    opened = row["open_time"]
    if isinstance(opened, datetime):
        return (opened - _EPOCH) // timedelta(microseconds=1) * NS_PER_MICROSECOND
    return int(opened) * NS_PER_MICROSECOND


def _ids(ids: Sequence[int]) -> Int64Array:
    return np.array(sorted(ids), dtype=np.int64)


def _repeated(tape: Tape, symbol: str) -> Int64Array:
    """Return the ids that more than one trade of a symbol has."""
    codes = [code for code, i in enumerate(tape.instruments) if i.symbol == symbol]
    mine = np.isin(tape.symbol, codes)
    ids, counts = np.unique(tape.trade_id[mine], return_counts=True)
    repeated: Int64Array = ids[counts > 1]
    return repeated


def _with_ids(value: Any) -> Any:
    """Return evidence in which the numbers of rows are called ids, as they were in the run."""
    if isinstance(value, Mapping):
        return {_IDS.get(name, name): _with_ids(inner) for name, inner in value.items()}
    return [_with_ids(one) for one in value] if isinstance(value, list) else value
