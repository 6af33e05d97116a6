"""Two files of one symbol's trades: the same time twice, or one day after the other."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np

from kline_harness.archives import id_rule_of
from kline_harness.checks.files import is_one_sided
from kline_harness.checks.files_apart import apart, evidence_of
from kline_harness.columns import concat, unequal_rows
from kline_harness.id_rule import IdRule, are_too_many
from kline_harness.inspection.subject import FileReport
from kline_harness.inspection.tally import Tally
from kline_harness.inspection.trade_reader import TradeReader
from kline_harness.ranges import Ranges, common, size, without

_COMPARED = ("price", "quantity", "first_id", "last_id", "event_time_ns", "buyer_is_maker")


def check_trades(reports: list[FileReport], symbol: str, tally: Tally) -> tuple[int, list[str]]:
    """Compare the ids, and where they are of the same time the contents, of each two files.

    `reports` are of one layout. Returns how many trades two files state, and what was not
    compared and why.
    """
    compared, left_out = 0, []
    for one, other in combinations(reports, 2):
        shared = common(one.ids[symbol], other.ids[symbol])
        if len(shared) == 0:
            continue
        if _other_days(one, other):
            examples = [_range(r, one, other) for r in shared[:5]]
            tally.add("id_in_two_files", size(shared), *examples)
            continue
        _only_in_one(one, other, symbol, tally)
        if one.in_order and other.in_order:
            compared += _contents(one, other, symbol, tally)
        else:
            left_out.append(f"contents of {one.name} against {other.name}: ids not in order")
    _between(reports, symbol, tally)
    return compared, left_out


def check_together(reports: list[FileReport], symbol: str, tally: Tally) -> None:
    """Find what only all files together show: too many single ids missing, one side of takers."""
    found = [one for r in reports for one in r.verdict.findings if one.symbol == symbol]
    kinds = {one.kind for one in found}
    single = sum(one.evidence["count"] for one in found if one.kind == "lone_ids_missing")
    seen = sum(
        size(r.raw_ids[symbol] if len(r.raw_ids[symbol]) else r.ids[symbol]) for r in reports
    )
    names = [r.name for r in reports[:4]]
    if "many_lone_ids_missing" not in kinds and are_too_many(single, seen):
        tally.add("many_lone_ids_missing", single, {"files": names, "ids": seen})
    watches = [r.watches[symbol] for r in reports]
    market, makers = sum(w.market for w in watches), sum(w.makers for w in watches)
    if "maker_never_changes" not in kinds and is_one_sided(watches):
        example = {"files": names, "trades": market, "buyer_is_maker": makers}
        tally.add("maker_never_changes", 1, example)


def check_times(reports: list[FileReport], symbol: str, tally: Tally) -> tuple[int, list[str]]:
    """Find files of one time whose source states no trade ids: which trades both hold is unknown.

    Those that are apart leave open what was traded between them. Returns 0 trades compared, and
    what was not compared and why.
    """
    for first, second, silence_ns in apart([r.watches[symbol] for r in reports]):
        tally.add("files_apart", 1, evidence_of(first, second, silence_ns))
    for one, other in combinations(reports, 2):
        spans = [
            (r.info.first_event_time_ns, r.info.last_event_time_ns) for r in (one, other) if r.info
        ]
        starts, ends = zip(*spans, strict=True)
        if None not in starts and max(starts) <= min(ends):
            shared = {"from_ns": max(starts), "to_ns": min(ends), "symbol": symbol}
            tally.add("same_time_without_ids", 1, {**shared, "files": [one.name, other.name]})
    return 0, ["trades of two files against each other: their source states no trade ids"]


def _other_days(one: FileReport, other: FileReport) -> bool:
    first, second = one.coverage, other.coverage
    if first is None or second is None:
        return False
    return first[1] <= second[0] or second[1] <= first[0]


def _range(ids: Ranges, one: FileReport, other: FileReport) -> dict[str, object]:
    return {
        "first_id": int(ids[0]),
        "last_id": int(ids[1]) - 1,
        "files": [one.name, other.name],
    }


def _only_in_one(one: FileReport, other: FileReport, symbol: str, tally: Tally) -> None:
    left, right = one.ids[symbol], other.ids[symbol]
    low, high = max(left[0, 0], right[0, 0]), min(left[-1, 1], right[-1, 1])
    window = np.array([[low, high]], dtype=np.int64)
    for first, second, here, there in ((left, right, one, other), (right, left, other, one)):
        alone = without(common(first, window), second)
        examples = [
            {"first_id": int(a), "last_id": int(b) - 1, "in": here.name, "not_in": there.name}
            for a, b in alone[:5]
        ]
        tally.add("trades_only_in_one", size(alone), *examples)


def _between(reports: list[FileReport], symbol: str, tally: Tally) -> None:
    """Hold files that follow each other to join without a gap in their ids.

    Whether files without a day in their names were to join is not known.
    """
    files = sorted(reports, key=lambda r: (int(r.ids[symbol][0, 0]), r.name))
    for one, other in pairwise(files):
        assert one.info is not None
        rule = id_rule_of(one.info)
        gap = np.array([one.ids[symbol][-1, 1], other.ids[symbol][0, 0]])
        single = rule is IdRule.FUND_TRADES and one.info.layout != "aggTrades"
        if rule is IdRule.UNKNOWN or gap[1] - gap[0] <= single:
            continue
        if one.coverage is None or other.coverage is None:
            tally.add("ids_missing_after", int(gap[1] - gap[0]), _range(gap, one, other))
        elif one.coverage[1] == other.coverage[0]:
            tally.add("ids_missing_between", int(gap[1] - gap[0]), _range(gap, one, other))


def _contents(one: FileReport, other: FileReport, symbol: str, tally: Tally) -> int:
    """Read both files side by side and compare the trades of the same ids."""
    assert one.trades is not None
    assert other.trades is not None
    compared = 0
    left, right = TradeReader(one.trades, symbol), TradeReader(other.trades, symbol)
    while left.fill() and right.fill():
        until = min(left.last, right.last)
        ours, theirs = left.take(until), right.take(until)
        ids, i, j = np.intersect1d(ours.trade_id, theirs.trade_id, return_indices=True)
        compared += len(ids)
        both = concat([ours.take(i), theirs.take(j)])
        first, second = both[: len(ids)], both[len(ids) :]
        rows = np.flatnonzero(unequal_rows(first, second, _COMPARED))
        examples = [
            {
                "trade_id": int(ids[row]),
                "files": [one.name, other.name],
                "fields": [
                    n for n in _COMPARED if getattr(first, n)[row] != getattr(second, n)[row]
                ],
            }
            for row in rows[: tally.room("trades_conflict")].tolist()
        ]
        tally.add("trades_conflict", len(rows), *examples)
    return compared
