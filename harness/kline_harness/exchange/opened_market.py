"""What is served, and how: options of the verb and of Python, and the market opened by them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from kline_harness.archives.iso_times import instant_ns
from kline_harness.errors import OutputError, UsageError
from kline_harness.exchange.clock import wall_ns
from kline_harness.exchange.market import MarketState
from kline_harness.exchange.recorded import Recorded
from kline_harness.exchange.server import ServeOptions
from kline_harness.exchange.stream_names import Routes
from kline_harness.exchange.wire import WireFaults
from kline_harness.replay.decode import encode
from kline_harness.replay.scenario import Scenario
from kline_harness.units import NS_PER_DAY, NS_PER_SECOND, utc_text

LINGER_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is served, and how.

    `speed` is virtual seconds a second, None as fast as the clients read. `rebase` moves the
    recording by whole days to today. `hold` is how many streams have to be subscribed to before
    time passes: by default one, and none where both clocks are the machine's (`rebase`) or the
    server sets the service's (`leads`).
    """

    archives: tuple[Path, ...]
    speed: int | None
    scenario: Scenario
    start: str | None = None
    out: Path | None = None
    routes: str = Routes.BOTH.value
    host: str = "127.0.0.1"
    port: int = 0
    hold: int | None = None
    linger_seconds: float | None = None
    tls: bool = False
    rebase: bool = False
    leads: bool = False

    def __post_init__(self) -> None:
        names = [one.value for one in Routes]
        if self.routes not in names:
            raise UsageError(f"serve: expected routes {', '.join(names)}, found {self.routes!r}")
        if self.speed is not None and self.speed < 1:
            raise UsageError(f"serve: expected a speed of 1 or more, or None, found {self.speed}")
        if any(number is not None and number < 0 for number in (self.hold, self.linger_seconds)):
            raise UsageError("serve: expected no number below 0 for hold and linger")


@dataclass(slots=True)
class OpenedMarket:
    """A recording that is open to be served; `close` gives its room on disk back."""

    serving: Serving
    faults: WireFaults
    recorded: Recorded
    market: MarketState = field(init=False)
    options: ServeOptions = field(init=False)

    @staticmethod
    def of(serving: Serving) -> OpenedMarket:
        """Read the files, and go to where the live part begins.

        Raises UserError for whatever the caller can mend.
        """
        start_ns = None if serving.start is None else _instant_of(serving.start)
        scenario = serving.scenario
        faults = WireFaults.of(scenario.faults, scenario.seed)
        if serving.out is not None:
            _make_folder(serving.out)
        recorded = Recorded.open(serving.archives, scenario, faults.names())
        opened = OpenedMarket(serving, faults, recorded)
        try:
            opened._begin(start_ns)
        except BaseException:
            recorded.close()
            raise
        return opened

    def close(self) -> None:
        """Give the room on disk back."""
        self.market.store.close()
        self.recorded.close()

    def _begin(self, start_ns: int | None) -> None:
        serving = self.serving
        days = _moved_to_today(self.recorded) if serving.rebase else 0
        start_ns = _start_of(self.recorded, start_ns, days, now=serving.rebase)
        waits = 0 if serving.rebase or serving.leads else 1
        linger = serving.linger_seconds
        self.options = ServeOptions(
            speed=serving.speed,
            routes=Routes(serving.routes),
            host=serving.host,
            port=serving.port,
            hold=waits if serving.hold is None else serving.hold,
            linger_seconds=LINGER_SECONDS if linger is None else linger,
            rebase_days=days,
            scenario={
                "seed": serving.scenario.seed,
                "faults": encode(serving.scenario.faults),
            },
        )
        self.market = MarketState(self.recorded, start_ns)


def _moved_to_today(recorded: Recorded) -> int:
    """Move the recording by whole days so that its first day is today; return how many."""
    first_ns = recorded.trades.first_ns
    assert first_ns is not None
    days = wall_ns() // NS_PER_DAY - first_ns // NS_PER_DAY
    recorded.move(days)
    return days


def _start_of(recorded: Recorded, start_ns: int | None, days: int, *, now: bool) -> int:
    """Return where the live part begins: as asked, at this moment, or with the first trade.

    Raises UsageError where that is after the last trade.
    """
    first_ns, last_ns = recorded.trades.first_ns, recorded.trades.last_ns
    assert first_ns is not None
    assert last_ns is not None
    if start_ns is not None:
        start_ns += days * NS_PER_DAY
    elif now:
        start_ns = wall_ns() // NS_PER_SECOND * NS_PER_SECOND
    else:
        return first_ns // NS_PER_SECOND * NS_PER_SECOND
    if start_ns > last_ns:
        raise UsageError(
            f"serve: expected a start before the last trade at {utc_text(last_ns)}, found "
            f"{utc_text(start_ns)}"
        )
    return start_ns


def _instant_of(text: str) -> int:
    found = instant_ns(text)
    if found is None:
        raise UsageError(f"serve: expected an instant such as 2024-05-15T06:00:00Z, found {text!r}")
    return found


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}") from error
