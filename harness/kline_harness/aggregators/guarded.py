"""An aggregator that is not trusted: what it raises and what breaks the seam become findings."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from kline_harness.columns import Columns
from kline_harness.errors import UserError, error_line, own_code
from kline_harness.interfaces import Aggregator, FeedSlice
from kline_harness.interval import INTERVALS, Interval
from kline_harness.kline import Emission, KlineBatch, Life, LifeBatch, Trigger
from kline_harness.ledger import TradeAccount
from kline_harness.nouns import counted
from kline_harness.units import INT64_MAX
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "subject"
NOT_CHECKED = ("what the aggregator does between its emissions",)
_FRAMES_KEPT = 20


class GuardedAggregator:
    """Asks an aggregator until it fails; from then on nothing is asked of it any more.

    An exception in it leaves the run unknown, an emission that breaks the seam makes it invalid.
    Such an emission is not published; `verdict` counts its rows where it has any.
    """

    def __init__(self, aggregator: Aggregator) -> None:
        self.aggregator = aggregator
        self._failed: Finding | None = None
        self._accounts_failed: Finding | None = None
        self._last_ns = {KlineBatch: -INT64_MAX, LifeBatch: -INT64_MAX}
        # How many emissions there are is a matter of how the feed was cut, and says nothing.
        self._counts = {"klines": 0, "events": 0}
        self._failed_ns: int | None = None

    @property
    def failed(self) -> bool:
        """Tell whether the aggregator raised something, broke the seam, or says that it failed."""
        return self.failed_at_ns is not None

    @property
    def failed_at_ns(self) -> int | None:
        """Return from which instant on it is not judged, None where it did not fail."""
        own = getattr(self.aggregator, "failed_at_ns", None)
        known = [at for at in (own, self._failed_ns) if isinstance(at, int)]
        return min(known, default=None)

    @property
    def keeps_ids(self) -> bool:
        """Tell whether the aggregator's finals have trade ids: all do that do not say otherwise."""
        return bool(getattr(self.aggregator, "keeps_ids", True))

    def advance(self, feed: FeedSlice) -> Emission:
        """Have the aggregator process a slice."""
        return self._asked("advance", lambda: self.aggregator.advance(feed), _begin_ns(feed))

    def finish(self, at_ns: int) -> Emission:
        """Tell the aggregator that the feed is over, and let go of what it holds."""
        try:
            return self._asked("finish", lambda: self.aggregator.finish(at_ns), at_ns)
        finally:
            close = getattr(self.aggregator, "close", None)
            if callable(close):
                close()

    def accounts_of(
        self, given: Mapping[str, int], intervals: Sequence[Interval]
    ) -> Mapping[str, TradeAccount]:
        """Return the aggregator's accounts of the trades that it was given, by symbol.

        None where it keeps none, failed, or leaves a trade of a symbol or an interval out: what
        is in no account would be missed in no equation either.
        """
        accounts = self.accounts()
        if self.failed or self._accounts_failed or not self._keeps_accounts():
            return accounts
        wrong = _left_out(accounts, given, [interval.text for interval in intervals])
        if wrong is None:
            return accounts
        self._accounts_failed = _broken("accounts", *wrong)
        return {}

    def _keeps_accounts(self) -> bool:
        return callable(getattr(self.aggregator, "accounts", None))

    def accounts(self) -> Mapping[str, TradeAccount]:
        """Return the aggregator's accounts, none where it keeps none, failed, or cannot say."""
        if self.failed or not self._keeps_accounts():
            return {}
        try:
            with own_code():
                given = dict(self.aggregator.accounts())  # type: ignore[attr-defined]
        except Exception as error:
            self._accounts_failed = _raised("accounts", error)
            return {}
        wrong = [one for one in given.values() if not isinstance(one, TradeAccount)]
        if wrong:
            expected = "a TradeAccount for each symbol"
            self._accounts_failed = _broken("accounts", expected, type(wrong[0]).__name__)
            return {}
        return given

    def verdict(self) -> Verdict:
        """Return how the aggregator kept the seam, with what it says of itself."""
        own = getattr(self.aggregator, "verdict", None)
        counts, findings, more = dict(self._counts), list[Finding](), tuple[str, ...]()
        if callable(own):
            said = own()
            if isinstance(said, Verdict):
                counts |= said.counts
                findings, more = list(said.findings), said.not_checked
        findings += [one for one in (self._failed, self._accounts_failed) if one is not None]
        return Verdict.of(CHECK, counts, findings, (*NOT_CHECKED, *more))

    def _asked(self, method: str, ask: Callable[[], Any], at_ns: int) -> Emission:
        nothing = Emission(KlineBatch.empty(), LifeBatch.empty())
        if self._failed is not None:
            return nothing
        try:
            with own_code():
                emission = ask()
        except UserError:
            # Something that the person at the command line can mend, such as a misspelt program.
            raise
        except Exception as error:
            self._failed, self._failed_ns = _raised(method, error), at_ns
            return nothing
        wrong = self._wrong(emission)
        if wrong is not None:
            self._failed, self._failed_ns = _broken(method, *wrong), at_ns
            return nothing
        self._counts["klines"] += len(emission.klines)
        self._counts["events"] += len(emission.events)
        checked: Emission = emission
        return checked

    def _wrong(self, emission: Any) -> tuple[str, str] | None:
        """Return what was expected of an emission and what was found instead."""
        if not isinstance(emission, Emission):
            return "an Emission", _named(emission)
        for name, kind in (("klines", KlineBatch), ("events", LifeBatch)):
            table = getattr(emission, name)
            if not isinstance(table, kind):
                return f"{name}: a {kind.__name__}", _named(table)
            wrong = _wrong_shape(table)
            if wrong is None and len(table):
                wrong = _wrong_codes(table) or self._wrong_order(table, kind)
            if wrong is not None:
                return f"{name}: {wrong[0]}", wrong[1]
        return None

    def _wrong_order(self, table: Any, kind: type[Columns]) -> tuple[str, str] | None:
        at_ns = table.at_ns
        if int(at_ns[0]) < self._last_ns[kind] or bool(np.any(at_ns[1:] < at_ns[:-1])):
            return "instants of publication that never go back", "one before another's"
        self._last_ns[kind] = int(at_ns[-1])
        return None


def _begin_ns(feed: FeedSlice) -> int:
    """Return the instant of a slice's first event."""
    if feed.signals and (not len(feed.trades) or feed.positions[0] == 0):
        return feed.signals[0].at_ns
    return int(feed.trades.arrival_ns[0]) if len(feed.trades) else -INT64_MAX


def _wrong_shape(table: Columns) -> tuple[str, str] | None:
    """Tell whether columns are arrays of integers, all of one length."""
    for name in table.column_names():
        column = getattr(table, name)
        if not isinstance(column, np.ndarray) or column.ndim != 1:
            return f"{name}: a column of integers", _named(column)
        # Exact integers beyond int64 are Python's.
        if column.dtype.kind not in "iu" and column.dtype != np.dtype(object):
            return f"{name}: a column of integers", f"one of {column.dtype}"
        if column.dtype == np.dtype(object) and not all(type(one) is int for one in column):
            return f"{name}: a column of integers", "one of other objects"
        if len(column) != len(table):
            return f"{name}: {len(table)} rows", f"{len(column)}"
    return None


def _wrong_codes(table: Any) -> tuple[str, str] | None:
    """Tell whether symbols, intervals and so on are among those there are."""
    is_klines = isinstance(table, KlineBatch)
    lowest = 0 if is_klines else -1
    bounds = {
        "symbol": (lowest, len(table.instruments)),
        "interval": (lowest, len(INTERVALS)),
        "trigger": (0, len(Trigger)),
    }
    if not is_klines:
        bounds["life"] = (0, len(Life))
    for name, (low, end) in bounds.items():
        column = getattr(table, name)
        outside = column[(column < low) | (column >= end)]
        if len(outside):
            return f"{name}: codes from {low} up to {end - 1}", f"{outside[0]}"
    return None


def _left_out(
    accounts: Mapping[str, TradeAccount], given: Mapping[str, int], intervals: Sequence[str]
) -> tuple[str, str] | None:
    """Return what was expected of the accounts of some trades and what was found instead."""
    for symbol in sorted(given.keys() | accounts.keys()):
        rows, account = given.get(symbol, 0), accounts.get(symbol, TradeAccount())
        expected = f"an account of the {counted(rows, 'trade')} of {symbol}"
        if account.received != rows:
            return expected, f"one of {account.received:,}"
        # A trade that no interval knows of is in none of them.
        lacking = [text for text in intervals if text not in account.series]
        if lacking and rows > len(account.unmapped):
            return f"{expected} in each interval", f"none for {lacking[0]}"
    return None


def _named(value: Any) -> str:
    return f"a {type(value).__name__}"


def _broken(method: str, expected: str, found: str) -> Finding:
    sentence = f"{method} gave what breaks the seam: expected {expected}, found {found}"
    evidence = {"sentence": sentence, "method": method, "expected": expected, "found": found}
    return Finding(CHECK, "seam_broken", evidence=evidence)


def _raised(method: str, error: Exception) -> Finding:
    """Return the finding of an exception; a trace names files without their folders."""
    frames = traceback.extract_tb(error.__traceback__)
    # The first two frames are this file's.
    trace = [
        f"{PurePath(frame.filename).name}, line {frame.lineno}, in {frame.name}: {frame.line}"
        for frame in frames
        if PurePath(frame.filename).name != PurePath(__file__).name
    ]
    message = error_line(error)
    evidence = {
        "sentence": f"the aggregator failed in {method}: {message}",
        "method": method,
        "error": message,
        "traceback": trace[-_FRAMES_KEPT:],
    }
    return Finding(CHECK, "subject_crashed", Severity.DOUBT, evidence=evidence)
