"""The checks of a run, made of what watched it and of what it left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from kline_harness.checks.channels import channels_verdict
from kline_harness.checks.check_list import answer, of_consumer, question
from kline_harness.checks.contradicting_names import with_names
from kline_harness.checks.files import FileWatch, files_verdict
from kline_harness.checks.files_apart import with_apart
from kline_harness.checks.named_ends import with_ends
from kline_harness.checks.reception import reception_verdict
from kline_harness.checks.recorded_klines import with_closed_klines
from kline_harness.checks.stored import StoredCheck
from kline_harness.checks.stretches import Stretch
from kline_harness.checks.trades import trades_verdict
from kline_harness.comparison.compare import Comparison, ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.extent import CLOSE_TIME
from kline_harness.comparison.post_run import MISMATCH, PostRun
from kline_harness.comparison.series_rows import CHUNK_ROWS
from kline_harness.comparison.stored import Stored
from kline_harness.compiled.memory import give_back_freed_memory
from kline_harness.id_rule import IdRule
from kline_harness.interfaces import Check
from kline_harness.kline import FIELDS
from kline_harness.ledger import Equation, Ledger, TradeAccount, judge
from kline_harness.replay.assembly import trades_again
from kline_harness.replay.conservation import equations
from kline_harness.replay.observations import ObservedRun
from kline_harness.replay.scenario import Scenario
from kline_harness.simulation.feed import Reception
from kline_harness.simulation.trade_filter import AFTER_SHUTDOWN
from kline_harness.verdict import Finding, Verdict

NO_ACCOUNTS = "what became of the trades: the aggregator keeps no accounts"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is known of a run's inputs, once all trades were read.

    `rows` are the trades that the files hold, by their own account; the source of `unnumbered`
    symbols states no trade ids, and `touching` are their files that meet at one instant;
    `id_rules` say, by symbol, what an id means that no trade has. `files` are what was seen of
    each file and symbol, and `claimed` is the time that the files' names claim; `lines` hold each
    file's lines against what was read of it; `left_out` are files given as klines that hold none;
    `closed_klines` are how many of the exchange's a recording holds that was given for its trades;
    `misnamed` is found of files whose names contradict each other, or their rows;
    the source of `unsided` symbols does not state who took.
    """

    rows: int
    references: Sequence[ReferenceKlines] = ()
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    receptions: Sequence[Reception] = ()
    unnumbered: frozenset[str] = frozenset()
    touching: Sequence[Mapping[str, Any]] = ()
    id_rules: Mapping[str, IdRule] = field(default_factory=dict)
    files: Sequence[FileWatch] = ()
    claimed: tuple[int, int] | None = None
    lines: Sequence[Equation] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    closed_klines: Mapping[str, int] = field(default_factory=dict)
    misnamed: Sequence[Finding] = ()
    unsided: frozenset[str] = frozenset()


class FinishedRun:
    """A run that is over: its accounts, what was stored, the comparison, and its checks.

    An aggregator that gives no account of its trades has no `accounts`: it is judged by what it
    published, and `trades` says that it did not check what became of each trade.
    """

    def __init__(self, observed: ObservedRun, inputs: Inputs) -> None:
        self.observed, self.inputs = observed, inputs
        run = observed.run
        accounts = getattr(run.aggregator, "accounts", dict)
        if run.guard is not None:
            accounts = partial(run.guard.accounts_of, observed.given.rows, run.scenario.intervals)
        self.accounts: dict[str, TradeAccount] = dict(sorted(accounts().items()))
        auditors = [one for one in (run.completeness, run.lifecycle) if one is not None]
        asked = [of_consumer(one.name, one.verdict) for one in auditors]
        self.audits: dict[str, Verdict] = {one.id: answer(one) for one in asked}
        self.after = self._explained()
        self.stretches: list[Stretch] = []
        self.equations = Ledger(inputs.lines)
        self.equations.extend(
            equations(
                observed,
                inputs.rows,
                self.accounts,
                self.audits,
                self.after.stored,
                self.after.evidence,
            )
        )

    @property
    def scenario(self) -> Scenario:
        """Return the scenario that was run."""
        return self.observed.run.scenario

    @property
    def trades(self) -> int:
        """Return how many trades were fed."""
        return self.observed.run.feed.trades

    @property
    def published(self) -> int:
        """Return how many finals were published."""
        return self.observed.run.channels[0].published

    def uncompared(self) -> frozenset[str]:
        """Return the symbols of which no kline was compared with one of the exchange."""
        comparison = self.after.comparison
        series = () if comparison is None else comparison.series
        compared = {one.symbol for one in series if one.paired}
        return frozenset(self.observed.given.symbols() - compared)

    def checks(self) -> list[Check]:
        """Return the checks that every run makes, as far as it has what they need."""
        run, after, inputs = self.observed.run, self.after, self.inputs
        checks: list[Check] = [
            question("ledger", lambda: judge(self.equations)),
            question("trades", self._trades),
            question("continuity", self._continuity),
        ]
        if inputs.files:
            checks.append(question("files", self._files))
        if inputs.receptions:
            checks.append(question("reception", lambda: reception_verdict(inputs.receptions)))
        checks.append(question("writer", run.writer.verdict))
        checks += [
            question(name, partial(after.reconciled, audit))
            for name, audit in self.audits.items()
            if name != "lifecycle" or not self._tells_no_life()
        ]
        checks += [of_consumer(own.name, own.verdict) for own in run.own_consumers]
        if after.comparison is not None:
            checks.append(question("comparison", after.comparison.verdict))
        owes_life = not self._tells_no_life()
        checks.append(
            question("channels", lambda: channels_verdict(run.channels, owes_life=owes_life))
        )
        if run.guard is not None:
            checks.append(question("subject", run.guard.verdict))
        watching = self.observed.watching.items()
        checks += [question(name, watch.verdict) for name, watch in watching]
        checks += self.observed.watch.checks()
        if self.observed.stored is not None:
            checks.append(question("stored", partial(self._stored, self.observed.stored)))
        return checks

    def _stored(self, watch: StoredCheck) -> Verdict:
        return watch.verdict(self.after.stored, self.observed.run.writer.counters.dropped)

    def _tells_no_life(self) -> bool:
        """Tell whether the aggregator is one that publishes klines and no lifecycle events.

        One that gives an account of its trades is expected to tell of its klines too.
        """
        run = self.observed.run
        life = next((one for one in run.channels if one.name == "lifecycle"), None)
        silent = self.published and life is not None and not life.published
        return bool(silent) and not callable(getattr(run.subject, "accounts", None))

    def _explained(self) -> PostRun:
        """Compare what was stored with the exchange's klines, and explain what differs."""
        run, inputs = self.observed.run, self.inputs
        found = (finding for audit in self.audits.values() for finding in audit.findings)
        if any(len(one.rows) > CHUNK_ROWS for one in inputs.references):
            give_back_freed_memory()
        after = PostRun.of(
            Stored(run.writer.dataset.readers()),
            self.accounts or dict.fromkeys(sorted(self.observed.given.symbols()), TradeAccount()),
            inputs.references,
            inputs.coverage,
            [finding for finding in found if finding.kind == MISMATCH],
            lambda: trades_again(run.scenario, run.source),
            faulty=bool(run.feed.trade_filter.lost) or run.strikes_trades,
            unnumbered=inputs.unnumbered,
            fields=self._stated(),
        )
        published = self.observed.published
        if after.comparison is not None and published is not None:
            after.comparison = published.marked(after.comparison)
        return after

    def _stated(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return what series of ours state, of which the takers' parts are made up."""
        names = [name for name in (*FIELDS, CLOSE_TIME) if not name.startswith("taker_")]
        frames, symbols = self.scenario.intervals, sorted(self.inputs.unsided)
        return {(symbol, frame.text): tuple(names) for symbol in symbols for frame in frames}

    def _trades(self) -> Verdict:
        met, lost = self.inputs.touching, self._kept_back()
        nothing = self._out_of_nothing()
        verdict = trades_verdict(
            self.accounts, self.after, self.published, met, lost, nothing, self.uncompared()
        )
        if not self.accounts:
            verdict = replace(verdict, not_checked=(NO_ACCOUNTS, *verdict.not_checked))
        return verdict

    def _out_of_nothing(self) -> dict[str, tuple[int, int]]:
        """Return, for symbols of which every trade was kept back, how many, and how many klines."""
        trades, klines = Counter[str](), Counter[str]()
        for (symbol, reason), count in self.observed.run.feed.trade_filter.lost.items():
            if reason != AFTER_SHUTDOWN:
                trades[symbol] += count
        for (symbol, _), rows in self.after.stored.rows.items():
            klines[symbol] += len(rows)
        silent = sorted(trades.keys() - self.observed.given.symbols())
        return {symbol: (trades[symbol], klines[symbol]) for symbol in silent if klines[symbol]}

    def _kept_back(self) -> dict[tuple[str, str], int]:
        """Return the trades that outages kept back from symbols of which nothing was compared."""
        if self.observed.shadow is not None:
            # The shadow run was given them, and the finals are held to its.
            return {}
        lost, symbols = self.observed.run.feed.trade_filter.lost, self.uncompared()
        return {
            (symbol, reason): count
            for (symbol, reason), count in lost.items()
            if symbol in symbols and reason != AFTER_SHUTDOWN
        }

    def _files(self) -> Verdict:
        found = self.after.comparison or Comparison()
        given = self.inputs
        compared = found, self.after.references
        verdict = files_verdict(given.files, given.left_out, *compared)
        verdict = with_apart(verdict, given.files, *compared)
        verdict = with_names(with_closed_klines(verdict, given.closed_klines), given.misnamed)
        return with_ends(verdict, given.files)

    def _continuity(self) -> Verdict:
        after, watch = self.after, self.observed.continuity
        klines = (after.stored, self.observed.run.scenario.intervals)
        sourced = (after.references, self.inputs.unnumbered)
        more = (self.inputs.claimed, self.inputs.id_rules)
        verdict = watch.verdict(*klines, after.comparison, *sourced, *more)
        self.stretches = watch.stretches(verdict, *klines, *sourced)
        return verdict
