"""`kh.serve`: the exchange on loopback from Python."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import aiohttp
import kline_harness as kh
import pytest
from kline_harness.exchange.served import Served
from kline_harness.exchange.stream_names import Routes

from tests.exchange.loopback import T0, S, every_second
from tests.exchange.services import in_a_thread, listens

# A TLS client that is gone without a word: its socket is closed by the collector, which says so.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def get(address: str, **more: Any) -> Any:
    with urllib.request.urlopen(address, timeout=60, **more) as reply:
        return json.load(reply)


async def listen(address: str) -> list[int]:
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as ws:
        return [json.loads(one.data)["a"] async for one in ws]


def test_a_recording_is_served_and_judged_without_a_process(tmp_path: Path) -> None:
    path = every_second(tmp_path, 90)
    with kh.serve(path, speed=None, out=tmp_path / "served", linger=0) as exchange:
        heard = in_a_thread(lambda: listen(f"{exchange.stream}/ws/btcusdt@aggTrade"))
        served = exchange.wait(60)
        rows = get(f"{exchange.rest}/fapi/v1/klines?symbol=BTCUSDT&interval=1m")
        port = exchange.port
        exchange.stop()
        assert heard.result(20) == list(range(1, 91))
    assert served.complete
    assert [row[8] for row in rows] == [60, 30]
    assert not listens(port)
    assert Served.read(tmp_path / "served").frames == {"btcusdt@aggTrade": 90}


def test_its_clock_is_led(tmp_path: Path) -> None:
    with kh.serve([every_second(tmp_path, 900)], speed=None, hold=0) as exchange:
        exchange.wait(60)
        assert exchange.record().ended_ns == T0 * 1_000_000 + 900 * S
    with kh.serve(every_second(tmp_path, 900), speed=1_000, hold=9) as exchange:
        # Nobody has subscribed: time stands, but a step is one.
        exchange.pause()
        exchange.step(30 * S)
        time = f"{exchange.rest}/fapi/v1/time"
        while (now := get(time)["serverTime"]) < T0 + 30_000:
            assert now >= T0
        assert get(time)["serverTime"] == T0 + 30_000
        exchange.resume()
        while get(time)["serverTime"] <= T0 + 30_000:
            pass
        with pytest.raises(TimeoutError):
            exchange.wait(0.05)


def test_with_tls_and_a_proxy(tmp_path: Path) -> None:
    with kh.serve(every_second(tmp_path, 3), tls=True, socks=True) as exchange:
        assert exchange.authority is not None
        assert exchange.socks_port is not None
        trust = ssl.create_default_context(cafile=exchange.authority)
        assert get(f"{exchange.rest}/fapi/v1/time", context=trust)["serverTime"] == T0
        socks = exchange.socks_port
    assert not listens(socks)


def test_what_cannot_be_served_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    path = every_second(tmp_path, 3)
    with pytest.raises(kh.UsageError, match="speed of 1 or more"):
        kh.serve(path, speed=0)
    with pytest.raises(kh.UsageError, match=", ".join(one.value for one in Routes)):
        kh.serve(path, routes="none")
    with pytest.raises(kh.InputError, match="none of that name"):
        kh.serve(tmp_path / "nothing.zip")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(kh.UsageError, match="cannot be listened on"):
            kh.serve(path, port=taken.getsockname()[1])


def test_a_program_that_forgets_it_ends_all_the_same(tmp_path: Path) -> None:
    code = f"import kline_harness as kh; kh.serve({str(every_second(tmp_path, 3))!r}); print(1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"1\n"
