"""A feed in which long nothing is traded: made as it is needed, or refused by the trade's name."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.errors import UsageError
from kline_harness.interfaces import Pull, Pulls, Tick, TradeAt
from kline_harness.simulation import feed as feeds
from kline_harness.simulation.clock import ClockOptions
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.signals import LoopOptions, SignalOptions
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MINUTE, NS_PER_SECOND, Window

from tests.replays import UM_DAY, UM_STREAM, replay
from tests.tapes import Event, feed_slice

T0 = 1_715_731_200_000_000_000
CRASHES = UM_DAY.parent / "cases" / "crashes"
DAY = 1_440 * NS_PER_MINUTE


def tape(*seconds: int) -> Iterator[Tape]:
    instants = [T0 + second * NS_PER_SECOND for second in seconds]
    trades = [Event(at_ns, at_ns, "AAA", number) for number, at_ns in enumerate(instants)]
    return iter([feed_slice(trades).trades])


def events(feed: Feed) -> list[tuple[str, int]]:
    """Return every event in order, and whether slices begin where the one before ended."""
    found = []
    for piece in feed:
        for event in piece.events():
            if isinstance(event, Tick):
                found.append(("tick", event.at_ns))
            elif isinstance(event, Pull):
                found.append(("pull", event.at_ns))
            elif isinstance(event, TradeAt):
                found.append(("trade", int(event.tape.arrival_ns[event.row])))
    return [*found, ("end", feed.end_ns)]


@settings(max_examples=150)
@given(
    seconds=st.lists(st.integers(0, 3_000), min_size=1, max_size=6).map(sorted),
    period_s=st.sampled_from([7, 60, 100]),
    pull_s=st.sampled_from([None, 11]),
    busy=st.one_of(st.none(), st.tuples(st.integers(0, 2_000), st.integers(1, 700))),
    until_s=st.one_of(st.none(), st.integers(0, 5_000)),
    klines=st.integers(1, 9),
)
def test_where_a_silence_is_cut_changes_nothing(
    seconds: list[int],
    period_s: int,
    pull_s: int | None,
    busy: tuple[int, int] | None,
    until_s: int | None,
    klines: int,
) -> None:
    windows = []
    if busy is not None:
        begin = T0 + busy[0] * NS_PER_SECOND
        windows.append(Window(begin, begin + busy[1] * NS_PER_SECOND))
    options = SignalOptions(
        ClockOptions(period_ns=period_s * NS_PER_SECOND),
        LoopOptions(tuple(windows)),
        pulls=Pulls(None if pull_s is None else pull_s * NS_PER_SECOND),
    )
    until_ns = None if until_s is None else T0 + until_s * NS_PER_SECOND
    found = []
    for most in (klines, 1 << 40):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feeds, "SLICE_KLINES", most)
            found.append(events(Feed(tape(*seconds), options, until_ns=until_ns)))
    assert found[0] == found[1]


def test_a_slice_holds_a_bounded_part_of_a_silence() -> None:
    feed = Feed(tape(0, 365 * 86_400), SignalOptions(), until_ns=T0 + 500 * DAY, silence_max=10**7)
    sizes = [len(piece) for piece in feed]
    assert sum(sizes) == 2 + 500 * 1_440
    assert max(sizes) <= feeds.SLICE_KLINES + 2


def test_days_are_cut_by_their_ticks() -> None:
    days = [24 * 3_600 * NS_PER_SECOND]
    feed = Feed(tape(0, 365 * 86_400), SignalOptions(), lengths_ns=days)
    assert max(len(piece) for piece in feed) <= feeds.SLICE_KLINES + 2


def test_seconds_are_cut_more_often_than_minutes() -> None:
    feed = Feed(
        tape(0, 30 * 86_400), SignalOptions(), lengths_ns=[NS_PER_SECOND], silence_max=10**7
    )
    assert max(len(piece) for piece in feed) <= feeds.SLICE_KLINES // 60 + 2


def test_a_trade_after_fifty_years_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    ran = replay(tmp_path / "out" / "run", CRASHES / "FUTUREUSDT-aggTrades.csv")
    assert ran.exit_code == 2
    assert (
        "FUTUREUSDT-aggTrades.csv, row 2: FUTUREUSDT, trade 2 at 2074-05-03T00:00:00" in ran.output
    )
    assert "after the trade before it at 2024-05-15T00:00:00" in ran.output
    assert list((tmp_path / "out").iterdir()) == []


def test_a_clock_that_runs_on_for_ever_is_refused() -> None:
    feed = Feed(tape(0), SignalOptions(), until_ns=T0 + 20 * 366 * DAY)
    with pytest.raises(UsageError, match="the clock runs on until 2044"):
        list(feed)


def test_the_feed_and_the_klines_of_years_take_little_memory() -> None:
    code = """
from pathlib import Path
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.interval import DEFAULT_INTERVALS
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.signals import SignalOptions
from tests.simulation.test_silence import tape
aggregator, klines = ExactAggregator(DEFAULT_INTERVALS), 0
seconds = range(0, 3 * 366 * 86_400, 366 * 86_400)
for piece in Feed(tape(*seconds), SignalOptions(), silence_max=10**7):
    klines += len(aggregator.advance(piece).klines)
status = Path("/proc/self/status").read_text()
print(klines, int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the peak of a process apart from its parent's")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=root)
    assert ran.returncode == 0, ran.stderr
    klines, megabytes = map(int, ran.stdout.split())
    assert klines > 2 * 366 * 1_440
    assert megabytes < 300


@pytest.mark.parametrize("year_ns", [50 * 365 * DAY, -20 * 365 * DAY])
def test_one_wrong_trade_time_in_a_recording_is_named(year_ns: int, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    lines = gzip.decompress((UM_STREAM / "ALFAUSDT-trade-stream.txt.gz").read_bytes()).splitlines()
    text = lines[5].decode()
    found = re.search(r'"T":(\d{13}),.*?"t":(\d+),', text)
    assert found is not None
    wrong = text.replace(f'"T":{found[1]}', f'"T":{int(found[1]) + year_ns // 1_000_000}')
    lines[5] = wrong.encode()
    file = tmp_path / "ALFAUSDT-trade-stream.txt"
    file.write_bytes(b"\n".join(lines) + b"\n")
    ran = replay(tmp_path / "out" / "run", file, "--audit", "off")
    assert ran.exit_code == 2
    assert f"ALFAUSDT, trade {found[2]} at " in ran.output
    assert list((tmp_path / "out").iterdir()) == []


def test_ten_trades_in_ten_years_are_refused_by_file_row_and_number(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    file = tmp_path / "TENUSDT-aggTrades.csv"
    year_ms, start_ms = 365 * DAY // 1_000_000, T0 // 1_000_000
    times = [start_ms + number * year_ms for number in range(10)]
    rows = (f"{n},1.5,1,{n},{n},{time_ms},true\n" for n, time_ms in enumerate(times, 1))
    file.write_text("".join(rows))
    ran = replay(tmp_path / "out" / "run", file, "--intervals", "1m,1h")
    assert ran.exit_code == 2
    assert "TENUSDT-aggTrades.csv, row 2: TENUSDT, trade 2 at 2025-05-15" in ran.output
    # A year has 525,600 ticks, as many minutes, and 8,760 hours.
    assert "at most 1,000,000 ticks and klines" in ran.output
    assert "found 1,059,960" in ran.output
    assert list((tmp_path / "out").iterdir()) == []
    # Of days alone each year is few enough, and ten of them are as many ticks.
    ran = replay(tmp_path / "out" / "run", file, "--intervals", "1d")
    assert ran.exit_code == 2
    assert "TENUSDT-aggTrades.csv, row 3: TENUSDT, trade 3 at 2026-05-15" in ran.output
    assert "earlier silences of more than a day, found 1,051,930" in ran.output
    assert list((tmp_path / "out").iterdir()) == []


def test_a_scenario_can_allow_more(tmp_path: Path) -> None:
    file = tmp_path / "TWOUSDT-aggTrades.csv"
    start_ms = T0 // 1_000_000
    file.write_text("".join(f"{n},1,1,{n},{n},{start_ms + n * 60_000},true\n" for n in (1, 7)))
    for most, code in ((11, 2), (12, 0)):
        scenario = tmp_path / "scenario.toml"
        scenario.write_text(f'silence_max = {most}\nintervals = ["1m"]\n')
        ran = replay(tmp_path / f"run{most}", file, "--scenario", scenario)
        assert (ran.exit_code == 2) == (code == 2), ran.output
        assert ("found 12" in ran.output) == (code == 2)
