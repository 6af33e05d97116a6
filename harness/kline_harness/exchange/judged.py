"""What a service stored held against the exact klines of the trades that it was served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from kline_harness.checks.check_list import CheckList, Question
from kline_harness.comparison.compare import Class, Comparison, ReferenceKlines
from kline_harness.comparison.extent import OURS
from kline_harness.comparison.post_run import PostRun
from kline_harness.comparison.series_rows import opens_ns
from kline_harness.comparison.stored import Stored
from kline_harness.errors import UsageError
from kline_harness.exchange import kline_stream_causes
from kline_harness.exchange.collected import (
    CHECK,
    CollectedSeries,
    collect_series,
    served_by,
    store_findings,
)
from kline_harness.exchange.left_bars import LeftBars
from kline_harness.exchange.served import Served
from kline_harness.exchange.snapshots import NOT_CHECKED, StoreSnapshot, overwritten
from kline_harness.exchange.stores import StoreContent, StoreOptions, read_store
from kline_harness.exchange.subscribed import (
    CONNECTIONS,
    connections,
    rebase_undone,
    silent_streams,
    symbol_of_stream,
)
from kline_harness.exchange.truth import ServedTrades, Truth
from kline_harness.exchange.wire_causes import CHECK as WIRE_FAULTS
from kline_harness.exchange.wire_causes import WireCauses
from kline_harness.interval import INTERVALS, Interval, parse_interval
from kline_harness.kline import FIELDS, SCHEMA
from kline_harness.ledger import Equation, TradeAccount, judge
from kline_harness.nouns import counted
from kline_harness.units import NS_PER_SECOND, Int64Array, utc_text
from kline_harness.verdict import Finding, Severity, Verdict


@dataclass(frozen=True, slots=True)
class CollectOptions:
    """How a store is judged.

    `snapshots` are copies of the store that were made earlier, in order of time. `intervals` are
    due beside those that the store has. `settle_ns` is what the service may take to store a kline
    after its close: one that is missing and closed later before the end was not due. `as_of_ns`
    is the virtual instant as of which the store is judged, the end of the run if None.
    """

    store: StoreOptions = field(default_factory=StoreOptions)
    snapshots: tuple[str, ...] = ()
    intervals: tuple[Interval, ...] = ()
    settle_ns: int = 10 * NS_PER_SECOND
    as_of_ns: int | None = None


class JudgedStore:
    """A store, the truth about it, and the checks of both."""

    def __init__(self, address: str, served: Served, options: CollectOptions) -> None:
        self.options, self.rebase_days = options, served.rebase_days
        self.served = served = rebase_undone(served)
        self.as_of_ns = served.ended_ns if options.as_of_ns is None else options.as_of_ns
        self.content, self.series = self._read(address)
        self.trades = ServedTrades(
            [Path(one.path) for one in served.archives if one.role == "trades"],
            served.market,
            self.as_of_ns,
        )
        self.intervals = self._intervals()
        self.truth = Truth.of(self.trades, self.intervals, self._served_by)
        self.trades.check_digests({one.path: one.sha256 for one in served.archives})
        self.not_due = 0
        self.references = list(self._references())
        aggregates = any(file.peek().layout == "aggTrades" for file in self.trades.sources.trades)
        self.causes = WireCauses.of(served, ("aggTrade",) if aggregates else ("aggTrade", "trade"))
        self.after = self._compared()
        self.equations = [*self.trades.sources.equations(), *self._equations()]

    @property
    def comparison(self) -> Comparison:
        """The comparison with the exact klines."""
        assert self.after.comparison is not None
        return self.after.comparison

    def table(self) -> pa.Table:
        """Return the rows judged in the schema of a run's klines; what is not stated is null."""
        tables = [_stated(one) for one in self.series.values()]
        return pa.concat_tables(tables).unify_dictionaries() if tables else SCHEMA.empty_table()

    def checks(self) -> tuple[Verdict, ...]:
        """Ask every check."""
        left = LeftBars.of(self.comparison)
        questions = [
            Question("ledger", "every count of the run", lambda: judge(self.equations)),
            Question(CHECK, "the rows of the store", self._store),
            Question("comparison", "the exact klines of the trades served", self._verdict),
            Question(
                "left_bars",
                "stored klines that differ, and the trades served",
                lambda: left.verdict(self.trades.tapes()),
            ),
            Question(
                "silent_stream",
                "what the server sent, and the trades served",
                self._silent,
            ),
            Question(
                CONNECTIONS,
                "how the server's connections ended",
                lambda: connections(self.served, self.as_of_ns),
            ),
        ]
        if self.served.faults:
            needs = "the faults of the wire, and klines made with them"
            questions.append(Question(WIRE_FAULTS, needs, self._faults))
        if self.options.snapshots:
            needs = "copies of the store made earlier"
            questions.append(Question("overwritten", needs, self._overwritten))
        return tuple(CheckList(questions).verdicts())

    def _read(self, address: str) -> tuple[StoreContent, dict[tuple[str, str], CollectedSeries]]:
        content = read_store(address, self.served.symbols, self.options.store)
        return content, collect_series(content, self.as_of_ns, self.rebase_days)

    def _served_by(self, interval: Interval) -> int:
        return served_by(interval, self.rebase_days)

    def _intervals(self) -> tuple[Interval, ...]:
        stored = {one.interval for one in self.series.values()}
        asked = stored | set(self.options.intervals) | set(self._streamed())
        if not asked:
            raise UsageError(
                f"{self.content.name}: expected klines, "
                f"found none of {counted(self.content.rows, 'row')}; "
                "--intervals says which should be there"
            )
        return tuple(interval for interval in INTERVALS if interval in asked)

    def _streamed(self) -> Iterator[Interval]:
        """Yield the intervals of streams of klines that the service subscribed to."""
        names = {one.text for one in INTERVALS}
        for one in self.served.subscriptions:
            kind = one.stream.partition("@")[2]
            if kind.partition("_")[0] in ("kline", "continuousKline"):
                text = kind.partition("_")[2]
                if text in names:
                    yield parse_interval(text)

    def _due(self) -> dict[str, int]:
        """Return since when klines of each symbol are due: its first acknowledged stream."""
        since: dict[str, int] = {}
        for one in self.served.subscriptions:
            symbol = symbol_of_stream(one.stream, self.served.symbols)
            if symbol:
                since[symbol] = min(since.get(symbol, one.acknowledged_ns), one.acknowledged_ns)
        return since

    def _references(self) -> Iterator[ReferenceKlines]:
        """Yield the exact klines that are due in the store, or that it has."""
        since = self._due()
        stored_symbols = {symbol for symbol, _ in self.series}
        for key, table in sorted(self.truth.tables.items()):
            symbol, interval = key[0], parse_interval(key[1])
            mine = self.series.get(key)
            if mine is None and symbol not in since and symbol not in stored_symbols:
                continue
            opens = opens_ns(table)
            has = np.empty(0, dtype=np.int64) if mine is None else opens_ns(mine.table)
            kept = self._kept(interval, opens, has, since.get(symbol))
            if len(kept):
                yield self.truth.reference(key, interval, kept)

    def _kept(
        self, interval: Interval, opens: Int64Array, has: Int64Array, since_ns: int | None
    ) -> Int64Array:
        closes = interval.close_times_ns(opens)
        firsts = [int(has.min())] if len(has) else []
        if since_ns is not None:
            # The kline in which the stream begins is due only where the store has it.
            since_ns += self._served_by(interval)
            firsts.append(interval.close_time_ns(since_ns - 1))
        due = opens >= min(firsts) if firsts else np.zeros(len(opens), dtype=np.bool_)
        later_ns = self._served_by(interval)
        settled = closes <= self.as_of_ns + later_ns - self.options.settle_ns
        stored = np.isin(opens, has)
        self.not_due += int(np.count_nonzero(due & ~settled & ~stored))
        kept: Int64Array = opens[(due & settled) | stored]
        return kept

    def _compared(self) -> PostRun:
        symbols = sorted(self.truth.trades)
        after = PostRun.of(
            Stored.of(self._whole_table()),
            dict.fromkeys(symbols, TradeAccount()),
            self.references,
            self.truth.coverage,
            (),
            lambda: ((tape, tape) for tape in self.trades.tapes()),
            faulty=False,
            unnumbered=self.trades.sources.unnumbered(),
            fields={key: one.stated for key, one in self.series.items()},
            exact=True,
        )
        if after.comparison is not None:
            after.comparison = self.causes.explained(
                after.comparison, self.trades.tapes, self.as_of_ns, self._served_by
            )
            after.comparison = kline_stream_causes.explained(
                after.comparison, self.served, self.trades.tapes, self._served_by
            )
        return after

    def _whole_table(self) -> pa.Table:
        tables = [one.table for one in self.series.values()]
        return pa.concat_tables(tables).unify_dictionaries() if tables else SCHEMA.empty_table()

    def _equations(self) -> Iterator[Equation]:
        content, found = self.content, self.comparison
        judged = sum(one.table.num_rows for one in self.series.values())
        yield Equation(
            "rows of a store",
            content.name,
            content.rows,
            {
                "judged": judged,
                "not over": sum(one.forming for one in self.series.values()) + content.forming,
                "doubled": sum(one.doubled for one in self.series.values()),
                "no klines": len(content.bad),
                "of symbols not served": sum(content.foreign.values()),
            },
        )
        ours = [one for one in found.not_compared if one.side == OURS]
        yield Equation(
            "klines judged",
            content.name,
            judged,
            {
                "compared": sum(one.paired for one in found.series),
                "extra": found.count(Class.EXTRA),
                "not compared": sum(one.klines for one in ours),
            },
        )

    def _store(self) -> Verdict:
        compared = sum(one.paired for one in self.comparison.series)
        counts = {
            "rows": self.content.rows,
            "series": len(self.series),
            "judged": sum(one.table.num_rows for one in self.series.values()),
            "forming": sum(one.forming for one in self.series.values()) + self.content.forming,
            "not_due": self.not_due,
            "doubled": sum(one.doubled for one in self.series.values()),
            "no_kline": len(self.content.bad),
        }
        findings = list(store_findings(self.content, self.series.values()))
        others = [one.text for one in self.intervals if self._served_by(one)]
        if others:
            sentence = (
                f"moved by {self.rebase_days} days, the trades lie in other klines of "
                f"{', '.join(others)}: those are judged at the times at which they were served"
            )
            evidence = {"sentence": sentence}
            findings.append(Finding(CHECK, "as_served", Severity.NOTICE, evidence=evidence))
        if not compared:
            sentence = "no kline of the store was compared with one of the trades served"
            evidence = {"sentence": sentence}
            findings.append(Finding(CHECK, "nothing_compared", Severity.DOUBT, evidence=evidence))
        not_checked: tuple[str, ...] = (
            f"klines that close after {utc_text(self.as_of_ns)}, as of which the store is judged",
        )
        if not self.options.snapshots:
            not_checked += (NOT_CHECKED,)
        return Verdict.of(CHECK, counts, findings, not_checked)

    def _faults(self) -> Verdict:
        return self.causes.verdict(self.comparison, self.served)

    def _verdict(self) -> Verdict:
        return self.comparison.verdict()

    def _silent(self) -> Verdict:
        files = [file.info for file in self.trades.sources.trades]
        layouts = {symbol: info.layout for info in files for symbol in info.symbols}
        return silent_streams(self.served, self.trades.tapes(), self.as_of_ns, layouts)

    def _overwritten(self) -> Verdict:
        names: Sequence[str] = self.options.snapshots
        seen = [StoreSnapshot(Path(name).name, self._read(name)[1]) for name in names]
        seen.append(StoreSnapshot(self.content.name, self.series))
        return overwritten(seen, self.truth.tables)


def _stated(series: CollectedSeries) -> pa.Table:
    """Return a series' rows with null for every field that the store does not state."""
    table: pa.Table = series.table
    for place, column in enumerate(SCHEMA):
        lacks = column.name not in series.stated and column.name in FIELDS
        if lacks or column.name in ("first_trade_id", "last_trade_id"):
            nothing = pa.nulls(table.num_rows, column.type)
            table = table.set_column(place, column, nothing)
    return table
