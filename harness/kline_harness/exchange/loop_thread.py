"""An event loop in a thread of its own, for callers that have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
_JOIN_SECONDS = 30.0
# What sockets may take to be closed once that was asked for.
_CLOSING_SECONDS = 0.1


class LoopThread:
    """Runs coroutines for other threads, from when it is made until `end`."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True, name=name)
        self._thread.start()

    def begin(self, job: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine; its result comes later."""
        return asyncio.run_coroutine_threadsafe(job, self.loop)

    def ask(self, job: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
        """Run a coroutine to its end and return what it returns.

        Raises what it raises, and TimeoutError where it takes longer than `seconds`.
        """
        return self.begin(job).result(seconds)

    def end(self) -> None:
        """Cancel what still runs, close what was cut off, and end the thread."""
        try:
            self.ask(_settled(), _JOIN_SECONDS)
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(_JOIN_SECONDS)
            self.loop.close()


async def _settled() -> None:
    # A task that never began cannot close what it was given.
    await asyncio.sleep(_CLOSING_SECONDS)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # Sockets that were cut off are closed by the loop's next steps.
    await asyncio.sleep(_CLOSING_SECONDS)
