"""What a service stored, held against the exact klines of the trades that it was served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kline_harness.archives import ExchangeKlines
from kline_harness.checks.finding_log import kline_finding
from kline_harness.interval import Interval
from kline_harness.kline import KlineBatch
from kline_harness.live.findings import Entries, differences
from kline_harness.live.klines import FinalsLog, GivenKlines
from kline_harness.units import NS_PER_SECOND, Int64Array
from kline_harness.verdict import Finding

STORE = "store"
# A service has so long to store a kline, in virtual time after it was final.
SETTLE_NS = 120 * NS_PER_SECOND


class StoredSide:
    """The rows of a service's store as they were read last; each reading is judged anew.

    What was found of a row that has been mended since is withdrawn.
    """

    def __init__(self) -> None:
        self.klines = GivenKlines([])
        self.readings = 0
        self._found: set[tuple[str, ...]] = set()

    def take(
        self,
        given: Sequence[ExchangeKlines],
        finals: FinalsLog,
        entries: Entries,
        intervals: Sequence[Interval],
        now_ns: int,
    ) -> None:
        """Take a reading of the store, and list what of it is not as it should be."""
        known = [one for one in given if one.interval in intervals]
        self.klines = GivenKlines(known)
        self.readings += 1
        now: dict[tuple[str, ...], Finding] = {}
        for interval in intervals:
            for symbol in {one.symbol for one in known if one.interval == interval}:
                for finding in self._judged(symbol, interval, finals, now_ns):
                    key = (STORE, finding.kind, symbol, interval.text, str(finding.open_time_ns))
                    now[key] = finding
        for listed in sorted(now):
            entries.add(now[listed], listed)
        for mended in sorted(self._found - now.keys()):
            entries.withdraw(mended)
        self._found = set(now)

    def _judged(
        self, symbol: str, interval: Interval, finals: FinalsLog, now_ns: int
    ) -> Iterator[Finding]:
        opens = self.klines.opens_ns(symbol, interval.text)
        if not len(opens):
            return
        for exact in finals.since(0, symbol, interval):
            # Until then a row may still be what the kline was while it formed.
            settled = exact.take(exact.at_ns < now_ns - SETTLE_NS)
            # Of rows of one open time the last is what the store says.
            pairs = self.klines.beside(settled, symbol, interval.text, "right")
            yield from differences(*pairs, self.klines, symbol, interval.text, STORE)
            yield from _absent(settled, opens)


def _absent(exact: KlineBatch, stored_ns: Int64Array) -> Iterator[Finding]:
    """Yield the klines that should have been stored by now, after the first that was."""
    due = exact.open_time_ns > stored_ns[0]
    rows = np.flatnonzero(due & ~np.isin(exact.open_time_ns, stored_ns))
    for row in rows.tolist():
        evidence = {"sentence": "final, and not in the store"}
        yield kline_finding(STORE, "not_stored", exact, row, evidence)
