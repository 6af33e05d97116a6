"""The gate of a watched feed: it lets everything through, in order, whatever is asked of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.interfaces import FeedSlice, Tick, TradeAt
from kline_harness.live.pace import FeedGate, Seek
from kline_harness.replay.assembly import Substitutions
from kline_harness.replay_command import _as_replayed

from tests.feeds import MINUTE, SECOND, T0, feed
from tests.live.live_replay import ALFA, MINUTES, OUTAGE, replayed
from tests.live.test_in_browser import contents

FEED = feed(
    """ABC 0:00.5 100x2; ABC 0:01 101x1; DEF 0:03 7x1; tick 1:00.1 @1:00.1; ABC 1:02 99x1
    tick 2:00.1 @2:00.1; tick 3:00.1 @3:00.1; DEF 3:05 8x1 @3:06; ABC 3:07 98x3; tick 4:00.1"""
)


@contextmanager
def gated(speed: int | None, found: list[int] | None = None) -> Iterator[FeedGate]:
    """Return a gate whose loop runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    gate = FeedGate(speed, lambda: len(found or ()))
    gate.loop = loop
    yield gate
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def events(pieces: list[FeedSlice]) -> list[Any]:
    return [
        (one.tape.symbol_text(one.row), int(one.tape.trade_id[one.row]))
        if isinstance(one, TradeAt)
        else one
        for piece in pieces
        for one in piece.events()
    ]


@given(seed=st.integers(0, 10_000), speed=st.sampled_from([None, 3_600, 100_000]))
@settings(max_examples=25, deadline=None)
def test_everything_passes_in_its_order_whatever_is_asked(seed: int, speed: int | None) -> None:
    rng = Random(seed)
    cuts = sorted(rng.sample(range(len(FEED) + 1), 3))
    slices, rest, done = [], FEED, 0
    for cut in cuts:
        head, rest = rest.cut(cut - done)
        slices.append(head)
        done = cut
    slices.append(rest)
    with gated(speed) as gate:
        passed = []
        for piece in gate.pieces(slices):
            passed.append(piece)
            act = rng.choice(["none", "tick", "finding", "speed", "pause"])
            if act in ("tick", "finding"):
                gate.seek(Seek(act))
            elif act == "speed":
                gate.run_at(rng.choice([None, 50_000]))
            if act == "pause":
                gate.pause()
                assert gate.loop is not None
                gate.loop.call_soon_threadsafe(gate.resume)
            elif act != "none":
                gate.held = False
    assert events(passed) == events([FEED])


def test_a_step_ends_with_the_next_tick_and_holds() -> None:
    with gated(1) as gate:
        gate.seek(Seek.TICK)
        pieces = gate.pieces([FEED])
        first = next(pieces)
        assert events([first])[-1] == Tick(T0 + MINUTE + SECOND // 10, T0 + MINUTE + SECOND // 10)
        assert len(first) == 4
        waiting = threading.Thread(target=lambda: next(pieces), daemon=True)
        waiting.start()
        waiting.join(0.2)
        # It has passed the first piece, and holds before the next one.
        assert waiting.is_alive()
        assert gate.seeking is None
        assert gate.held
        assert gate.loop is not None
        gate.loop.call_soon_threadsafe(gate.run_at, None)
        gate.loop.call_soon_threadsafe(gate.resume)
        waiting.join(60)
        assert not waiting.is_alive()


def test_a_finding_is_run_to_and_no_further_than_its_tick() -> None:
    found: list[int] = []
    with gated(None, found) as gate:
        gate.seek(Seek.FINDING)
        pieces = gate.pieces([FEED])
        next(pieces)
        assert gate.seeking is Seek.FINDING
        second = next(pieces)
        assert isinstance(events([second])[-1], Tick)
        found.append(1)
        waiting = threading.Thread(target=lambda: next(pieces), daemon=True)
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert gate.loop is not None
        gate.loop.call_soon_threadsafe(gate.resume)
        waiting.join(60)


KLAGG = OUTAGE.replace("expectations = false", 'expectations = false\naggregator = "klagg"')
FAULTS = """
intervals = ["5m"]
expectations = false
channels = { klines = 4 }
[[faults]]
kind = "consumer_stalled"
consumer = "writer"
from = 2024-05-15T01:00:00Z
until = 2024-05-15T02:00:00Z
"""


@pytest.mark.parametrize(
    "toml",
    [
        pytest.param(OUTAGE, id="outage"),
        # klagg's own defects unbalance it.
        pytest.param(KLAGG, id="klagg", marks=pytest.mark.unbalanced),
        pytest.param(FAULTS, id="faults"),
    ],
)
def test_a_feed_cut_at_every_tick_gives_the_same_bytes(toml: str, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(toml)
    files = [ALFA, MINUTES]
    with gated(None, []) as gate:
        gate.seek(Seek.FINDING)
        replayed(tmp_path / "run", scenario, files, substitutions=Substitutions(feed=gate.pieces))
    replayed(tmp_path / "plain", scenario, files)
    assert contents(tmp_path / "run") == contents(tmp_path / "plain")


def test_the_command_that_is_recorded_is_that_of_the_replay() -> None:
    words = ["watch", "a.zip", "--speed", "60", "--out", "x", "--no-open", "--held", "--port=1"]
    assert _as_replayed([*words, "--audit", "off"]) == [
        "replay",
        "a.zip",
        "--out",
        "x",
        "--audit",
        "off",
    ]
    assert _as_replayed(["replay", "--speed", "1"]) == ["replay", "--speed", "1"]


def test_at_full_speed_a_feed_is_cut_for_who_looks_back() -> None:
    lengths = {1: 1, 60: 1, 4 * 60: 2.5, 24 * 60: 15, 30 * 24 * 60: 180}
    for minutes, apart in lengths.items():
        with gated(None) as gate:
            gate.spread(minutes * MINUTE)
            assert gate.hurried_ns == apart * MINUTE
    with gated(None) as gate:
        gate.spread(4 * MINUTE)
        pieces = list(gate.pieces([FEED]))
    # A piece begins with an event, and goes on for a minute.
    assert [len(piece) for piece in pieces] == [4, 2, 3, 1]
    assert events(pieces) == events([FEED])
