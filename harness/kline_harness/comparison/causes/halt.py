"""Trading halts: the exchange publishes no kline, where a quiet market has a flat one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kline_harness.comparison.differing_kline import DifferingKline, Hypothesis, within


class Halt:
    """The exchange has no row, ours is flat, and nothing was traded or lost.

    No trade of any kind lies in the kline, and the trade ids before and after it are contiguous.
    Every other symbol of the run is silent, and no file of the exchange's, of whatever symbol
    and interval, has a row inside of the stretch that lacks rows. It is in doubt where nothing
    else confirms it: neither another symbol nor a file of another interval that lacks a row
    as well. Where the source states no trade ids, it cannot be checked.

    Source: the exchange's public data repository, issues 153 and 169: a quiet interval has a
    flat kline, a suspended one has none.
    """

    name = "halt"
    meaning = "the exchange has no row, as in a halt of trading"

    def applies(self, case: DifferingKline) -> bool:
        """Tell whether the exchange has no row in a file with trade counts."""
        stated = case.evidence.plan.ids_stated
        return stated and case.kline.theirs is None and "count" in case.kline.compared

    def undo(self, case: DifferingKline, state: Hypothesis) -> Iterator[Hypothesis]:
        """Yield a settled state where nothing was traded and nothing lost."""
        kline = case.kline
        window = (kline.open_time_ns, kline.close_time_ns)
        if state.part(case) is not None or np.any(within(state.rows, kline) & state.included):
            return
        if case.gaps or not case.evidence.runs.span(*window):
            return
        others, absence = case.evidence.others.get(window, 0), case.context.absence
        if others or absence.contradicted:
            return
        evidence = {
            "trades": 0,
            "missing_ids": 0,
            "other_symbols": case.evidence.symbols - 1,
            "trades_of_other_symbols": others,
            "other_files_lack_rows": absence.confirmed,
        }
        doubt = "no other symbol and no other interval tells of a halt"
        if case.evidence.symbols > 1 or absence.confirmed:
            doubt = ""
        settled = {"absent": True}
        yield state.after(self.name, evidence, settled=settled, doubt=state.doubt or doubt or None)
