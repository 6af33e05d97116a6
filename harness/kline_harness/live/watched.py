"""A replay with a live page: its pace, its server, and the state that the page shows."""

from __future__ import annotations

import sys
import webbrowser

from kline_harness.errors import UsageError
from kline_harness.exchange.clock import speed_of
from kline_harness.live.followed import FollowingGate, StoreReader
from kline_harness.live.frames import state
from kline_harness.live.model import LiveRun
from kline_harness.live.pace import FeedGate
from kline_harness.live.server import LiveServer
from kline_harness.replay.assembly import Run
from kline_harness.replay.sources import Sources

# A page that was open may be loaded again.
_LINGER_SECONDS = 10
_TURN_SECONDS = 0.25


class Watched:
    """Serves the page while a replay runs, and afterwards as long as a page is open.

    `pace` is the gate of the feed, `observer` makes the observer of the run.
    """

    def __init__(
        self,
        speed: str,
        port: int,
        *,
        held: bool = False,
        opens: bool,
        follow: str | None = None,
        store: str | None = None,
    ) -> None:
        self._store: StoreReader | None = None
        if follow is not None:
            gate = FollowingGate(follow, self._found)
            self.pace: FeedGate = gate
            if store is not None:
                self._store = StoreReader(store, lambda: self.server.model, gate)
        elif store is not None:
            raise UsageError("watch: --store: expected --follow, which says who is served")
        else:
            self.pace = FeedGate(speed_of(speed), self._found)
            self.pace.held = held
        self.server = LiveServer(port, self.pace)
        self._opens = opens

    @property
    def model(self) -> LiveRun:
        """The state of the run that the page shows, once it has begun."""
        assert self.server.model is not None
        return self.server.model

    def __enter__(self) -> Watched:
        self.server.start()
        try:
            if isinstance(self.pace, FollowingGate):
                self.pace.begin()
        except UsageError:
            self.server.stop()
            raise
        print(f"watch it at {self.server.url}", file=sys.stderr, flush=True)
        if self._opens:
            webbrowser.open(self.server.url)
        if self._store is not None:
            self._store.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.stop()
        self.server.stop()

    def observer(self, run: Run, sources: Sources) -> LiveRun:
        """Return the observer of a run, and show that run on the pages."""
        model = LiveRun(run, sources, state)
        if model.claimed is not None:
            self.pace.spread(model.claimed[1] - model.claimed[0])
        self.server.show(model)
        return model

    def linger(self, seconds: int | None) -> None:
        """Serve the page until none has been open for so long, or one asked for the end."""
        left = float(_LINGER_SECONDS if seconds is None else seconds)
        rest = left
        while rest > 0 and not self.server.ended.wait(_TURN_SECONDS):
            rest = rest - _TURN_SECONDS if self.server.nobody.is_set() else left

    def _found(self) -> int:
        return 0 if self.server.model is None else self.server.model.found()
