"""A replay that is watched, in a thread of its own, with the server of its page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kline_harness.live.watched import Watched
from kline_harness.replay import replay
from kline_harness.replay.assembly import Substitutions
from kline_harness.replay.scenario_file import scenario_of

from tests.replays import UM_DAY

T = TypeVar("T")
ALFA = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
BRAVO = UM_DAY / "BRAVOUSDT-aggTrades-2024-05-15.zip"
MINUTES = UM_DAY / "ALFAUSDT-1m-2024-05-15.zip"
# Nothing reaches the aggregator for two minutes: 00:02:00 to 00:04:00.
OUTAGE = """
intervals = ["1m", "5m"]
expectations = false
[[outages]]
from = 2024-05-15T00:02:00Z
until = 2024-05-15T00:04:00Z
"""


def ran(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: a browser's loop may run in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


@dataclass
class LiveReplay:
    """A replay under way; `stop` lets it run to its end as fast as it goes."""

    watched: Watched
    thread: threading.Thread
    out: Path
    trouble: list[BaseException] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.watched.server.url

    def stop(self) -> None:
        loop = self.watched.pace.loop
        assert loop is not None
        loop.call_soon_threadsafe(self.watched.pace.run_at, None)
        loop.call_soon_threadsafe(self.watched.pace.resume)
        self.thread.join(60)
        assert not self.thread.is_alive()
        if self.trouble:
            raise self.trouble[0]


def replayed(out: Path, scenario: Path, files: list[Path], **options: Any) -> Any:
    """Replay files without a report."""
    given = scenario_of(scenario)
    command = "kline-harness replay"
    return replay(given, files, [], out, command=command, report=False, **options)


@contextmanager
def live(
    folder: Path,
    speed: str = "60",
    toml: str = OUTAGE,
    files: tuple[Path, ...] = (ALFA, MINUTES),
    *,
    held: bool = False,
) -> Iterator[LiveReplay]:
    """Watch a replay: it runs while the block does, and to its end after it."""
    scenario = folder / "scenario.toml"
    scenario.write_text(toml)
    with Watched(speed, 0, held=held, opens=False) as watched:
        one = LiveReplay(watched, threading.Thread(), folder / "run")

        def run() -> None:
            try:
                outcome = replayed(
                    one.out,
                    scenario,
                    list(files),
                    substitutions=Substitutions(feed=watched.pace.pieces),
                    watch=watched.observer,
                )
                watched.model.finished(outcome)
            except BaseException as error:
                one.trouble.append(error)

        one.thread = threading.Thread(target=run)
        one.thread.start()
        try:
            yield one
        finally:
            with suppress(RuntimeError):
                one.stop()
