"""A recording that is served as if it were of today: judged as if nothing had been moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kline_harness.exchange import market, sockets
from kline_harness.faults.fault import Fault
from kline_harness.faults.wire import WireGap
from kline_harness.replay.scenario import Scenario

from tests.exchange.loopback import Client, aggregates, serve, whole_run
from tests.replays import Ran, command

DAY_MS = 86_400_000
# 2024-05-25, a Saturday; the eleven days after it hold the end of a month, and two Mondays.
FIRST_MS = 1_716_595_200_000
INTERVALS = ("1h", "1d", "3d", "1w", "1M")


@pytest.fixture(autouse=True)
def long_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that lives for longer than a day: the client here makes one alone."""
    monkeypatch.setattr(sockets, "LIFE_NS", 100 * DAY_MS * 1_000_000)
    # Few trades a day: long slices.
    monkeypatch.setattr(market, "MESSAGE_NS", DAY_MS // 2 * 1_000_000)


def recording(folder: Path) -> Path:
    """A trade every two hours, each at another price."""
    rows = [
        f"{k},{100 + k % 17}.25,0.{k % 9 + 1},{k},{k},{FIRST_MS + k * 7_200_000},false"
        for k in range(132)
    ]
    return aggregates(folder, rows)


def captured(folder: Path, days: int, *faults: Fault) -> Path:
    """What a client of the streams of klines captures of a recording moved by whole days."""

    async def use(client: Client) -> Any:
        streams = [f"btcusdt@kline_{interval}" for interval in INTERVALS]
        messages = await whole_run(client, "/ws", streams)
        client.server.record().write(folder / "run")
        return [one for one in messages if "k" in one]

    scenario = Scenario(faults=faults)
    messages = serve([recording(folder)], use, rebase_days=days, scenario=scenario)
    path = folder / "capture.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in messages))
    return path


def judged(folder: Path, store: Path) -> Ran:
    options = ("--run", folder / "run", "--out", folder / "out", "--no-report", "--settle", "0s")
    return command("collect", store, *options, folder=folder / "out")


def expected(days: int, interval: str) -> int:
    """How many klines of an interval close while the moved recording is served, by hand."""
    first, end = FIRST_MS + days * DAY_MS, FIRST_MS + (days + 11) * DAY_MS
    if interval == "1M":
        return {0: 1, 10: 0, 27: 1, 21: 0}[days]
    length, offset = {
        "1h": (DAY_MS // 24, 0),
        "1d": (DAY_MS, 0),
        "3d": (3 * DAY_MS, 0),
        "1w": (7 * DAY_MS, 4 * DAY_MS),
    }[interval]
    # The last trade is two hours before the end: the last kline of an hour closes after it.
    last = end - 7_200_000 + 60_000 if interval == "1h" else end - 7_140_000
    return sum(first < close <= last for close in range(offset, end + 1, length))


@pytest.mark.parametrize("days", [0, 10, 21, 27])
def test_every_interval_is_judged_whatever_the_days(tmp_path: Path, days: int) -> None:
    ran = judged(tmp_path, captured(tmp_path, days))
    assert ran.exit_code == 0, ran.output
    series = {one["interval"]: one for one in ran.run["comparison"]["series"]}
    found = {interval: one["identical"] for interval, one in series.items()}
    wanted = {interval: expected(days, interval) for interval in INTERVALS}
    assert found == {interval: count for interval, count in wanted.items() if count}
    told = [one["evidence"]["sentence"] for one in ran.findings() if one["kind"] == "as_served"]
    others = {0: [], 10: ["3d", "1w", "1M"], 21: ["1M"], 27: ["1w", "1M"]}[days]
    assert [all(name in sentence for name in others) for sentence in told] == [True] * bool(others)


@pytest.mark.parametrize(("days", "interval"), [(27, "1M"), (27, "1w"), (27, "3d"), (10, "1w")])
def test_a_wrong_digit_of_a_long_kline_is_found(tmp_path: Path, days: int, interval: str) -> None:
    store = captured(tmp_path, days)
    lines = [json.loads(line) for line in store.read_text().splitlines()]
    wrong = next(one["k"] for one in lines if one["k"]["i"] == interval and one["k"]["x"])
    wrong["n"] += 1
    store.write_text("".join(json.dumps(one) + "\n" for one in lines))
    ran = judged(tmp_path, store)
    assert ran.exit_code == 1
    (found,) = [one for one in ran.findings() if one["severity"] == "error"]
    assert found["interval"] == interval


def test_what_a_fault_kept_back_is_proved_for_long_klines_too(tmp_path: Path) -> None:
    # Moved by 27 days, weeks are judged at the times at which they were served.
    from_ns = (FIRST_MS + 29 * DAY_MS) * 1_000_000
    ran = judged(tmp_path, captured(tmp_path, 27, WireGap(from_ns=from_ns)))
    counts = ran.check("comparison")["counts"]
    assert counts["unexplained"] == counts["missing"] == 0, ran.output
    series = {one["interval"]: one["proved"] for one in ran.run["comparison"]["series"]}
    # The month began before the stream: it is not due.
    assert all(series[interval] > 0 for interval in ("1h", "1d", "3d", "1w")), series
    assert ran.exit_code == 1
