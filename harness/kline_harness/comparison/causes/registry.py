"""Causes of differences: what each can undo, and the smallest set of them that proves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Protocol

from kline_harness.comparison.causes.edge import Edge
from kline_harness.comparison.causes.forming_row import FormingRow
from kline_harness.comparison.causes.halt import Halt
from kline_harness.comparison.causes.injected_fault import InjectedFault
from kline_harness.comparison.causes.late_trade import LateTrade
from kline_harness.comparison.causes.missing_trade_ids import (
    EdgeAndMissingTradeIds,
    MissingTradeIds,
)
from kline_harness.comparison.causes.quiet_left_out import QuietLeftOut
from kline_harness.comparison.causes.revised_archive import RevisedArchive
from kline_harness.comparison.causes.rounded_quote import QuoteRounding
from kline_harness.comparison.causes.straddling_aggregate import MEANING as SPLIT_MEANING
from kline_harness.comparison.causes.straddling_aggregate import NAME as SPLIT
from kline_harness.comparison.causes.trade_kinds import FundTrade, SentinelRow, ZeroQuantityRow
from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis

SET_SIZE_MAX = 4


class Cause(Protocol):
    """A reason why a kline differs.

    `undo` yields what a case becomes with the cause undone, in a fixed order, and nothing where
    the cause cannot be one. A state that is not `settled` is held to equality with the
    exchange's kline; only a cause that can show why equality cannot be asked may settle it.
    """

    @property
    def name(self) -> str:
        """The cause's name: a stable snake_case word."""
        ...

    @property
    def meaning(self) -> str:
        """What can have made a kline differ, as a sentence of a report."""
        ...

    def applies(self, case: DifferingKline) -> bool:
        """Tell cheaply whether the cause can be one of a case."""
        ...

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield the states with the cause undone."""
        ...


# Those that explain what is left over by trades that nobody recorded.
UNRECORDED: tuple[Cause, ...] = (Edge(), MissingTradeIds(), EdgeAndMissingTradeIds())
# The order in which causes are tried and undone: first those that change which trades count,
# then those that change how they are added up, last those that settle by other means.
CAUSES: tuple[Cause, ...] = (
    InjectedFault(),
    FundTrade(),
    SentinelRow(),
    ZeroQuantityRow(),
    LateTrade(),
    FormingRow(),
    QuoteRounding(),
    RevisedArchive(),
    *UNRECORDED,
    Halt(),
    QuietLeftOut(),
)
# What can have made a kline differ, by the names that a report and a gate know.
MEANINGS = {cause.name: cause.meaning for cause in CAUSES if "+" not in cause.name}
MEANINGS[SPLIT] = SPLIT_MEANING


def proof_states(
    case: DifferingKline, start: Hypothesis, sizes: Sequence[int], causes: Sequence[Cause] = CAUSES
) -> Iterator[Hypothesis]:
    """Yield every state that proves, the smallest sets of causes first, in the causes' order."""
    able = [cause for cause in causes if cause.applies(case)]
    for size in sizes:
        for chosen in combinations(able, size):
            for state in undone(case, start, chosen):
                if state.settled is not None or state.equals_theirs(case):
                    yield state


def undone(
    case: DifferingKline, start: Hypothesis, causes: Sequence[Cause]
) -> Iterator[Hypothesis]:
    """Yield every state with all of some causes undone, one after the other."""
    if not causes:
        yield start
        return
    for state in causes[0].undo(case, start):
        if state.settled is start.settled or len(causes) == 1:
            yield from undone(case, state, causes[1:])
