"""The server of the live page, without a browser: who is served, who is dropped, what is sent."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kline_harness.errors import UsageError
from kline_harness.live.pace import FeedGate, Seek
from kline_harness.live.server import LiveServer
from kline_harness.live.watched import Watched

from tests.live.live_replay import ALFA, BRAVO, live, ran


def get(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    async def ask() -> tuple[int, str, dict[str, str]]:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as reply:
            return reply.status, await reply.text(), dict(reply.headers)

    return ran(ask())


async def frames(url: str, *asked: dict[str, Any], until: Any, most: int = 400) -> list[Any]:
    """Return what a page is sent, up to the first message of which `until` is true."""
    received: list[Any] = []
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}socket?page=test", origin=url.rstrip("/")) as page,
    ):
        for message in asked:
            await page.send_json(message)
        while len(received) < most:
            received.append(await asyncio.wait_for(page.receive_json(), 20))
            if until(received[-1]):
                return received
    raise AssertionError(received[-1])


def test_pages_of_other_sites_are_refused(tmp_path: Path) -> None:
    with live(tmp_path, "600") as run:
        own = run.url.rstrip("/")
        assert get(run.url)[0] == 200
        for headers in (
            {"Origin": "http://example.com"},
            {"Origin": "null"},
            {"Origin": own.replace("http", "https")},
            {"Host": "example.com"},
        ):
            for path in ("", "live.js", "socket"):
                assert get(run.url + path, **headers)[0] == 403
        assert get(run.url, Origin=own)[0] == 200
        # Nothing of the folder but the pages of its report, once it is there.
        for path in ("report.html", "run.json", "../run.json", "report%2f..%2frun.json"):
            assert get(run.url + path)[0] == 404


def test_the_page_may_load_nothing_from_anywhere_else(tmp_path: Path) -> None:
    with live(tmp_path, "600") as run:
        status, text, headers = get(run.url)
        assert status == 200
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "http" not in text.replace("http-equiv", "")


def test_at_most_twenty_frames_a_second(tmp_path: Path) -> None:
    with live(tmp_path, "600") as run:
        begin = time.monotonic()
        received = ran(frames(run.url, until=lambda _: time.monotonic() > begin + 2))
        assert len(received) <= 2.1 * 20 + 2


def test_a_page_that_does_not_read_is_dropped_and_told_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with live(tmp_path, "600", files=(ALFA, BRAVO)) as run:
        server = run.watched.server
        server.stall_seconds = 0.3
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(
            f"GET /socket?page=deaf HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        end = time.monotonic() + 30
        while "deaf" not in server.dropped:
            assert time.monotonic() < end
            time.sleep(0.05)
        deaf.close()
        end = time.monotonic() + 60
        while server.pages:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert "was disconnected" in capfd.readouterr().err
        # It comes again, and is told; another is not.
        for name, told in (("deaf", True), ("other", False)):
            assert ran(hello(run.url, name))["dropped"] is told


async def hello(url: str, name: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}socket?page={name}") as page,
    ):
        return await page.receive_json()


def test_nonsense_that_a_page_asks_for_is_left_alone(tmp_path: Path) -> None:
    speeds: list[Any] = [0, -1, True, "fast", None, 1.5, 10**9, [], {"a": 1}]
    asked: list[dict[str, Any]] = [{"do": "speed", "value": value} for value in speeds]
    asked += [
        {"do": "choose", "symbol": "NOUSDT", "interval": "1m"},
        {"do": "choose", "symbol": "ALFAUSDT", "interval": "7m", "at_ms": "x"},
        {"do": "choose", "symbol": ["ALFAUSDT"], "interval": {}, "at_ms": 10**30},
        {"do": "choose", "symbol": "ALFAUSDT", "interval": "1m", "at_ms": 10**30},
        {"do": "choose", "symbol": "ALFAUSDT", "interval": "1m", "at_ms": float("inf")},
        {"do": "choose", "symbol": "ALFAUSDT", "interval": "1m", "at_ms": float("nan")},
        {"do": "no such thing"},
        {},
    ]
    with live(tmp_path, "61") as run:
        received = ran(
            frames(run.url, *asked, until=lambda one: one.get("counts", {}).get("given", 0) > 5)
        )
        assert received[-1]["clock"]["speed"] == "61"
        series = [one["series"] for one in received if one.get("series")]
        assert series[0]["symbol"] == "ALFAUSDT"


def test_only_the_series_that_is_chosen_is_sent(tmp_path: Path) -> None:
    with live(tmp_path, "max", files=(ALFA, BRAVO)) as run:
        run.thread.join(60)
        choice = {"do": "choose", "symbol": "BRAVOUSDT", "interval": "5m"}
        received = ran(
            frames(run.url, choice, until=lambda one: "BRAVOUSDT" in json.dumps(one.get("series")))
        )
        ours = received[-1]["series"]["ours"]
        assert len(ours) == 288
        assert all(after[0] - before[0] == 300 for before, after in pairwise(ours))
        # Of the other symbol nothing but its findings.
        assert "ALFAUSDT" not in json.dumps(received[-1]["series"])


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = LiveServer(port, FeedGate(None, int))
        with pytest.raises(UsageError, match=rf"watch: 127.0.0.1:{port} cannot be listened on: "):
            server.start()


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "", "1.5"])
def test_a_speed_is_a_whole_number_or_max(speed: str) -> None:
    with pytest.raises(UsageError, match="expected a speed of 1 or more, or max, found"):
        Watched(speed, 0, opens=False)


def test_the_page_is_served_until_nobody_looks(tmp_path: Path) -> None:
    with live(tmp_path, "max") as run:
        run.thread.join(60)
        begin = time.monotonic()
        run.watched.linger(1)
        assert 0.9 < time.monotonic() - begin < 30
        run.watched.server.nobody.clear()
        run.watched.server.ended.set()
        begin = time.monotonic()
        run.watched.linger(None)
        assert time.monotonic() - begin < 30


def test_the_audits_have_seen_all_that_was_published_when_time_stands(tmp_path: Path) -> None:
    with live(tmp_path, held=True) as replay:
        loop = replay.watched.pace.loop
        assert loop is not None
        for tick in range(1, 9):
            done = asyncio.run_coroutine_threadsafe(_stepped(replay.watched.pace), loop)
            done.result(120)
            model = replay.watched.model
            with model.lock:
                assert model.counts["tick"] == tick
                model.found()
                audits = model.findings.audits
                seen = audits["completeness"].verdict().counts["klines"]
                events = audits["lifecycle"].verdict().counts["events"]
                assert (seen, events) == (model.counts["finals"], model.counts["events"])
        assert seen > 0


async def _stepped(pace: FeedGate) -> None:
    pace.seek(Seek.TICK)
    while pace.seeking is not None:
        await asyncio.sleep(0.01)
