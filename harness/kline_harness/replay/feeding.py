"""The feed of a run, as its scenario has it, and what happens beside the aggregator."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kline_harness.interfaces import AddSymbol
from kline_harness.ledger import Equation
from kline_harness.replay.beside import Beside
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.sources import Sources
from kline_harness.simulation.delivery import Delivery
from kline_harness.simulation.feed import Feed
from kline_harness.tape import Tape


def make_feed(
    scenario: Scenario,
    sources: Sources,
    tapes: Iterator[Tape],
    beside: Beside,
    progress: Callable[[int], None] | None,
) -> Feed:
    """Return the feed of a scenario over the trades of its files."""
    commands = (scripted.command() for scripted in scenario.commands)
    added = [command.symbol for command in commands if isinstance(command, AddSymbol)]
    until = [ns for ns in (sources.until_ns(), scenario.until_ns) if ns is not None]
    return Feed(
        tapes,
        scenario.signal_options(),
        sources.delay_ns,
        max(until, default=None),
        progress=progress,
        delivery=Delivery(scenario.delivery_options(), added),
        witness=beside.witness if beside.is_needed else None,
    )


def rows_equation(rows: int, received: dict[str, int], feed: Feed) -> Equation:
    """Return trades read = trades received by symbol + those kept from the aggregator."""
    kept_back = {f"{symbol} {reason}": n for (symbol, reason), n in feed.delivery.lost.items()}
    return Equation("trades read", "all files", rows, received | dict(sorted(kept_back.items())))
