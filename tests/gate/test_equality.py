"""Two sides of many klines: all that differs is counted, little is held."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.gate import equality
from kline_harness.gate.equality import difference
from kline_harness.kline import FIELDS, SCHEMA

from tests.cases.test_memory import peaks_mb

DAY = datetime(2024, 5, 15, tzinfo=UTC)
SECONDS = {"1s": 1, "1m": 60, "1h": 3_600}
# symbol, interval, open time in seconds of the day, close
_Row: TypeAlias = tuple[str, str, int, int]


def table_of(rows: Sequence[_Row]) -> pa.Table:
    """Return klines of which only the close is not the same."""
    values: dict[str, list[Any]] = {
        "symbol": [symbol for symbol, *_ in rows],
        "interval": [interval for _, interval, *_ in rows],
        "open_time": [DAY + timedelta(seconds=at) for _, _, at, _ in rows],
        "close": [Decimal(close) / 100 for *_, close in rows],
    }
    for field in SCHEMA:
        if pa.types.is_decimal(field.type):
            values.setdefault(field.name, [Decimal(7)] * len(rows))
        elif pa.types.is_integer(field.type):
            values.setdefault(field.name, [1] * len(rows))
        elif pa.types.is_timestamp(field.type):
            values.setdefault(field.name, [DAY] * len(rows))
        else:
            values.setdefault(field.name, ["tick"] * len(rows))
    columns = [pa.array(values[field.name], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def stored(folder: Path, rows: Sequence[_Row], cuts: Sequence[int], group: int) -> Path:
    """Store klines in parts cut at some rows."""
    folder.mkdir()
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        part = folder / f"part-{number:05d}.parquet"
        pq.write_table(table_of(rows[start:stop]), part, row_group_size=group)
    return folder


def expected(ours: Sequence[_Row], theirs: Sequence[_Row]) -> list[str]:
    """Return what differs, by the whole of both sides at once."""
    sides: list[dict[tuple[str, str, int, int], int]] = [{}, {}]
    for side, rows in zip(sides, (ours, theirs), strict=True):
        for symbol, interval, at, close in rows:
            copies = sum(key[:3] == (symbol, interval, at) for key in side)
            side[symbol, interval, at, copies] = close
    found = []
    for key in sorted(sides[0].keys() | sides[1].keys()):
        time = (DAY + timedelta(seconds=key[2])).strftime("%Y-%m-%dT%H:%M:%SZ")
        place = f"  {key[0]} {key[1]} {time}" + (f" (copy {key[3] + 1})" if key[3] else "")
        mine, yours = (side.get(key) for side in sides)
        if mine is None or yours is None:
            found.append(f"{place}: only in {'ours' if yours is None else 'theirs'}")
        elif mine != yours:
            one, other = (f"{Decimal(close) / 100:f}" for close in (mine, yours))
            found.append(f"{place} close: ours {one}, theirs {other}")
    return found


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_parts_differ_in_what_the_whole_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(equality, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(equality, "_ROWS_KEPT", 30)
    draw = random.Random(seed)
    ours = [
        (symbol, interval, at * SECONDS[interval], draw.choice((125, 3_127, 91_283)))
        for symbol in ("ALFAUSDT", "BRAVOUSDT")
        for interval, count in (("1h", 9), ("1m", 40), ("1s", 25))
        for at in range(count)
    ]
    theirs = [
        (*row[:3], row[3] + 1) if draw.random() < 0.1 else row
        for row in ours
        for _ in range(draw.choice((0, 1, 1, 1, 1, 1, 1, 1, 2)))
    ]
    if seed % 3:
        draw.shuffle(theirs)
    if seed % 2:
        ours.sort(key=lambda row: row[2] + SECONDS[row[1]])
    cuts = sorted(draw.sample(range(1, 100), 3))
    a = stored(tmp_path / "a", ours, cuts, 11)
    b = stored(tmp_path / "b", theirs, cuts[:1], 40)
    lines = expected(ours, theirs)
    assert len(lines) > 10
    head = f"klines are not identical: {len(ours)} ours, {len(theirs)} theirs"
    assert difference(a, b, len(lines)).splitlines() == [head, *lines]
    assert difference(a, table_of(theirs), 3).splitlines() == [
        head,
        *lines[:3],
        f"  and {len(lines) - 3} more",
    ]
    assert not difference(b, b, 3)


def test_a_damaged_part_is_one_sentence(tmp_path: Path) -> None:
    rows = [("ALFAUSDT", "1m", 60 * at, 125 + at) for at in range(300)]
    a = stored(tmp_path / "a", rows, [], 100)
    part = tmp_path / "b.parquet"
    whole = bytearray((a / "part-00000.parquet").read_bytes())
    middle = len(whole) // 3
    part.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    program = "import sys; from kline_harness.gate.equality import difference; "
    program += "from kline_harness.errors import InputError\n"
    program += "try: print(difference(*sys.argv[1:], 3))\nexcept InputError as e: print('E', e)"
    code, _, output = peaks_mb([sys.executable, "-c", program, a, part])
    assert code == 0, output
    assert output.startswith(f"E {part}: expected klines in Parquet"), output


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the kernel's peaks")
def test_two_days_of_seconds_that_all_differ_are_not_held(tmp_path: Path) -> None:
    count = 172_800
    for name, close in (("a", 125), ("b", 126)):
        table = table_of([("ALFAUSDT", "1s", 0, close)])
        columns = [
            pa.repeat(table[field.name][0].as_py(), count).cast(field.type)
            if not pa.types.is_dictionary(field.type)
            else pa.repeat(str(table[field.name][0].as_py()), count).dictionary_encode()
            for field in SCHEMA
        ]
        start = int(DAY.timestamp())
        micros = [(start + at) * 1_000_000 for at in range(count)]
        place = SCHEMA.names.index("open_time")
        columns[place] = pa.array(micros, pa.int64()).cast(SCHEMA.field(place).type)
        whole = pa.Table.from_arrays(columns, names=SCHEMA.names)
        pq.write_table(whole, tmp_path / f"{name}.parquet", row_group_size=125_000)
    program = "import sys; from kline_harness.gate.equality import difference; "
    program += "print(difference(*sys.argv[1:], 3))"
    words: list[str | Path] = [
        sys.executable,
        "-c",
        program,
        tmp_path / "a.parquet",
        tmp_path / "b.parquet",
    ]
    code, peaks, output = peaks_mb(words)
    assert code == 0, output
    assert output.splitlines() == [
        f"klines are not identical: {count:,} ours, {count:,} theirs",
        *(
            f"  ALFAUSDT 1s 2024-05-15T00:00:0{at}Z close: ours 1.25, theirs 1.26"
            for at in range(3)
        ),
        f"  and {count - 3:,} more",
    ]
    # Over 500 MB where both sides were held as text.
    assert max(peaks.values()) < 300, peaks
    assert not any(name in output for name in FIELDS if name != "close")
