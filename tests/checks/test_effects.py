"""What a fault did, and what a writer stored, against counting rows one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from kline_harness import kept_klines
from kline_harness.checks.faults import Results, effect_of
from kline_harness.checks.stored import StoredCheck
from kline_harness.columns import Rows
from kline_harness.comparison import series_rows
from kline_harness.comparison.stored import Stored, in_memory
from kline_harness.kept_klines import KeptKlines
from kline_harness.kline import FIELDS, Trigger

from tests.checks.tables import GRACE_NS, table

MINUTE_NS = 60_000_000_000
START_NS = 28_600_000 * MINUTE_NS
ROW = ("symbol", "interval", "open_time_ns", *FIELDS, "first_trade_id", "last_trade_id")
WHEN = ("at_ns", "trigger")
Row = dict[str, Any]


@pytest.fixture(autouse=True)
def few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is kept lie on disk, and be looked at, in pieces of a few rows."""
    monkeypatch.setattr(kept_klines, "BLOCK_ROWS", 5)
    monkeypatch.setattr(series_rows, "CHUNK_ROWS", 4)


def drawn(random: Random) -> list[Row]:
    """Draw finals of two symbols in the order of publication; some open times come twice."""
    rows = []
    for step in range(random.randint(0, 12)):
        for symbol in ("ALFAUSDT", "BETAUSDT"):
            if random.random() < 0.2:
                continue
            for _ in range(2 if random.random() < 0.15 else 1):
                rows.append(kline(symbol, step, random))
    return rows


def kline(symbol: str, step: int, random: Random) -> Row:
    late_ns = random.choice((0, GRACE_NS, GRACE_NS + 1, 2 * GRACE_NS))
    row: Row = dict.fromkeys(FIELDS, 700)
    row |= {"volume": random.choice((1, 2**70)), "count": random.choice((1, 2))}
    open_ns = START_NS + step * MINUTE_NS
    return row | {
        "symbol": symbol,
        "interval": "1m",
        "open_time_ns": open_ns,
        "first_trade_id": step,
        "last_trade_id": step + random.choice((0, 0, 1)),
        "at_ns": open_ns + MINUTE_NS + late_ns,
        "trigger": random.choice((Trigger.TRADE, Trigger.TICK)),
    }


def changed(rows: list[Row], random: Random) -> list[Row]:
    """Leave out, change, double, add and move some rows."""
    out = []
    for row in rows:
        chance = random.random()
        if chance < 0.1:
            continue
        if chance < 0.3:
            name = random.choice((*FIELDS, "at_ns", "last_trade_id"))
            row = row | {name: row[name] + 3 * GRACE_NS}
        out += [row, row] if chance > 0.95 else [row]
    if len(out) > 3 and random.random() < 0.3:
        out[1], out[2] = out[2], out[1]
    if random.random() < 0.2:
        out = out[: len(out) // 2]
    return out


def results(published: list[Row], stored: list[Row]) -> Results:
    return Results(kept(published), held(stored), 0)


def kept(rows: list[Row]) -> KeptKlines:
    found = KeptKlines()
    for start in range(0, len(rows), 3):
        found.add(Rows.all(table(rows[start : start + 3])))
    return found


def held(rows: list[Row]) -> Stored:
    parts = [rows[start : start + 7] for start in range(0, len(rows), 7)]
    return Stored([in_memory(table(part).to_arrow()) for part in parts])


def keys(rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    """Return rows by symbol, open time, and how often these came before."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        times = sum(key[:2] == (row["symbol"], row["open_time_ns"]) for key in found)
        found[row["symbol"], row["open_time_ns"], times] = row
    return found


def is_late(row: Row) -> bool:
    late: bool = row["at_ns"] - row["open_time_ns"] - MINUTE_NS > GRACE_NS
    return late


def counted(rows: Sequence[Row], names: Sequence[str]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[name] for name in names) for row in rows)


def test_an_effect_is_what_counting_row_by_row_says() -> None:
    seen = Counter[str]()
    for seed in range(40):
        random = Random(seed)
        clean = drawn(random)
        faulty, stored = changed(clean, random), changed(clean, random)
        effect = effect_of(results(faulty, stored), results(clean, clean), GRACE_NS)
        mine, yours = keys(faulty), keys(clean)
        both = mine.keys() & yours.keys()
        unequal = [k for k in both if any(mine[k][n] != yours[k][n] for n in FIELDS)]
        assert effect.klines == len(mine.keys() ^ yours.keys()) + len(unequal), seed
        assert effect.late == sum(is_late(mine[k]) and not is_late(yours[k]) for k in both), seed
        left, right = counted(stored, ROW), counted(clean, ROW)
        assert effect.stored == ((left - right) + (right - left)).total(), seed
        seen.update(name for name, count in effect.to_dict().items() if count)
    assert seen.keys() == {"klines", "late", "stored"}
    assert min(seen.values()) > 3


def test_stored_rows_are_those_that_counting_one_by_one_finds() -> None:
    seen = Counter[str]()
    for seed in range(50):
        random = Random(seed)
        given = drawn(random)
        stored = changed(given, random)
        if random.random() < 0.3:
            stored = [*given[1:2], *given[:1], *given[2:]]
        check = StoredCheck("writer", None)
        for start in range(0, len(given), 3):
            check.on_delivered("writer", 0, Rows.all(table(given[start : start + 3])))
        have, want = (counted(side, (*ROW, *WHEN)) for side in (stored, given))
        surplus, lacking = have - want, (want - have).total()
        admitted = lacking if random.random() < 0.5 else 0
        verdict = check.verdict(held(stored), admitted)
        kinds = Counter(one.kind for one in verdict.findings)
        assert kinds["row_twice"] == sum(row in want for row in surplus), seed
        assert kinds["row_altered"] == sum(row not in want for row in surplus), seed
        assert kinds["rows_missing"] == (lacking != admitted), seed
        alone = not surplus and lacking == admitted
        moved = alone and not in_order(stored, given)
        assert kinds["rows_out_of_order"] == moved, seed
        seen.update(kinds)
    assert seen.keys() >= {"row_twice", "row_altered", "rows_missing", "rows_out_of_order"}


def in_order(some: list[Row], whole: list[Row]) -> bool:
    rest: Iterator[Row] = iter(whole)
    return all(row in rest for row in some)
