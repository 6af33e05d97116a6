"""The check that holds an aggregator's finals to those of the exact one on the same feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from kline_harness.checks.finding_log import FindingLog, kline_finding
from kline_harness.checks.kline_sanity import field_text
from kline_harness.columns import concat, join_instruments
from kline_harness.interval import INTERVALS
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.units import INT64_MAX, Int64Array, Window
from kline_harness.verdict import Severity, Verdict

Key: TypeAlias = tuple[int, int, int]
NOT_CHECKED = (
    "klines from before the first trade of their symbol",
    "klines of a symbol while it was not added, or removed",
    "klines continued from a stored one, unless the trades hold all of it",
)
IDS_LEFT = ("first and last trade ids, which the finals do not state",)
INSTANTS_LEFT = ("when a kline became final: that is the lifecycle's part",)


@dataclass(frozen=True, slots=True)
class Spared:
    """What is not compared.

    `managed` are the times in which each symbol is aggregated (a symbol not named always is);
    `continued_ns` are the open times, by symbol and interval, of klines continued from a stored
    one: they and what is older are left out. A kline that an outage touches may be withheld.
    """

    managed: Mapping[str, Sequence[Window]] = field(default_factory=dict)
    continued_ns: Mapping[tuple[str, str], int] = field(default_factory=dict)
    outages: Sequence[Window] = ()


@dataclass(slots=True)
class Exactness:
    """Collects both sides' finals and compares all nine fields of each, and stated trade ids.

    With `states_ids` false the finals have no trade ids, and need none. With `holds_instants` a
    final has to be published no sooner than the exact one; one that comes later is counted, and
    in doubt where a tick came and went before it: that had said that its time was over.

    published = identical + differing + not expected + spared; what only the exact side has is
    missing, or withheld where an outage took trades of it.
    """

    spared: Spared = field(default_factory=Spared)
    name: str = "exactness"
    states_ids: bool = True
    holds_instants: bool = False
    _ours: list[KlineBatch] = field(default_factory=list)
    _exact: list[KlineBatch] = field(default_factory=list)
    _ticks_ns: list[int] = field(default_factory=list)

    def on_klines(self, klines: KlineBatch) -> None:
        """Take finals of the aggregator."""
        if len(klines):
            self._ours.append(klines)

    def on_exact(self, klines: KlineBatch) -> None:
        """Take finals of the exact aggregator."""
        if len(klines):
            self._exact.append(klines)

    def on_ticks(self, at_ns: Iterable[int]) -> None:
        """Take the instants at which ticks were processed, in order."""
        self._ticks_ns.extend(at_ns)

    def due_ns(self, symbol: str, before_ns: int) -> int:
        """Return the latest close time of a symbol's exact finals published before an instant."""
        latest = -INT64_MAX
        for finals in self._exact:
            mine = finals.of_symbol(symbol) & (finals.at_ns < before_ns)
            if mine.any():
                latest = max(latest, int(finals.close_time_ns()[mine].max()))
        return latest

    def verdict(self, before_ns: int | None = None) -> Verdict:
        """Compare, and name the fields of each kline that differs.

        Of what was published at `before_ns` or later, on either side, nothing is compared.
        """
        tables = [*self._ours, *self._exact]
        instruments = join_instruments(tables)
        ours = concat([KlineBatch.empty(instruments), *self._ours])
        exact = concat([KlineBatch.empty(instruments), *self._exact])
        if before_ns is not None:
            ours, exact = (table.take(table.at_ns < before_ns) for table in (ours, exact))
        comparison = _Comparison(self.name, self.spared, ours, exact)
        if self.states_ids:
            comparison.judge_ids()
        if self.holds_instants:
            comparison.judge_instants(np.array(self._ticks_ns, dtype=np.int64))
        left = () if self.holds_instants else INSTANTS_LEFT
        return comparison.verdict((*left, *(() if self.states_ids else IDS_LEFT)))


class _Comparison:
    """One comparison of two tables over the same instruments."""

    def __init__(self, name: str, spared: Spared, ours: KlineBatch, exact: KlineBatch) -> None:
        self._spared, self._ours, self._exact = spared, ours, exact
        self._log = FindingLog(name)
        names = ("identical", "differing", "not_expected", "missing", "withheld", "spared")
        self._counts = dict.fromkeys(names, 0)
        self._first_ns: dict[tuple[int, int], int] = {}
        # Rows of ours and of the exact one that are equal in nine fields.
        self._equal: list[tuple[int, int]] = []
        self._compare()

    def verdict(self, not_checked: Sequence[str]) -> Verdict:
        """Return what was found."""
        counts = {"klines": len(self._ours), "exact": len(self._exact), **self._counts}
        return Verdict.of(
            self._log.check, counts, self._log.findings(), (*NOT_CHECKED, *not_checked)
        )

    def _compare(self) -> None:
        """Compare row by row, ours in the order published."""
        keys = _keys(self._exact)
        for symbol, interval, open_ns in keys:
            first = self._first_ns.get((symbol, interval), open_ns)
            self._first_ns[symbol, interval] = min(first, open_ns)
        rows = {key: row for row, key in enumerate(keys)}
        seen = set()
        mine, theirs = _values(self._ours), _values(self._exact)
        for row, key in enumerate(_keys(self._ours)):
            seen.add(key)
            if self._is_spared(key):
                self._counts["spared"] += 1
            elif key not in rows:
                self._counts["not_expected"] += 1
                self._tell("not_in_exact", row, self._ours, {"count": mine[row][6]})
            elif mine[row] == theirs[rows[key]]:
                self._counts["identical"] += 1
                self._equal.append((row, rows[key]))
            else:
                self._counts["differing"] += 1
                self._tell("not_exact", row, self._ours, self._differing(row, rows[key]))
        for key, row in rows.items():
            if key not in seen and not self._is_spared(key):
                self._miss(key, row)

    def judge_instants(self, ticks_ns: Int64Array) -> None:
        """Find right klines that were published before they were final, and count late ones."""
        ours, exact = self._ours, self._exact
        late = [(int(ours.at_ns[row] - exact.at_ns[other]), row) for row, other in self._equal]
        for after_ns, row in late:
            if after_ns < 0:
                self._tell("too_soon", row, ours, {"before_it_was_final_ns": -after_ns})
        behind = [(after_ns, row) for after_ns, row in late if after_ns > 0]
        self._counts["late"] = len(behind)
        if behind:
            most_ns, row = max(behind, key=lambda one: (one[0], -one[1]))
            evidence = {"klines": len(behind), "most_ns": most_ns}
            self._tell("published_late", row, ours, evidence, Severity.NOTICE)
            self._judge_overdue(behind, ticks_ns)

    def _judge_overdue(self, behind: Sequence[tuple[int, int]], ticks_ns: Int64Array) -> None:
        """Find those of some late klines that a later tick had not brought out either."""
        after_ns, rows = np.array(behind, dtype=np.int64).T
        at_ns = self._ours.at_ns[rows]
        due = np.searchsorted(ticks_ns, at_ns - after_ns, side="right")
        ticks = np.searchsorted(ticks_ns, at_ns) - due
        if ticks.max(initial=0) > 0:
            most = int(np.argmax(ticks))
            evidence = {
                "klines": int(np.count_nonzero(ticks)),
                "ticks_since_then": int(ticks[most]),
            }
            self._tell("overdue", int(rows[most]), self._ours, evidence, Severity.DOUBT)

    def judge_ids(self) -> None:
        """Find klines of other trade ids, and series whose klines with trades tell no ids at all.

        A quiet kline between trade ids without a gap is quiet; without ids it may be an outage.
        Where the trades' source states no ids there are none to tell.
        """
        klines = self._ours
        for row, other in self._equal:
            ids = klines.first_trade_id[row], self._exact.first_trade_id[other]
            if klines.count[row] > 0 and min(ids) < 0:
                continue
            evidence: dict[str, Any] = {}
            for name in ("first_trade_id", "last_trade_id"):
                mine, theirs = (
                    int(getattr(t, name)[r]) for t, r in ((klines, row), (self._exact, other))
                )
                if mine != theirs:
                    evidence |= {name: mine, f"{name}_exact": theirs}
            if evidence:
                self._tell("other_trade_ids", row, klines, evidence)
        series = klines.symbol.astype(np.int64) * len(INTERVALS) + klines.interval
        stated = np.unique(self._exact.symbol[self._exact.first_trade_id >= 0])
        withheld = (klines.count > 0) & (klines.first_trade_id < 0)
        withheld &= np.isin(klines.symbol, stated)
        for key in np.unique(series[withheld]).tolist():
            mine = series == key
            evidence = {
                "klines": int(np.count_nonzero(mine & withheld)),
                "quiet": int(np.count_nonzero(mine & (klines.count == 0))),
            }
            row = int(np.flatnonzero(mine & withheld)[0])
            self._tell("trade_ids_withheld", row, klines, evidence)

    def _differing(self, row: int, other: int) -> dict[str, Any]:
        evidence: dict[str, Any] = {}
        for name in FIELDS:
            if getattr(self._ours, name)[row] != getattr(self._exact, name)[other]:
                evidence[name] = field_text(self._ours, row, name)
                evidence[f"{name}_exact"] = field_text(self._exact, other, name)
        return evidence

    def _miss(self, key: Key, row: int) -> None:
        close_ns = INTERVALS[key[1]].close_time_ns(key[2])
        touched = any(o.from_ns < close_ns and key[2] < o.until_ns for o in self._spared.outages)
        self._counts["withheld" if touched else "missing"] += 1
        evidence = {"count": field_text(self._exact, row, "count")}
        evidence["volume"] = field_text(self._exact, row, "volume")
        if touched:
            self._tell("withheld", row, self._exact, evidence, Severity.NOTICE)
        else:
            self._tell("missing", row, self._exact, evidence)

    def _is_spared(self, key: Key) -> bool:
        code, interval, open_ns = key
        kind, symbol = INTERVALS[interval], self._ours.instruments[code].symbol
        if open_ns < self._first_ns.get((code, interval), open_ns):
            return True
        if open_ns <= self._spared.continued_ns.get((symbol, kind.text), open_ns - 1):
            return True
        managed = self._spared.managed.get(symbol)
        if managed is None:
            return False
        close_ns = kind.close_time_ns(open_ns)
        return not any(w.from_ns < close_ns and open_ns < w.until_ns for w in managed)

    def _tell(
        self,
        kind: str,
        row: int,
        klines: KlineBatch,
        evidence: dict[str, Any],
        severity: Severity = Severity.ERROR,
    ) -> None:
        finding = kline_finding(self._log.check, kind, klines, row, evidence, severity)
        # What is missing comes after what is there.
        self._log.add(row if klines is self._ours else len(self._ours) + row, finding)


def _keys(klines: KlineBatch) -> list[Key]:
    columns = (klines.symbol.tolist(), klines.interval.tolist(), klines.open_time_ns.tolist())
    return list(zip(*columns, strict=True))


def _values(klines: KlineBatch) -> list[tuple[int, ...]]:
    return list(zip(*(getattr(klines, name).tolist() for name in FIELDS), strict=True))
