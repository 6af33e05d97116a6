"""A service under `serve` that is followed: what it was served, and what it stores of that."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kline_harness.errors import UsageError
from kline_harness.live.followed import FollowingGate
from kline_harness.live.watched import Watched
from kline_harness.replay.assembly import Substitutions

from tests.exchange.services import START_NS, kill, service, serving, wait_for_rows
from tests.live.live_replay import ran, replayed

SCENARIO = 'intervals = ["1m", "5m"]\nexpectations = false\nmarket = "um"\n'


class Page:
    """What a page was sent so far: the findings, and the last frames."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.found: dict[str, dict[str, Any]] = {}
        self.theirs: dict[int, list[Any]] = {}
        self.ours: dict[int, list[Any]] = {}
        self.clock: dict[str, Any] = {}

    def until(self, what: Callable[[], bool], seconds: float = 240) -> None:
        """Read frames until something is so."""
        ran(self._read(what, seconds))

    async def _read(self, what: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self.url}socket?page=test") as page,
        ):
            while not what():
                assert time.monotonic() < end, (self.found, self.clock)
                message = await asyncio.wait_for(page.receive_json(), 120)
                if message["type"] == "frame":
                    self._take(message)

    def _take(self, frame: dict[str, Any]) -> None:
        self.clock = frame["clock"]
        for one in frame["findings"]["changed"]:
            self.found[f"{one['check']} {one['kind']} {one['symbol']} {one['open_s']}"] = one
        if frame["series"] is not None:
            self.theirs |= {row[0]: row for row in frame["series"]["theirs"]}
            self.ours |= {row[0]: row for row in frame["series"]["ours"]}

    def both(self) -> list[int]:
        """Return the times from the start on of which both sides have a kline."""
        return sorted(at for at in self.ours.keys() & self.theirs.keys() if at >= START_S)


START_S = START_NS // 1_000_000_000


def change(store: Path, query: str, *values: Any) -> None:
    with closing(sqlite3.connect(store, timeout=20)) as database, database:
        assert database.execute(query, values).rowcount == 1


@pytest.mark.parametrize("rebase", [False, True])
def test_what_a_service_stores_is_held_against_what_it_was_served(
    tmp_path: Path, rebase: bool
) -> None:
    store, scenario = tmp_path / "k.db", tmp_path / "scenario.toml"
    scenario.write_text(SCENARIO)
    moved = ("--rebase", "--hold", "1") if rebase else ()
    with serving(tmp_path, 12, "--linger", "1", *moved) as server:
        files = sorted(tmp_path.glob("*-aggTrades.csv"))
        follow = f"http://127.0.0.1:{server.port}"
        with Watched("1", 0, opens=False, follow=follow, store=str(store)) as watched:

            def run() -> None:
                gate = Substitutions(feed=watched.pace.pieces)
                replayed(
                    tmp_path / "out", scenario, files, substitutions=gate, watch=watched.observer
                )

            replay = threading.Thread(target=run)
            replay.start()
            running = service(server.port, store)
            try:
                page = Page(watched.server.url)
                wait_for_rows(store, 2)
                page.until(lambda: len(page.both()) >= 2)
                assert page.clock["follows"]
                first = page.both()[0]
                # A row may be that of a kline that still forms.
                page.until(lambda: page.theirs[first][1:6] == page.ours[first][1:6])
                assert not [name for name in page.found if name.startswith("store ")]
                # A row that is changed in the store is found, and crossed out when it is mended.
                assert isinstance(watched.pace, FollowingGate)
                assert (watched.pace.rebase_days > 900) is rebase
                at_ms = (first + watched.pace.rebase_days * 86_400) * 1000
                name = f"store differs ALFAUSDT {first}"
                with closing(sqlite3.connect(store)) as database:
                    query = "SELECT high FROM k_alfa_1m WHERE open_time = ?"
                    high = database.execute(query, (at_ms,)).fetchone()[0]
                update = "UPDATE k_alfa_1m SET high = ? WHERE open_time = ?"
                change(store, update, "9999", at_ms)
                page.until(lambda: name in page.found)
                assert "high unlike the exact kline" in page.found[name]["text"]
                change(store, update, high, at_ms)
                page.until(lambda: bool(page.found[name]["gone"]))
                # One that is lost is found, once a service has had its time.
                change(store, "DELETE FROM k_alfa_1m WHERE open_time = ?", at_ms + 60_000)
                lost = f"store not_stored ALFAUSDT {first + 60}"
                page.until(lambda: lost in page.found)
            finally:
                kill(running)
                running.communicate()
                server.process.kill()
                replay.join(300)
            assert not replay.is_alive()


def test_pause_and_resume_lead_the_clock_of_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, 5, "--hold", "0", speed="1") as server:
        follow = f"http://127.0.0.1:{server.port}"
        with Watched("1", 0, opens=False, follow=follow) as watched:

            def served() -> dict[str, Any]:
                async def ask() -> Any:
                    url = f"{follow}/kline-harness/clock"
                    async with aiohttp.ClientSession() as session, session.get(url) as answer:
                        return await answer.json()

                return ran(ask())

            def led(act: Callable[[], None], what: Callable[[dict[str, Any]], bool]) -> None:
                loop = watched.pace.loop
                assert loop is not None
                loop.call_soon_threadsafe(act)
                end = time.monotonic() + 120
                while not what(served()):
                    assert time.monotonic() < end
                    time.sleep(0.05)

            led(watched.pace.pause, lambda state: bool(state["paused"]))
            led(watched.pace.resume, lambda state: not state["paused"])


def test_nobody_to_follow_is_one_sentence() -> None:
    with (
        pytest.raises(UsageError, match=r"--follow: expected a `serve` at http://127\.0\.0\.1:9/"),
        Watched("1", 0, opens=False, follow="http://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(UsageError, match="--store: expected --follow"):
        Watched("1", 0, opens=False, store="k.db")
