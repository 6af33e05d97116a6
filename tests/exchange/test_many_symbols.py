"""Many symbols on all kinds of streams: what is sent does not depend on how time is cut."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kline_harness.exchange import market

from tests.exchange.loopback import T0, aggregates, serve, whole_run

SYMBOLS = [f"S{number:02d}USDT" for number in range(12)]
# Two hours and a bit, with trades at edges of seconds, quarters of seconds, minutes and hours.
END_MS = 7_300_000


def recording(folder: Path) -> tuple[list[Path], dict[str, list[tuple[int, Decimal, Decimal]]]]:
    draw = random.Random(7)
    paths, known = [], {}
    for place, symbol in enumerate(SYMBOLS):
        edges = [250, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000, 7_200_000]
        times = sorted([*edges, *(draw.randrange(END_MS) for _ in range(60))])
        trades = [
            (t, Decimal(draw.randrange(1, 999)) / 4, Decimal(draw.randrange(1, 99))) for t in times
        ]
        rows = [
            f"{k},{p},{q},{k},{k},{T0 + t},{'true' if k % 3 else 'false'}"
            for k, (t, p, q) in enumerate(trades, 1 + place)
        ]
        paths.append(aggregates(folder, rows, symbol))
        known[symbol] = trades
    return paths, known


def received(paths: list[Path], **options: Any) -> list[Any]:
    streams = [
        f"{symbol.lower()}@{kind}"
        for symbol in SYMBOLS
        for kind in ("aggTrade", "kline_1m", "kline_1h")
    ]
    messages: list[Any] = serve(
        paths, lambda client: whole_run(client, "/ws", [*streams, "!miniTicker@arr"]), **options
    )
    return messages


def test_slices_of_any_length_send_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, _ = recording(tmp_path)
    whole = received(paths)
    monkeypatch.setattr(market, "MESSAGE_NS", 7_000_000_000)
    monkeypatch.setattr(market, "MESSAGE_ROWS", 3)
    assert received(paths) == whole
    assert received(paths, speed=20_000) == whole


def test_tickers_say_what_changed_in_their_second(tmp_path: Path) -> None:
    paths, known = recording(tmp_path)
    arrays = [one for one in received(paths) if isinstance(one, list)]
    changed: dict[int, set[str]] = defaultdict(set)
    for symbol, trades in known.items():
        for time, _, _ in trades:
            changed[T0 + time // 1_000 * 1_000 + 1_000].add(symbol)
    assert {one[0]["E"]: {row["s"] for row in one} for one in arrays} == changed
    for one in arrays:
        for row in one:
            # All so far: the recording is shorter than a day.
            so_far = [t for t in known[row["s"]] if T0 + t[0] < row["E"]]
            prices = [price for _, price, _ in so_far]
            said = [Decimal(row[name]) for name in ("o", "h", "l", "c", "v", "q")]
            assert said == [
                *(prices[0], max(prices), min(prices), prices[-1]),
                *(sum(q for _, _, q in so_far), sum(p * q for _, p, q in so_far)),
            ]


def test_klines_that_form_say_every_change_once(tmp_path: Path) -> None:
    paths, known = recording(tmp_path)
    said = defaultdict(list)
    for one in received(paths):
        if isinstance(one, dict) and one["e"] == "kline" and not one["k"]["x"]:
            said[one["s"], one["k"]["i"]].append((one["E"], one["k"]))
    for (symbol, interval), states in said.items():
        length = 60_000 if interval == "1m" else 3_600_000
        steps = sorted({T0 + t // 250 * 250 + 250 for t, _, _ in known[symbol]})
        # Where the kline is over at that instant, it is said as over.
        assert [at for at, _ in states] == [at for at in steps if (at - T0) % length]
        for at, kline in states:
            inside = [t for t in known[symbol] if kline["t"] <= T0 + t[0] < at]
            assert kline["t"] == T0 + (at - 1 - T0) // length * length
            assert kline["n"] == len(inside)
            assert Decimal(kline["v"]) == sum(q for _, _, q in inside)
            assert Decimal(kline["o"]) == inside[0][1]
            assert Decimal(kline["c"]) == inside[-1][1]
