"""One mistake in the exchange's klines, of a kind that what was recorded contradicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any

from tests.oracle import OracleKline, OracleTrade, klines, open_time

Files = dict[str, list[OracleKline]]
_NS = 1_000_000
FIELDS = (
    *("open", "high", "low", "close", "volume", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)


@dataclass(frozen=True)
class Mistake:
    """A wrong copy of the files, and the (interval, open time) of the klines that are wrong."""

    name: str
    files: Files
    places: frozenset[tuple[str, int]]


def made(
    rng: Random, world: Any, trades: list[OracleTrade], right: Mapping[str, list[OracleKline]]
) -> Mistake | None:
    """Make a mistake: of one file, or of the trades that all files are made of."""
    tries = (_tried(rng, world, trades, right) for _ in range(20))
    return next((mistake for mistake in tries if mistake is not None), None)


def _tried(
    rng: Random, world: Any, trades: list[OracleTrade], right: Mapping[str, list[OracleKline]]
) -> Mistake | None:
    unseen, saved_ns = world.unseen_minutes(), 2**62
    if world.saved_at is not None:
        saved_ns = open_time("1m", world.saved_at * _NS)
    # Ours lacks the late ones too: without them theirs would be ours.
    inside = [t for t in trades if t.time_ns < saved_ns and t.id not in world.late]
    inside = [t for t in inside if open_time("1m", t.time_ns) not in unseen]
    if len(right) == 1:
        # Nothing contradicts what is wrong in a kline of which a part was not seen.
        (rows,) = right.values()
        whole = [row for row in rows if _seen_whole(row, unseen)]
        inside = [t for t in inside if any(_holds(row, t) for row in whole)]
    if not inside:
        return None
    if rng.random() < 0.5:
        name, wrong = rng.choice(_TRADES)(rng, trades, inside)
        files = world.exchange_klines(wrong)
    else:
        interval = rng.choice(sorted(right))
        opens = {open_time(interval, trade.time_ns) for trade in inside}
        rows = list(right[interval])
        # The last row may be forming, or be at the edge.
        places = [n for n, row in enumerate(rows[:-1]) if row.open_time_ns in opens and n]
        if len(right) == 1:
            places = [n for n in places if _seen_whole(rows[n], unseen)]
        if not places:
            return None
        name = rng.choice(sorted(_ROWS))
        if name == "a digit" and world.quotes_are_bounded():
            # One unit of a quote volume is within the rounding of the raw trades.
            name = "amounts doubled"
        files = {**right, interval: _ROWS[name](rng, rows, rng.choice(places), interval, trades)}
    wrong_rows = frozenset(_differing(right, files))
    return Mistake(name, files, wrong_rows) if wrong_rows else None


def _seen_whole(row: OracleKline, unseen: set[int]) -> bool:
    minute = 60_000 * _NS
    return all(at not in unseen for at in range(row.open_time_ns, row.close_time_ns, minute))


def _holds(row: OracleKline, trade: OracleTrade) -> bool:
    return row.open_time_ns <= trade.time_ns < row.close_time_ns


def _differing(right: Mapping[str, list[OracleKline]], files: Files) -> list[tuple[str, int]]:
    found = []
    for interval, rows in files.items():
        before, after = (
            {row.open_time_ns: [getattr(row, name) for name in FIELDS] for row in some}
            for some in (right[interval], rows)
        )
        for open_ns in sorted(before.keys() | after.keys()):
            if before.get(open_ns) != after.get(open_ns):
                found.append((interval, open_ns))
    return found


# --- mistakes of all files: another trade is in all of them


def _less(
    rng: Random, trades: list[OracleTrade], inside: list[OracleTrade]
) -> tuple[str, list[OracleTrade]]:
    gone = rng.choice(inside)
    return "a trade left out of all files", [t for t in trades if t is not gone]


def _last_left_out(
    rng: Random, trades: list[OracleTrade], inside: list[OracleTrade]
) -> tuple[str, list[OracleTrade]]:
    minute = open_time("1m", rng.choice(inside).time_ns)
    gone = [t for t in inside if open_time("1m", t.time_ns) == minute][-1]
    return "a minute's last trade left out of all files", [t for t in trades if t is not gone]


def _more(
    rng: Random, trades: list[OracleTrade], inside: list[OracleTrade]
) -> tuple[str, list[OracleTrade]]:
    twice = rng.choice(inside)
    place = trades.index(twice)
    made = [*trades[:place], twice, *trades[place:]]
    # The oracle takes one id for one trade.
    return "a trade twice in all files", [
        replace(t, id=n, first_id=n, last_id=n) for n, t in enumerate(made, start=1)
    ]


def _larger(
    rng: Random, trades: list[OracleTrade], inside: list[OracleTrade]
) -> tuple[str, list[OracleTrade]]:
    one = rng.choice(inside)
    changed = replace(one, quantity=one.quantity + 1, quote_quantity=None)
    return "a larger trade in all files", [changed if t is one else t for t in trades]


def _other_side(
    rng: Random, trades: list[OracleTrade], inside: list[OracleTrade]
) -> tuple[str, list[OracleTrade]]:
    one = rng.choice(inside)
    changed = replace(one, buyer_is_maker=not one.buyer_is_maker)
    return "a side turned in all files", [changed if t is one else t for t in trades]


_TRADES = (_less, _last_left_out, _more, _larger, _other_side)

# --- mistakes of one file


def _digit(rng: Random, row: OracleKline) -> OracleKline:
    name = rng.choice(FIELDS)
    value = getattr(row, name)
    step = 1 if name == "count" else Decimal((0, (1,), value.as_tuple().exponent))
    return replace(row, **{name: value + step})


def _changed(change: Callable[[Random, OracleKline], OracleKline]) -> Any:
    def apply(
        rng: Random, rows: list[OracleKline], place: int, interval: str, trades: Any
    ) -> list[OracleKline]:
        return [*rows[:place], change(rng, rows[place]), *rows[place + 1 :]]

    return apply


def _doubled(rng: Random, row: OracleKline) -> OracleKline:
    return replace(row, **{name: getattr(row, name) * 2 for name in FIELDS[4:]})


def _absent(
    rng: Random, rows: list[OracleKline], place: int, interval: str, trades: Any
) -> list[OracleKline]:
    return [*rows[:place], *rows[place + 1 :]]


def _swapped(
    rng: Random, rows: list[OracleKline], place: int, interval: str, trades: Any
) -> list[OracleKline]:
    other = rows[place - 1]
    open_ns, close_ns = rows[place].open_time_ns, rows[place].close_time_ns
    moved = replace(other, open_time_ns=open_ns, close_time_ns=close_ns)
    return [*rows[:place], moved, *rows[place + 1 :]]


def _moved(
    rng: Random, rows: list[OracleKline], place: int, interval: str, trades: list[OracleTrade]
) -> list[OracleKline]:
    """Count the first trade of a kline in the one before."""
    opened = rows[place].open_time_ns
    early = next((t for t in trades if open_time(interval, t.time_ns) == opened), None)
    moved = [replace(t, time_ns=opened - 1) if t is early else t for t in trades]
    return _rows_of(rows, moved, interval, (place - 1, place))


def _short(
    rng: Random, rows: list[OracleKline], place: int, interval: str, trades: list[OracleTrade]
) -> list[OracleKline]:
    """Leave the last trades of one kline out."""
    opened = rows[place].open_time_ns
    inside = [t for t in trades if open_time(interval, t.time_ns) == opened]
    gone = inside[len(inside) - rng.randrange(1, max(2, len(inside))) :]
    return _rows_of(rows, [t for t in trades if t not in gone], interval, (place,))


def _rows_of(
    rows: list[OracleKline], trades: list[OracleTrade], interval: str, places: tuple[int, ...]
) -> list[OracleKline]:
    made = {row.open_time_ns: row for row in klines(trades, interval)}
    return [
        made.get(row.open_time_ns, row) if place in places else row
        for place, row in enumerate(rows)
    ]


_ROWS: dict[str, Any] = {
    "a digit": _changed(_digit),
    "amounts doubled": _changed(_doubled),
    "a row absent": _absent,
    "a row of its neighbour": _swapped,
    "a trade in the kline before": _moved,
    "last trades left out": _short,
}
