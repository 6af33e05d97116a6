"""One replay of a symbol over all its days: of their digests where that comes to the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from kline_harness.aggregators.names import EXACT
from kline_harness.archives import FileInfo, TradeFile
from kline_harness.campaign.day_cache import Day, DayCache
from kline_harness.campaign.digest import NeedsTrades
from kline_harness.campaign.summary import fold
from kline_harness.checks.files import FileWatch
from kline_harness.errors import UserError
from kline_harness.expectations import InProcessExpectations
from kline_harness.interval import Interval
from kline_harness.ledger import Equation
from kline_harness.replay import Outcome, Scenario
from kline_harness.replay.run import replay
from kline_harness.replay.sources import Sources
from kline_harness.simulation.feed import Disorder
from kline_harness.simulation.simulation import Fidelity
from kline_harness.tape import Tape

# So many ticks and klines are in no minute: a silence that is refused is longer than a frame.
_SILENCE_LEAST = 2_000


def takes_digests(scenario: Scenario) -> bool:
    """Tell whether a replay of the scenario over digests is the same as over the trades.

    So it is for the exact aggregator when nothing strikes single trades. A subject with a state
    of its own that is not known here is given every trade.
    """
    return (
        scenario.aggregator == EXACT
        and scenario.subject is None
        and scenario.fidelity is Fidelity.BATCH
        and scenario.silence_max >= _SILENCE_LEAST
        and scenario.shutdown_ns is None
        and not (scenario.faults or scenario.outages or scenario.commands or scenario.loop.busy)
    )


def why_trades(scenario: Scenario, days: Sequence[Day]) -> str | None:
    """Say why a symbol's trades have to be read again, None where their digests will do."""
    if not takes_digests(scenario):
        return "the scenario or its aggregator needs every trade"
    ways = {day.watch.is_aggregated for day in days}
    in_order = sorted(days, key=lambda day: (day.info.first_event_time_ns or 0, day.info.path))
    odd = fold(day.summary for day in in_order).odd
    return odd[0] if odd else "raw trades and aggregates" if len(ways) > 1 else None


def replay_symbol(
    scenario: Scenario,
    trades: Sequence[Path],
    days: Sequence[Day],
    klines: Sequence[Path],
    out: Path,
    cache: DayCache,
    *,
    command: str,
    report: bool = True,
) -> Outcome:
    """Replay all files of one symbol and write the run folder `out`.

    `days` are what is known of each file, in their order; nothing is needed where the scenario
    takes no digests.

    The folder is that of `replay` over the same files to the byte, but for `timings.json`.

    Raises what `replay` raises.
    """

    def run(digests: Mapping[str, Digested]) -> Outcome:
        def opened(paths: Sequence[Path], others: Sequence[Path], chosen: Scenario) -> Sources:
            sources = Sources.open(paths, others, chosen)
            _refuse_frames(digests, [*chosen.intervals, *(one.interval for one in sources.klines)])
            return DigestedSources.over(sources, digests)

        return replay(
            scenario,
            trades,
            klines,
            out,
            command=command,
            report=report,
            expectations=InProcessExpectations,
            open_sources=opened,
        )

    if why_trades(scenario, days) is not None:
        return run({})
    try:
        digested = (Digested(day, cache) for day in days)
        return run(dict(zip(map(str, trades), digested, strict=True)))
    except (NeedsTrades, Disorder, UserError):
        # What is wrong is said of the trades themselves.
        return run({})


def _refuse_frames(digests: Mapping[str, Digested], intervals: Sequence[Interval]) -> None:
    """Refuse digests that do not look into the shortest klines.

    Raises NeedsTrades.
    """
    frames = {digested.day.frame for digested in digests.values()}
    if not all(frame.refines(interval) for frame in frames for interval in intervals):
        raise NeedsTrades


@dataclass(frozen=True, slots=True)
class Digested:
    """What stands for a file's trades."""

    day: Day
    cache: DayCache

    def tape(self) -> Tape:
        """Return the digest of the file."""
        return self.cache.digest(self.day.key)


class DigestedFile:
    """A file of trades whose first pass gives its digest, and every later one its trades.

    The first pass is the replay; later ones look for the trades of what has to be explained.
    """

    def __init__(self, file: TradeFile, digested: Digested) -> None:
        self.path, self.contract_size = file.path, file.contract_size
        self.file, self._digested = file, digested
        self.fresh = True

    @property
    def info(self) -> FileInfo:
        """What is known of the file."""
        return replace(self._digested.day.info, path=self.path)

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The laws of its lines."""
        return self._digested.day.equations

    @property
    def closed_klines(self) -> int:
        """The closed klines in it: recordings, which may hold some, have no digests."""
        return 0

    def peek(self) -> FileInfo:
        """Return what the first lines show."""
        return self.file.peek()

    def watch(self) -> FileWatch:
        """Return what was seen of its trades."""
        return replace(self._digested.day.watch)

    def chunks(self, *, beside: int = 0) -> Iterator[Tape]:
        """Yield the digest, the next time the trades, read while `beside` others are."""
        if self.fresh:
            self.fresh = False
            yield self._digested.tape()
        else:
            yield from self.file.chunks(beside=beside)


@dataclass(slots=True)
class DigestedSources(Sources):
    """Files of which some are read as digests the first time."""

    digests: Mapping[str, Digested] = field(default_factory=dict)

    @staticmethod
    def over(sources: Sources, digests: Mapping[str, Digested]) -> Sources:
        """Put digests in the place of the files that have one."""
        if not digests:
            return sources
        files = [
            DigestedFile(file, digests[file.path]) if file.path in digests else file
            for file in sources.trades
        ]
        digested = DigestedSources(
            cast("list[TradeFile]", files), sources.klines, sources.clock_offset_ns
        )
        digested.left_out = sources.left_out
        return digested

    def _watched(
        self, file: TradeFile, chunks: Iterator[Tape], watches: dict[str, list[FileWatch]]
    ) -> Iterator[Tape]:
        if isinstance(file, DigestedFile) and file.fresh:
            yield from chunks
            seen = file.watch()
            watches.setdefault(seen.symbol, []).append(seen)
        else:
            yield from Sources._watched(self, file, chunks, watches)
