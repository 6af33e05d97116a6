"""Quiet, lost, silent: klines without trades judged by the ids around them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from kline_harness.checks.continuity import ContinuityWatch
from kline_harness.comparison.compare import Comparison, ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.pairs import compare
from kline_harness.comparison.series_rows import RowsInMemory
from kline_harness.comparison.stored import Stored
from kline_harness.interval import parse_interval
from kline_harness.kline import FIELDS
from kline_harness.trade_ids import IdRuns
from kline_harness.verdict import Finding, Severity, Validity, Verdict

from tests.comparison.story import MINUTE, NS, START, SYMBOL, chunks, table_of, tape_of, trades
from tests.oracle import OracleTrade, klines


def judged(
    recorded: Sequence[OracleTrade],
    theirs: Sequence[OracleTrade] | None = None,
    interval: str = "1m",
) -> Verdict:
    watch = ContinuityWatch()
    for tape in chunks(tape_of(recorded), 3):
        watch.add(tape)
    symbols = sorted({trade.symbol for trade in recorded})
    tables = [
        table_of(klines([t for t in recorded if t.symbol == symbol], "1m"), "1m", symbol)
        for symbol in symbols
    ]
    stored = Stored.of(pa.concat_tables(tables).unify_dictionaries())
    minute = parse_interval("1m")
    if theirs is None:
        return watch.verdict(stored, [minute])
    table = table_of(klines(theirs, interval), interval)
    references = [
        ReferenceKlines(SYMBOL, parse_interval(interval), RowsInMemory(table), FIELDS, "f")
    ]
    mine = [stored.table]
    if interval != "1m":
        mine.append(table_of(klines(recorded, interval), interval))
    both = Stored.of(pa.concat_tables(mine).unify_dictionaries())
    found: Comparison = compare(both, references, {SYMBOL: Coverage(((START, START + 2**50),))})
    return watch.verdict(stored, [minute], found, references)


def of_kind(verdict: Verdict, kind: str) -> list[Finding]:
    return [finding for finding in verdict.findings if finding.kind == kind]


def test_contiguous_ids_are_quiet() -> None:
    verdict = judged(trades("1 100x1, 130 100x1"))
    assert verdict.validity is Validity.VALID
    assert (verdict.counts["quiet"], verdict.counts["id_gaps"]) == (1, 0)


def test_flat_klines_over_missing_ids_are_lost() -> None:
    recorded = trades("1 100x1, 250 100x1 id=9, 251 100x1")
    verdict = judged(recorded)
    assert verdict.validity is Validity.INVALID
    (lost,) = of_kind(verdict, "lost_stretch")
    assert lost.severity is Severity.ERROR
    assert (lost.symbol, lost.interval) == (SYMBOL, "1m")
    assert lost.open_time_ns == START + MINUTE
    assert lost.evidence["flat_klines"] == 3
    assert (lost.evidence["after_id"], lost.evidence["before_id"]) == (1, 9)
    assert lost.evidence["missing"] == 7
    assert (verdict.counts["quiet"], verdict.counts["lost_klines"]) == (0, 3)


def test_one_missing_id_over_flat_klines_may_be_a_fund_trade() -> None:
    verdict = judged(trades("1 100x1, 250 100x1 id=3"))
    assert verdict.validity is Validity.UNKNOWN
    assert of_kind(verdict, "lost_stretch")[0].severity is Severity.DOUBT


def test_the_exchange_s_flat_klines_say_that_nothing_was_lost() -> None:
    recorded = trades("1 100x1, 250 100x1 id=9")
    verdict = judged(recorded, recorded)
    assert verdict.validity is Validity.VALID
    assert of_kind(verdict, "lost_stretch")[0].severity is Severity.NOTICE
    # With trades of the exchange's in one of them it is a loss.
    theirs = trades("1 100x1, 130 101x1, 250 100x1 id=9")
    assert judged(recorded, theirs).validity is Validity.INVALID


def test_a_longer_kline_of_the_exchange_s_says_so_too() -> None:
    recorded = trades("1 100x1, 250 100x1 id=9")
    assert judged(recorded, recorded, "5m").validity is Validity.VALID
    theirs = trades("1 100x1, 130 101x1, 250 100x1 id=9")
    assert judged(recorded, theirs, "5m").validity is Validity.INVALID


def test_ids_that_a_source_does_not_state_tell_nothing() -> None:
    watch = ContinuityWatch()
    recorded = trades("1 100x1, 130 100x1")
    watch.add(tape_of(recorded))
    stored = Stored.of(table_of(klines(recorded, "1m"), "1m"))
    verdict = watch.verdict(stored, [parse_interval("1m")], unnumbered={SYMBOL})
    assert of_kind(verdict, "ids_not_stated")[0].severity is Severity.NOTICE


def test_missing_ids_in_traded_time_are_a_doubt_where_nothing_was_compared() -> None:
    tape = trades("1 100x1, 2 100x1 id=3, 61 100x1 id=10")
    verdict = judged(tape)
    assert verdict.validity is Validity.UNKNOWN
    (gaps,) = of_kind(verdict, "missing_trade_ids")
    assert (gaps.evidence["gaps"], gaps.evidence["missing_ids"]) == (2, 7)
    assert of_kind(verdict, "lost_stretch") == []
    compared = judged(tape, tape)
    assert of_kind(compared, "missing_trade_ids")[0].severity is Severity.NOTICE
    assert compared.validity is Validity.VALID


def test_all_symbols_silent_for_minutes() -> None:
    alfa = trades("1 100x1, 400 100x1")
    assert of_kind(judged(alfa), "feed_silent")[0].evidence["longest_ns"] == 399 * NS
    bravo = [OracleTrade(**{**vars(t), "symbol": "BRAVOUSDT"}) for t in trades("100 1x1, 250 1x1")]
    both = sorted([*alfa, *bravo], key=lambda t: t.time_ns)
    assert of_kind(judged(both), "feed_silent") == []


IDS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 4)), min_size=1, max_size=40)


@given(IDS, st.integers(1, 7))
def test_runs_are_the_set_of_ids(ranges: list[tuple[int, int]], size: int) -> None:
    runs = IdRuns()
    for start in range(0, len(ranges), size):
        part = ranges[start : start + size]
        first = np.array([a for a, _ in part], dtype=np.int64)
        last = first + np.array([n for _, n in part], dtype=np.int64)
        runs.add(first, first, last, first * 10)
    seen = sorted({i for a, n in ranges for i in range(a, a + n + 1)})
    missing = [(a, b) for a, b in pairwise(seen) if b > a + 1]
    assert [(g.after_id, g.before_id) for g in runs.gaps().first(99)] == missing
    assert runs.gaps().missing == sum(b - a - 1 for a, b in missing)
