"""The klines specification: its cases as files, and what an aggregator makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from kline_harness.aggregators.per_event import exact_column
from kline_harness.columns import Instrument
from kline_harness.errors import InputError, UsageError
from kline_harness.interfaces import AddSymbol, FeedSlice, RemoveSymbol, Signal, Tick
from kline_harness.interval import INTERVALS, Interval, parse_interval
from kline_harness.kline import FIELDS, Emission
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import format_exact, parse_exact

VERSION = 1
_HERE = Path(__file__).resolve().parent
# In an installed package the specification lies beside this file, else in the repository.
_PLACES = (_HERE / "spec", _HERE.parents[2] / "fixtures" / "spec")
_COMPARED = (*FIELDS, "close_time_ns", "after")
_IDS = ("first_id", "last_id")
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpecCase:
    """One case: `messages` go in, one after the other, and `finals` must come out."""

    name: str
    sentence: str
    symbols: tuple[str, ...]
    intervals: tuple[Interval, ...]
    messages: tuple[Row, ...]
    finals: tuple[Row, ...]


def specification() -> Path:
    """Return the folder of the specification that comes with the package.

    Raises UsageError if it does not.
    """
    for place in _PLACES:
        if (place / "cases").is_dir():
            return place
    raise UsageError("the klines specification is not installed: name its folder with --spec")


def read_cases(folder: Path) -> list[SpecCase]:
    """Read the cases of a specification in the order of their names.

    Raises InputError for a file that is no case, UsageError where there is none.
    """
    paths = sorted((folder / "cases").glob("*.json"))
    if not paths:
        raise UsageError(f"{folder}: expected a folder cases with *.json in it, found none")
    return [_case(path) for path in paths]


def _case(path: Path) -> SpecCase:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["spec"] != VERSION:
            raise InputError(path, f"version {VERSION} of the specification", str(content["spec"]))
        return SpecCase(
            content["case"],
            content["sentence"],
            tuple(content["symbols"]),
            tuple(map(parse_interval, content["intervals"])),
            tuple(content["in"]),
            tuple(content["finals"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, "a case of the specification", repr(error)) from None


def run_case(case: SpecCase, aggregator: Any) -> str:
    """Give a case to an aggregator; return what it got wrong first, nothing if it passes."""
    found: list[Row] = []
    for after, message in enumerate(case.messages):
        if message["type"] == "end":
            emission = aggregator.finish(message["at_ns"])
        else:
            emission = aggregator.advance(slice_of([message]))
        found += rows_of(emission, after)
    return difference(found, case.finals)


def difference(found: Sequence[Row], due: Sequence[Row]) -> str:
    """Return the first difference between two lists of finals as a sentence, nothing if equal.

    The order between series is free; ids count only where they are stated.
    """
    series = dict.fromkeys((row["symbol"], row["interval"]) for row in [*due, *found])
    for key in series:
        ours, theirs = (
            [row for row in rows if (row["symbol"], row["interval"]) == key]
            for rows in (found, due)
        )
        name = " ".join(key)
        for got, want in zip(ours, theirs, strict=False):
            if got["open_time_ns"] != want["open_time_ns"]:
                return f"{name}: expected a kline that opens at {want['open_time_ns']}, {_at(got)}"
            names = [*_COMPARED, *(one for one in _IDS if _states_ids(got))]
            for field in names:
                if Decimal(str(got[field])) != Decimal(str(want[field])):
                    what = "the message after which it came" if field == "after" else field
                    where = f"{name} {want['open_time_ns']}"
                    return f"{where}: {what}: expected {want[field]}, found {got[field]}"
        if len(ours) > len(theirs):
            return f"{name}: expected {len(theirs)} finals, {_at(ours[len(theirs)])} too"
        if len(ours) < len(theirs):
            missing = theirs[len(ours)]["open_time_ns"]
            return f"{name}: expected a kline that opens at {missing}, found none"
    return ""


def _at(row: Row) -> str:
    return f"found one that opens at {row['open_time_ns']}"


def _states_ids(row: Row) -> bool:
    return bool(row["count"] == 0 or row["first_id"] >= 0)


def rows_of(emission: Emission, after: int) -> Iterator[Row]:
    """Yield an emission's finals as the specification writes them."""
    klines = emission.klines
    for row in range(len(klines)):
        instrument = klines.instruments[int(klines.symbol[row])]
        interval = INTERVALS[int(klines.interval[row])]
        open_time_ns = int(klines.open_time_ns[row])
        scales = {
            **dict.fromkeys(klines.price_columns(), instrument.price_scale),
            **dict.fromkeys(klines.quantity_columns(), instrument.quantity_scale),
            **dict.fromkeys(klines.quote_columns(), instrument.quote_scale),
        }
        numbers = {
            name: format_exact(int(getattr(klines, name)[row]), scale)
            for name, scale in scales.items()
        }
        yield {
            "after": after,
            "symbol": instrument.symbol,
            "interval": interval.text,
            "open_time_ns": open_time_ns,
            "close_time_ns": interval.close_time_ns(open_time_ns),
            **numbers,
            "count": int(klines.count[row]),
            "first_id": int(klines.first_trade_id[row]),
            "last_id": int(klines.last_trade_id[row]),
        }


def slice_of(messages: Sequence[Row]) -> FeedSlice:
    """Return trades, ticks and commands of a case as a slice of a feed."""
    trades = [message for message in messages if message["type"] == "trade"]
    signals: list[Signal] = []
    positions: list[int] = []
    seen = 0
    for message in messages:
        if message["type"] == "trade":
            seen += 1
            continue
        signals.append(_signal(message))
        positions.append(seen)
    return FeedSlice(_tape(trades), tuple(signals), tuple(positions))


def _signal(message: Row) -> Signal:
    if message["type"] == "tick":
        return Tick(message["at_ns"], message["time_ns"])
    make = AddSymbol if message["type"] == "add_symbol" else RemoveSymbol
    return make(message["at_ns"], message["symbol"])


def _tape(trades: Sequence[Row]) -> Tape:
    if not trades:
        return Tape.empty()
    instruments: dict[str, Instrument] = {}
    numbers = []
    for trade in trades:
        parsed = [parse_exact(trade[name]) for name in ("price", "quantity", "quote")]
        own = Instrument(trade["symbol"], *(scale for _, scale in parsed))
        instruments[own.symbol] = own.finest(instruments.get(own.symbol, own))
        numbers.append(parsed)
    codes = {symbol: code for code, symbol in enumerate(instruments)}
    columns: dict[str, Any] = {
        "symbol": np.array([codes[trade["symbol"]] for trade in trades], dtype=np.int16),
        "trade_id": np.array([trade["id"] for trade in trades], dtype=np.int64),
        "kind": np.array([TradeKind[trade["kind"]] for trade in trades], dtype=np.int8),
        "buyer_is_maker": np.array([trade["buyer_is_maker"] for trade in trades], dtype=np.bool_),
    }
    for name in ("first_id", "last_id", "event_time_ns", "arrival_ns"):
        columns[name] = np.array([trade[name] for trade in trades], dtype=np.int64)
    for place, name in enumerate(("price", "quantity", "quote")):
        finest = [getattr(instruments[trade["symbol"]], f"{name}_scale") for trade in trades]
        columns[name] = exact_column(
            [
                row[place][0] * 10 ** (scale - row[place][1])
                for row, scale in zip(numbers, finest, strict=True)
            ]
        )
    return Tape.build(tuple(instruments.values()), columns)
