"""Half an hour of an invented market without anything odd, to which a test does one thing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from tests.comparison.pairs import World, write_klines, write_trades
from tests.comparison.wrong import Files
from tests.market import ALFA, DAY, MINUTE, Fill, fills
from tests.oracle import OracleKline
from tests.replays import Ran, replay

MINUTES = 30
OPEN = DAY + 12 * 60 * MINUTE
"""When it begins, in ms: 12:00 UTC."""


def plain_world(
    seed: int, intervals: Sequence[str], source: str = "trades", **changes: Any
) -> World:
    """Return a world of which everything was recorded; `changes` are of its market."""
    minutes = range(12 * 60, 12 * 60 + MINUTES)
    market = replace(
        ALFA,
        quiet=frozenset(range(1440)) - set(minutes),
        edges=(),
        sweeps=(),
        busy=range(0),
        fund_at=None,
        orders_per_minute=(3, 4, 5, 8, 12),
    )
    market = replace(market, **changes)
    end = OPEN + MINUTES * MINUTE
    happened = [fill for fill in fills(market, Random(seed)) if OPEN <= fill.time < end]
    return World(market, source, happened, list(happened), intervals=tuple(intervals))


def exchange_files(world: World) -> Files:
    """Return the exchange's files of all that happened."""
    return world.exchange_klines(world.exchange_trades())


def in_minute(world: World, number: int) -> list[Fill]:
    """Return what happened in a minute since the beginning."""
    return [fill for fill in world.happened if (fill.time - OPEN) // MINUTE == number]


def without(world: World, ids: Iterable[int]) -> World:
    """Return the world with some trades that nobody recorded."""
    lost = frozenset(ids)
    kept = [fill for fill in world.happened if fill.id not in lost]
    return replace(world, recorded=kept, lost=lost)


def plus(files: Files, interval: str, number: int, **by: Decimal | int) -> Files:
    """Return files with something added to fields of one row."""
    row = files[interval][number]
    return put(files, interval, number, **{n: getattr(row, n) + more for n, more in by.items()})


def put(files: Files, interval: str, number: int, **values: Any) -> Files:
    """Return files with other values in fields of one row."""
    rows: list[OracleKline] = list(files[interval])
    rows[number] = replace(rows[number], **values)
    return {**files, interval: rows}


def judged(folder: Path, world: World, files: Files) -> Ran:
    """Replay what was recorded against files of the exchange's."""
    folder.mkdir(exist_ok=True)
    tape, frames = write_trades(world, folder), write_klines(world.market, files, folder)
    words = ("--intervals", ",".join(world.intervals), "--audit", "off")
    return replay(folder / "run", tape, "--klines", *frames, *words)
