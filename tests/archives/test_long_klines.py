"""Long files of klines are on disk, block by block: what is read of them is what is in the file."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from kline_harness.archives import kline_rows, read_klines
from kline_harness.archives.klines import ExchangeKlines
from kline_harness.units import format_exact

START_MS = int(datetime(2024, 5, 15, tzinfo=UTC).timestamp()) * 1000
HEADER = "open_time,open,high,low,close,volume,close_time"
ROWS = 47


def written(path: Path, order: list[int], wide: bool) -> list[list[str]]:
    """Write klines in an order of their minutes; return the rows of the file."""
    draw = random.Random(7)
    rows = []
    for minute in order:
        at = START_MS + minute * 60_000
        low, high = sorted(draw.sample(range(100, 999), 2))
        volume = str(draw.randrange(10**6))
        if wide and minute % 5 == 0:
            volume = f"{draw.randrange(10**20)}.{draw.randrange(1000)}"
        # Decimals come and go from block to block.
        price = "{}" if minute % 7 else "{}.125"
        prices = [price.format(one) for one in (low, high, low, high)]
        rows.append([str(at), *prices, volume, str(at + 59_999)])
    path.write_text("\n".join([HEADER, *(",".join(row) for row in rows)]) + "\n")
    return rows


def values(klines: ExchangeKlines, places: list[int]) -> list[list[Decimal]]:
    """Return some rows as the file has them."""
    batch, closes_ns = klines.rows.take(np.array(places))
    (one,) = batch.instruments
    scales = [one.price_scale] * 4 + [one.quantity_scale]
    names = ("open", "high", "low", "close", "volume")
    return [
        [
            Decimal(int(batch.open_time_ns[k]) // 10**6),
            *(
                Decimal(format_exact(getattr(batch, name)[k], scale))
                for name, scale in zip(names, scales, strict=True)
            ),
            Decimal(int(closes_ns[k]) // 10**6 - 1),
        ]
        for k in range(len(batch))
    ]


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("order", ["ascending", "newest first", "any"])
def test_rows_of_blocks_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str, wide: bool
) -> None:
    monkeypatch.setattr(kline_rows, "BLOCK_ROWS", 6)
    monkeypatch.setattr(kline_rows, "_LEAST_ROWS", 6)
    minutes = list(range(ROWS))
    if order == "newest first":
        minutes.reverse()
    elif order == "any":
        random.Random(3).shuffle(minutes)
    path = tmp_path / "FOXUSDT-1m.csv"
    rows = written(path, minutes, wide)
    klines = read_klines(path, block_bytes=300)
    if order == "newest first":
        rows.reverse()
    exact = [[Decimal(text) for text in row] for row in rows]
    assert klines.rows.blocks > 5
    assert values(klines, list(range(ROWS))) == exact
    assert klines.rows.opens_ns().tolist() == [int(row[0]) * 10**6 for row in exact]
    assert klines.rows.closes_ns().tolist() == [(int(row[-1]) + 1) * 10**6 for row in exact]
    draw = random.Random(5)
    for _ in range(20):
        places = draw.choices(range(ROWS), k=draw.randrange(1, 30))
        assert values(klines, places) == [exact[place] for place in places]
    later = klines.rows.moved(10**15)
    assert (later.opens_ns() - klines.rows.opens_ns()).tolist() == [10**15] * ROWS
    assert (later.closes_ns() - klines.rows.closes_ns()).tolist() == [10**15] * ROWS
    again = [open_ns for batch, _ in later.pieces() for open_ns in batch.open_time_ns.tolist()]
    assert again == later.opens_ns().tolist()
    assert klines.batch.open_time_ns.tolist() == klines.rows.opens_ns().tolist()
