"""Files of trades against what their names claim: what is outside, cut short, or odd as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kline_harness.checks import row_laws
from kline_harness.checks.borne_out import borne_out
from kline_harness.checks.left_out import file_without_klines
from kline_harness.comparison.compare import Comparison, ReferenceKlines
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import (
    INT64_MAX,
    NS_PER_MINUTE,
    NS_PER_SECOND,
    BoolArray,
    Int64Array,
    utc_text,
)
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "files"
# A silence at an edge of the named time is reported if it is long, and much longer than others.
EDGE_NS_MIN = 10 * NS_PER_MINUTE
EDGE_TIMES = 4
# So many takers are on one side by chance once in four thousand million times.
SAME_SIDE_MIN = 32
_NAMED = 4
# Exchanges number a symbol's trades from 0 or 1.
_FIRST_ID = 1
NOT_CHECKED = (
    "trades before the first and after the last row of a file without a day in its name",
)


@dataclass(slots=True)
class FileWatch:
    """One symbol's trades of one file, looked at as they are read; memory does not grow.

    `claimed` is the time [start, end) in nanoseconds that the file's name claims. Rows outside of
    it are counted in `outside` and in nothing else. `first_ns`, `last_ns` and `silence_ns`, the
    longest time between two trades, are of the rows inside. The rows that break a law of rows are
    counted by its kind in `broken`; those of a recording stand in the order of their arrival.
    """

    name: str
    symbol: str
    claimed: tuple[int, int] | None
    sides_stated: bool = True
    ids_stated: bool = True
    rows: int = 0
    outside: int = 0
    first_outside_ns: int | None = None
    first_ns: int | None = None
    last_ns: int | None = None
    silence_ns: int = 0
    makers: int = 0
    market: int = 0
    unknown: int = 0
    lowest_id: int | None = None
    is_aggregated: bool = False
    is_recorded: bool = False
    quotes_stated: bool = False
    size_assumed: bool = False
    # Of inverse contracts whose base quantity is stated.
    size: row_laws.ContractSize | None = None
    broken: dict[str, int] = field(default_factory=dict)
    first_broken_ns: dict[str, int] = field(default_factory=dict)
    last_row: tuple[int, int, int] | None = None

    def add(self, tape: Tape) -> None:
        """Take the next rows of this symbol."""
        self.rows += len(tape)
        makers = tape.buyer_is_maker
        if tape.kind.any():
            market = tape.kind == TradeKind.MARKET
            self.market += int(np.count_nonzero(market))
            self.unknown += int(np.count_nonzero(tape.kind == TradeKind.OTHER))
            self._break("zero_quantity", tape.kind == TradeKind.ZERO_QUANTITY, tape, 0)
            makers = makers & market
        else:
            self.market += len(tape)
        self.makers += int(np.count_nonzero(makers))
        if self.ids_stated and not self.is_aggregated:
            own = (tape.first_id == tape.trade_id) & (tape.last_id == tape.trade_id)
            self.is_aggregated = bool(np.any(~own & (tape.first_id >= 0)))
        times = tape.event_time_ns
        if len(times) == 0:
            return
        if self.ids_stated:
            lowest = int(tape.first_id.min())
            if lowest < 0:
                lowest = int(tape.first_id[tape.first_id >= 0].min(initial=INT64_MAX))
            self.lowest_id = lowest if self.lowest_id is None else min(lowest, self.lowest_id)
        self._hold_to_laws(tape)
        steps = np.diff(times)
        goes_on = self.last_ns is None or times[0] >= self.last_ns
        if not goes_on or steps.min(initial=0) < 0:
            self._add_unordered(self._inside(times))
        else:
            if self.claimed and not self.claimed[0] <= times[0] <= times[-1] < self.claimed[1]:
                times = self._inside(times)
                steps = np.diff(times)
            self._add_ordered(times, steps)

    def _hold_to_laws(self, tape: Tape) -> None:
        if self.quotes_stated:
            instrument = tape.instruments[int(tape.symbol[0])]
            self._break("quote_not_product", row_laws.not_products(tape, instrument)[0], tape, 0)
        if self.size is not None:
            self._break("contract_sizes", self.size.others(tape), tape, 0)
        if self.size_assumed:
            self._break("contract_size_assumed", np.ones(len(tape), dtype=np.bool_), tape, 0)
        if not self.ids_stated or self.is_recorded:
            return
        first = tape.first_id
        columns = tape.trade_id, tape.event_time_ns, tape.last_id
        if self.last_row is not None:
            # The first row against the last one of the rows before.
            pairs = zip(self.last_row, columns, strict=True)
            seam = [np.array([one, column[0]]) for one, column in pairs]
            self._hold_to_order(*seam, first[[0, 0]], tape, 0)
        self._hold_to_order(*columns, first, tape, 1)
        self.last_row = int(columns[0][-1]), int(columns[1][-1]), int(columns[2][-1])

    def _hold_to_order(
        self, ids: Int64Array, times: Int64Array, last: Int64Array, first: Int64Array, *at: Any
    ) -> None:
        """Hold rows to those before them; `at` is their tape and the row that is judged first."""
        self._break("time_backwards", row_laws.contradicted(ids, times), *at)
        if self.is_aggregated:
            self._break("overlapping_aggregates", row_laws.shared_raw_ids(ids, first, last), *at)

    def _break(self, kind: str, rows: BoolArray, tape: Tape, start: int) -> None:
        count = int(np.count_nonzero(rows))
        if count:
            at = int(tape.event_time_ns[int(np.argmax(rows)) + start])
            self.first_broken_ns.setdefault(kind, at)
            self.broken[kind] = self.broken.get(kind, 0) + count

    def _inside(self, times: Int64Array) -> Int64Array:
        """Return the times that the name claims; count the others."""
        if self.claimed is None:
            return times
        out = (times < self.claimed[0]) | (times >= self.claimed[1])
        if not out.any():
            return times
        if self.first_outside_ns is None:
            self.first_outside_ns = int(times[int(np.argmax(out))])
        self.outside += int(np.count_nonzero(out))
        return times[~out]

    def _add_unordered(self, times: Int64Array) -> None:
        """Take times of which some are earlier than one before, which end no silence."""
        if len(times) == 0:
            return
        low = int(times.min()) if self.first_ns is None else min(self.first_ns, int(times.min()))
        before = [] if self.last_ns is None else [self.last_ns]
        reached = np.maximum.accumulate(np.concatenate([np.array(before, np.int64), times]))
        self._add_ordered(reached, np.diff(reached))
        self.first_ns = low

    def _add_ordered(self, times: Int64Array, steps: Int64Array) -> None:
        """Take times none of which is earlier than the one before, and the steps between them."""
        if len(times) == 0:
            return
        first, last = int(times[0]), int(times[-1])
        since = 0 if self.last_ns is None else first - self.last_ns
        self.silence_ns = max(self.silence_ns, since, int(steps.max(initial=0)))
        self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
        self.last_ns = last

    @property
    def is_from_first(self) -> bool:
        """Whether it holds the first trade that its source has ever numbered."""
        return self.lowest_id is not None and self.lowest_id <= _FIRST_ID

    def edges(self) -> Iterator[tuple[str, bool, int, int]]:
        """Yield for each end of the named time whether nothing was traded there for too long.

        Kind, answer, the time of the trade next to it, and the silence; nothing without trades.
        """
        if self.claimed is None or self.first_ns is None or self.last_ns is None:
            return
        before_ns, after_ns = self.first_ns - self.claimed[0], self.claimed[1] - self.last_ns
        yield "starts_late", self.starts_late, self.first_ns, before_ns
        yield "stops_early", self.stops_early, self.last_ns, after_ns

    @property
    def limit_ns(self) -> int:
        """The longest silence at an edge that the trades themselves make ordinary."""
        return edge_limit_ns(self.silence_ns)

    @property
    def starts_late(self) -> bool:
        """Whether nothing was traded for too long after the start of the named time."""
        if self.claimed is None or self.first_ns is None:
            return False
        return self.first_ns - self.claimed[0] > self.limit_ns

    @property
    def stops_early(self) -> bool:
        """Whether nothing was traded for too long before the end of the named time."""
        if self.claimed is None or self.last_ns is None:
            return False
        return self.claimed[1] - self.last_ns > self.limit_ns

    @property
    def span(self) -> tuple[int, int] | None:
        """The times of the first and the last trade."""
        if self.first_ns is None or self.last_ns is None:
            return None
        return self.first_ns, self.last_ns

    @property
    def window(self) -> tuple[int, int] | None:
        """The time that the rows cover: all that the name claims, but no more than there is.

        Of the last trade's instant more may be missing: it is not covered.
        """
        span = self.span
        if span is None or self.claimed is None:
            return span
        start = span[0] if self.starts_late else self.claimed[0]
        return start, span[1] if self.stops_early else self.claimed[1]

    def overlaps(self, other: FileWatch) -> bool:
        """Tell whether two files hold trades of one symbol and one time in two ways."""
        if self.symbol != other.symbol or self.is_aggregated == other.is_aggregated:
            return False
        mine, theirs = self.span, other.span
        return bool(mine and theirs and mine[0] <= theirs[1] and theirs[0] <= mine[1])


def is_one_sided(watches: Sequence[FileWatch]) -> bool:
    """Tell whether more takers are on one side, and none on the other, than chance makes."""
    market, makers = sum(one.market for one in watches), sum(one.makers for one in watches)
    stated = all(one.sides_stated for one in watches)
    return stated and market >= SAME_SIDE_MIN and makers in (0, market)


def edge_limit_ns(silence_ns: int) -> int:
    """Return how long a silence at an edge may be, given the longest between two trades."""
    return max(EDGE_NS_MIN, EDGE_TIMES * silence_ns)


def files_verdict(
    watches: Iterable[FileWatch],
    left_out: Mapping[str, str],
    found: Comparison,
    references: Sequence[ReferenceKlines] = (),
) -> Verdict:
    """Judge files of trades by their names, sides that never change, and kinds that are not known.

    Where klines of `references`, as `found` compared them, bear the trades of an edge out, the
    takers' side, or what was left out, there is no doubt about those. `left_out` are files given as
    the exchange's klines, with what they hold.
    """
    reached, compared = borne_out(found, references)
    counts = {"files": 0, "outside_of_name": 0, "cut_short": 0}
    findings: list[Finding] = []
    sides: dict[str, list[FileWatch]] = {}
    for watch in sorted(watches, key=lambda one: (one.symbol, one.name)):
        counts["files"] += 1
        counts["outside_of_name"] += watch.outside
        sides.setdefault(watch.symbol, []).append(watch)
        if watch.outside:
            findings.append(_outside(watch))
        findings += _broken(watch, compared.get(watch.symbol, set()))
        for finding in _edges(watch, reached.get(watch.symbol)):
            counts["cut_short"] += finding.severity is Severity.DOUBT
            findings.append(finding)
    for symbol, mine in sides.items():
        market, makers = sum(w.market for w in mine), sum(w.makers for w in mine)
        fields = compared.get(symbol, set())
        if is_one_sided(mine):
            findings.append(_same_side(symbol, market, makers, "taker_buy_volume" in fields))
        if any(watch.unknown for watch in mine):
            findings.append(_kind_not_known(symbol, mine, is_compared="volume" in fields))
    findings += [file_without_klines(CHECK, *one) for one in sorted(left_out.items())]
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)


def _outside(watch: FileWatch) -> Finding:
    assert watch.claimed is not None
    assert watch.first_outside_ns is not None
    sentence = (
        f"{watch.outside:,} of {watch.rows:,} rows of {watch.name} lie outside of the time that "
        f"its name claims, {_named(watch.claimed)}; the first is of "
        f"{utc_text(watch.first_outside_ns)}"
    )
    evidence = {"sentence": sentence, "file": watch.name, "rows": watch.outside}
    return _finding("time_outside_name", Severity.DOUBT, watch.symbol, evidence)


def _edges(watch: FileWatch, reached: tuple[int, int] | None) -> Iterable[Finding]:
    """Yield the edges of the named time at which trades are missing, or nothing was traded."""
    if watch.claimed is None:
        return
    start, until = watch.claimed
    if watch.first_ns is None or watch.last_ns is None:
        sentence = f"{watch.name} has no row of the time that its name claims"
        evidence: dict[str, Any] = {"sentence": sentence, "file": watch.name}
        yield _finding("nothing_of_named_time", Severity.DOUBT, watch.symbol, evidence)
        return
    low, high = reached or (until, start)
    for kind, is_so, at_ns, silence_ns in watch.edges():
        if not is_so:
            continue
        is_borne_out = high >= until
        if kind == "starts_late":
            is_borne_out = low <= start or watch.is_from_first
        word, end = ("first", "start") if kind == "starts_late" else ("last", "end")
        sentence = (
            f"{watch.name}: its {word} trade is of {utc_text(at_ns)}, {minutes_text(silence_ns)} "
            f"from the {end} of the time that its name claims, and the longest silence between "
            f"its trades is {minutes_text(watch.silence_ns)}"
        )
        evidence = {"sentence": sentence, "file": watch.name, "time_ns": at_ns}
        evidence |= {"silence_ns": silence_ns, "longest_silence_within_ns": watch.silence_ns}
        severity = Severity.NOTICE if is_borne_out else Severity.DOUBT
        yield _finding(kind, severity, watch.symbol, evidence)


def _broken(watch: FileWatch, compared: set[str]) -> Iterator[Finding]:
    """Yield what rows contradict each other in, unless klines of the exchange bear them out."""
    for kind, count in sorted(watch.broken.items()):
        words, field_name = row_laws.LAWS[kind]
        first = utc_text(watch.first_broken_ns[kind])
        rows = f"{count:,} of {watch.rows:,} rows of {watch.name}"
        sentence = f"{rows} {words}; the first is of {first}"
        evidence = {"sentence": sentence, "file": watch.name, "rows": count}
        severity = Severity.NOTICE if field_name in compared else Severity.DOUBT
        yield _finding(kind, severity, watch.symbol, evidence)


def _kind_not_known(symbol: str, watches: Sequence[FileWatch], *, is_compared: bool) -> Finding:
    """Tell of trades that the source names a kind of, and no document of its does."""
    unknown, rows = sum(w.unknown for w in watches), sum(w.rows for w in watches)
    names = [watch.name for watch in watches if watch.unknown]
    sentence = (
        f"{unknown:,} of {rows:,} trades are of a kind that is not known (not MARKET, "
        f"INSURANCE_FUND or ADL) and in no kline [{', '.join(names[:_NAMED])}]"
    )
    evidence = {"sentence": sentence, "trades": unknown, "files": names[:_NAMED]}
    severity = Severity.NOTICE if is_compared else Severity.DOUBT
    return _finding("kind_not_known", severity, symbol, evidence)


def _same_side(symbol: str, market: int, makers: int, is_compared: bool) -> Finding:
    word = "every" if makers else "no"
    sentence = f"in {word} one of {market:,} trades the buyer is the maker"
    evidence = {"sentence": sentence, "trades": market, "buyer_is_maker": makers}
    severity = Severity.NOTICE if is_compared else Severity.DOUBT
    return _finding("maker_never_changes", severity, symbol, evidence)


def _finding(
    kind: str, severity: Severity, symbol: str | None, evidence: Mapping[str, Any]
) -> Finding:
    return Finding(CHECK, kind, severity, symbol, evidence=evidence)


def _named(claimed: tuple[int, int]) -> str:
    return f"{utc_text(claimed[0])} to {utc_text(claimed[1])}"


def minutes_text(length_ns: int) -> str:
    """Write a length of time in hours, minutes and seconds."""
    minutes, rest = divmod(length_ns // NS_PER_SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"
