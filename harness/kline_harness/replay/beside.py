"""What runs beside an aggregator that is not the exact one, to tell whether it is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.checks.exactness import Exactness, Spared
from kline_harness.columns import by_symbol
from kline_harness.interfaces import AddSymbol, Aggregator, FeedSlice, RemoveSymbol
from kline_harness.kline import Emission
from kline_harness.ledger import TradeAccount
from kline_harness.replay.scenario import Scenario
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.signals import Signals
from kline_harness.tape import Tape
from kline_harness.units import INT64_MAX, BoolArray, Window
from kline_harness.verdict import Finding, Severity, Verdict


class Observed:
    """An aggregator of which every emission is kept on its way to the channels."""

    def __init__(self, aggregator: Aggregator) -> None:
        self.aggregator = aggregator
        self.emissions: list[Emission] = []

    def advance(self, feed: FeedSlice) -> Emission:
        """Process the next slice of the feed."""
        return self._kept(self.aggregator.advance(feed))

    def finish(self, at_ns: int) -> Emission:
        """End of the feed."""
        return self._kept(self.aggregator.finish(at_ns))

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return what became of every trade."""
        return self.aggregator.accounts()

    def _kept(self, emission: Emission) -> Emission:
        if len(emission.klines) or len(emission.events):
            self.emissions.append(emission)
        return emission


class Beside:
    """Runs the exact aggregator on the trades of managed symbols, outages or not.

    `aggregator` is the one to simulate. Nothing is done beside the exact aggregator itself.
    """

    def __init__(self, scenario: Scenario, symbols: Sequence[str]) -> None:
        self.aggregator = scenario.make_aggregator(symbols)
        self.is_needed = scenario.aggregator != "exact"
        self._scenario = scenario
        self._exactness = Exactness()
        self._first_ids: dict[str, int] = {}
        if self.is_needed:
            self._model = self.aggregator
            self.aggregator = self._observed = Observed(self._model)
            self._exact = ExactAggregator(scenario.intervals)
            known = scenario.klagg.symbols
            self._managed = managed_times(scenario, symbols if known is None else known)

    def witness(self, feed: FeedSlice) -> None:
        """Take a slice as it would be had no trade been kept from the aggregator."""
        trades = feed.trades
        self._note_first_ids(trades)
        bound_ns = self._scenario.klagg.future_bound_ns
        kept = self._is_managed(trades) & (trades.event_time_ns <= trades.arrival_ns + bound_ns)
        if not kept.all():
            positions = np.append(0, np.cumsum(kept))[list(feed.positions)].tolist()
            feed = FeedSlice(trades.take(kept), feed.signals, tuple(positions))
        self._exactness.on_exact(self._exact.advance(feed).klines)

    def verdicts(self, feed: Feed) -> list[Verdict]:
        """Return the checks of what happened beside, once the run is over."""
        if not self.is_needed:
            return []
        assert feed.signals is not None
        # Late: nothing of this is needed beside the exact aggregator.
        from kline_harness.klagg.aggregator import KlaggAggregator
        from kline_harness.replay.pulling import pull_verdicts

        verdicts = [self._exactness_verdict(feed.end_ns), _clock_verdict(feed.signals)]
        if isinstance(self._model, KlaggAggregator):
            observations = self._model.observations()
            aborted = int(self._model.aborted is not None)
            counts = {"observations": len(observations), "aborted": aborted}
            verdicts.append(Verdict.of("klagg", counts, observations))
            verdicts += pull_verdicts(
                self._scenario, feed, self._model.pulls, self._observed.emissions
            )
        return verdicts

    def _exactness_verdict(self, end_ns: int) -> Verdict:
        self._exactness.on_exact(self._exact.finish(end_ns).klines)
        for emission in self._observed.emissions:
            self._exactness.on_klines(emission.klines)
        outages = [Window(outage.from_ns, outage.until_ns) for outage in self._scenario.outages]
        self._exactness.spared = Spared(self._managed, dict(self._continued()), outages)
        return self._exactness.verdict()

    def _note_first_ids(self, trades: Tape) -> None:
        for _, mine in by_symbol(trades):
            symbol, lowest = mine.symbol_text(0), int(mine.first_id.min())
            self._first_ids[symbol] = min(self._first_ids.get(symbol, lowest), lowest)

    def _is_managed(self, trades: Tape) -> BoolArray:
        kept = np.ones(len(trades), dtype=np.bool_)
        at_ns = trades.arrival_ns
        for code, instrument in enumerate(trades.instruments):
            windows = self._managed.get(instrument.symbol, [])
            if windows == [ALWAYS]:
                continue
            inside = np.zeros(len(trades), dtype=np.bool_)
            for window in windows:
                inside |= (at_ns > window.from_ns) & (at_ns <= window.until_ns)
            kept &= (trades.symbol != code) | inside
        return kept

    def _continued(self) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield stored klines of which the trade files do not hold every trade."""
        for stored in self._scenario.klagg.database:
            held = self._first_ids.get(stored.symbol)
            if held is None or not held <= stored.first_trade_id:
                for interval in stored.intervals:
                    yield (stored.symbol, interval.text), stored.open_time_ns


def _clock_verdict(signals: Signals) -> Verdict:
    """Tell which ticks the loop never saw."""
    counts = {"missed": signals.missed, "coalesced": signals.coalesced}
    findings = [
        Finding("clock", f"ticks_{name}", Severity.NOTICE, evidence={"ticks": count})
        for name, count in counts.items()
        if count
    ]
    return Verdict.of("clock", counts, findings)


ALWAYS = Window(-INT64_MAX, INT64_MAX)


def managed_times(scenario: Scenario, symbols: Sequence[str]) -> dict[str, list[Window]]:
    """Return when each symbol is to be aggregated, from the commands that can succeed.

    A trade at the instant of a command is processed before it.
    """
    since = dict.fromkeys(symbols, ALWAYS.from_ns)
    times: dict[str, list[Window]] = {}
    commands = sorted((s.command() for s in scenario.commands), key=lambda c: c.at_ns)
    for command in commands:
        if isinstance(command, RemoveSymbol) and command.symbol in since:
            window = Window(since.pop(command.symbol), command.at_ns)
            times.setdefault(command.symbol, []).append(window)
        elif isinstance(command, AddSymbol) and command.symbol not in since:
            fits = len(since) < scenario.klagg.max_symbols
            if fits and command.symbol not in scenario.klagg.unsubscribable:
                since[command.symbol] = command.at_ns
    for symbol, from_ns in since.items():
        times.setdefault(symbol, []).append(Window(from_ns, ALWAYS.until_ns))
    return times
