"""A recording's own closed klines are compared where it is given for them, and else named."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from tests.oracle import OracleTrade
from tests.replay.recordings import MS, write_recording
from tests.replays import replay

MINUTE_MS = 60_000
START_MS = 1_770_112_800_000


def kline(minute: int, closed: bool) -> str:
    at = START_MS + minute * MINUTE_MS
    amounts = {"v": "1.0", "q": "9.9", "n": 1, "V": "0", "Q": "0"}
    prices = {"o": "9.9", "h": "9.9", "l": "9.9", "c": "9.9"}
    times = {"t": at, "T": at + MINUTE_MS - 1, "s": "FOXUSDT", "i": "1m", "f": 1, "L": 1}
    inner = {**times, **prices, **amounts, "x": closed, "B": "0"}
    event = {"e": "kline", "E": at, "s": "FOXUSDT", "k": inner}
    return f"{(at + MINUTE_MS) * MS} {json.dumps(event)}\n"


def test_closed_klines_that_nobody_compared(tmp_path: Path) -> None:
    trades = [
        OracleTrade(
            n + 1,
            Decimal("10"),
            Decimal("1.0"),
            n + 1,
            n + 1,
            (START_MS + n * MINUTE_MS + 5_000) * MS,
            False,
            "FOXUSDT",
        )
        for n in range(4)
    ]
    path = write_recording(tmp_path / "rec.txt", trades)
    with path.open("a") as file:
        # Two that are over, of a price that nothing was traded at, and one that is not.
        file.write(kline(1, True) + kline(2, True) + kline(3, False))
    words = ("--intervals", "1m", "--audit", "off")
    ran = replay(tmp_path / "run", path, *words)
    assert ran.exit_code == 0, ran.output
    assert "rec.txt has 2 closed klines, not compared" in " ".join(ran.output.split())
    ran = replay(tmp_path / "other", path, "--klines", path, *words)
    assert ran.exit_code == 1, ran.output
    assert "not compared: give it" not in " ".join(ran.output.split())
