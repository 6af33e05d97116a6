"""The finals and events of a subject in a process as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from kline_harness.aggregators.per_event import build_table
from kline_harness.columns import Instrument
from kline_harness.interval import CODE, INTERVALS
from kline_harness.kline import (
    FIELDS,
    PRICE_FIELDS,
    QUOTE_FIELDS,
    Emission,
    KlineBatch,
    Life,
    LifeBatch,
    Trigger,
)
from kline_harness.units import parse_exact

CODES = {interval.text: CODE[interval] for interval in INTERVALS}
LIVES = {life.name: life for life in Life if life not in (Life.TICK, Life.UPDATED)}
# Which of an instrument's three scales a field has.
_SCALE_OF = {
    name: 0 if name in PRICE_FIELDS else 2 if name in QUOTE_FIELDS else 1
    for name in FIELDS
    if name != "count"
}


@dataclass(frozen=True, slots=True)
class Instant:
    """What is known of the answers to a message: when they are published, and by what."""

    at_ns: int
    trigger: Trigger


Answer: TypeAlias = tuple[Mapping[str, Any], Instant]


def emission_of(finals: Sequence[Answer], events: Sequence[Answer]) -> Emission:
    """Return decoded messages as tables, each symbol at the finest scales of its finals."""
    scales: dict[str, list[int]] = {}
    rows = [_numbers(message, scales) for message, _ in finals]
    for message, _ in events:
        scales.setdefault(message["symbol"], [0, 0, 0])
    instruments = tuple(Instrument(symbol, *own) for symbol, own in scales.items())
    places = {symbol: place for place, symbol in enumerate(scales)}
    klines = [
        (
            places[message["symbol"]],
            CODES[message["interval"]],
            message["open_time_ns"],
            *_scaled(row, scales[message["symbol"]]),
            message.get("first_id", -1),
            message.get("last_id", -1),
            instant.at_ns,
            instant.trigger,
        )
        for (message, instant), row in zip(finals, rows, strict=True)
    ]
    lives = [
        (
            places[message["symbol"]],
            LIVES[message["life"]],
            CODES[message["interval"]],
            message["open_time_ns"],
            message["trades"],
            instant.at_ns,
            instant.trigger,
        )
        for message, instant in events
    ]
    return Emission(
        build_table(KlineBatch, instruments, klines), build_table(LifeBatch, instruments, lives)
    )


def _numbers(message: Mapping[str, Any], scales: dict[str, list[int]]) -> list[tuple[int, int]]:
    """Return a final's nine fields as integers with their scales; note the finest."""
    finest = scales.setdefault(message["symbol"], [0, 0, 0])
    row = []
    for name in FIELDS:
        if name == "count":
            row.append((message[name], 0))
            continue
        value, scale = parse_exact(message[name])
        finest[_SCALE_OF[name]] = max(finest[_SCALE_OF[name]], scale)
        row.append((value, scale))
    return row


def _scaled(row: Sequence[tuple[int, int]], scales: Sequence[int]) -> list[int]:
    return [
        value if name == "count" else int(value * 10 ** (scales[_SCALE_OF[name]] - scale))
        for name, (value, scale) in zip(FIELDS, row, strict=True)
    ]
