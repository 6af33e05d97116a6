"""From a violation to the least that still shows it: few faults, few trades, plain options.

Source of the method: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input"
(2002), the algorithm ddmin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from kline_harness.explore.judge import Judge, Violation
from kline_harness.faults.fault import Fault
from kline_harness.faults.trades import Disconnect, DropTrades, TradeFault
from kline_harness.replay.assembly import Substitutions
from kline_harness.replay.control_runs import numbered
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.simulation.channels import ChannelOptions
from kline_harness.simulation.simulation import Fidelity
from kline_harness.storage.parquet_writer import WriterOptions

T = TypeVar("T")
# Runs of a shrink at most: what it has then is the result.
RUNS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The least found: scenario, trades, and the violation as it shows there."""

    scenario: Scenario
    trade_set: TradeSet
    violation: Violation
    runs: int


class Shrinker:
    """Makes a violating run smaller as long as a violation of the same name shows."""

    def __init__(
        self,
        scenario: Scenario,
        trade_set: TradeSet,
        violation: Violation,
        substitutions: Substitutions,
    ) -> None:
        self.scenario = replace(scenario, faults=numbered(scenario.faults))
        self.trade_set = trade_set
        self.violation = violation
        self.runs = 0
        self._substitutions = substitutions

    def shrink(self) -> Shrunk:
        """Shrink options, faults and trades in turns, until nothing gets smaller."""
        self._plain_options()
        size = None
        while size != (size := self._size()) and self.runs < RUNS_MAX:
            self._faults()
            self._trades()
            self._struck_trades()
        return Shrunk(self.scenario, self.trade_set, self.violation, self.runs)

    def _size(self) -> tuple[int, int]:
        return len(self.scenario.faults), len(self.trade_set.tape)

    def _shows(self, scenario: Scenario, trade_set: TradeSet) -> bool:
        """Tell whether the violation shows in another run; if so, that is the run from now on."""
        if self.runs >= RUNS_MAX or len(trade_set.tape) == 0:
            return False
        self.runs += 1
        judged = Judge(trade_set, self._substitutions).judge(scenario)
        for violation in judged.violations:
            if violation.name == self.violation.name:
                self.scenario, self.trade_set, self.violation = scenario, trade_set, violation
                return True
        return False

    def _plain_options(self) -> None:
        plain: dict[str, Any] = {
            "fidelity": Fidelity.BATCH,
            "channels": ChannelOptions(),
            "writer": WriterOptions(),
            "clock": replace(self.scenario.clock, grace_ns=None),
        }
        for name, option in plain.items():
            if getattr(self.scenario, name) != option:
                self._shows(replace(self.scenario, **{name: option}), self.trade_set)
        if len(self.scenario.intervals) > 1:
            for interval in self.scenario.intervals[1:]:
                rest = tuple(one for one in self.scenario.intervals if one != interval)
                self._shows(replace(self.scenario, intervals=rest), self.trade_set)

    def _faults(self) -> None:
        def without(faults: Sequence[Fault]) -> bool:
            return self._shows(replace(self.scenario, faults=tuple(faults)), self.trade_set)

        ddmin(self.scenario.faults, without)

    def _trades(self) -> None:
        whole = self.trade_set

        def with_rows(rows: Sequence[int]) -> bool:
            tape = whole.tape.take(np.array(rows, dtype=np.int64))
            return self._shows(self.scenario, replace(whole, tape=tape))

        ddmin(range(len(whole.tape)), with_rows)

    def _struck_trades(self) -> None:
        """Name the trades that a fault strikes one by one, as few as show the violation.

        A dropped trade that is needed can as well be left out of the tape.
        """
        for place, fault in enumerate(self.scenario.faults):
            if not isinstance(fault, TradeFault) or isinstance(fault, Disconnect):
                continue
            record = self._records()[place]
            if record is None or len(record) != 1 or isinstance(fault, DropTrades):
                continue
            ((symbol, ids),) = record.items()

            def on(some: Sequence[int], at: int = place, text: str = symbol) -> bool:
                faults = list(self.scenario.faults)
                struck = faults[at]
                assert isinstance(struck, TradeFault)
                only: Any = struck.only(text, tuple(some))
                faults[at] = only
                return self._shows(replace(self.scenario, faults=tuple(faults)), self.trade_set)

            if on(ids):
                ddmin(ids, on)

    def _records(self) -> list[dict[str, list[int]] | None]:
        memory_run = Judge(self.trade_set, self._substitutions).judge(self.scenario).memory_run
        if memory_run is None:
            return [None] * len(self.scenario.faults)
        return [record.trades for record in memory_run.records]


def ddmin(items: Sequence[T], shows: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return a least part of a list that still shows: leaving any one item out does not."""
    kept, parts = list(items), 2
    if kept and shows([]):
        return []
    while len(kept) >= 2:
        size = -(-len(kept) // parts)
        chunks = [kept[start : start + size] for start in range(0, len(kept), size)]
        for number in range(len(chunks)):
            rest = [item for k, chunk in enumerate(chunks) if k != number for item in chunk]
            if shows(rest):
                kept, parts = rest, max(2, parts - 1)
                break
        else:
            if parts >= len(kept):
                break
            parts = min(len(kept), 2 * parts)
    return kept
