"""Rows of one trade id that do not say the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kline_harness.tape import Tape
from kline_harness.units import format_exact

# What is the exchange's; the quote quantity of raw trades is rounded by some sources.
_FIELDS = {
    "price": "price",
    "quantity": "quantity",
    "event_time_ns": "time",
    "buyer_is_maker": "side",
    "first_id": "first id",
    "last_id": "last id",
}


@dataclass(slots=True)
class IdConflicts:
    """Counts rows of one symbol whose id an earlier row of the same block or the last one has.

    Only those with other contents count. `first` is the id, the time and the differing fields of
    the first of them; `low_ns` and `high_ns` the span of all.
    """

    count: int = 0
    first: tuple[int, int, tuple[str, ...]] | None = None
    low_ns: int = 0
    high_ns: int = 0
    _last: tuple[int, dict[str, str]] | None = None

    def add(self, tape: Tape) -> None:
        """Take the next rows of the symbol; memory does not grow."""
        if len(tape) == 0:
            return
        ids = tape.trade_id
        if self._last is not None and int(ids[0]) == self._last[0]:
            self._compare(tape, 0, self._last[1])
        if len(ids) > 1 and np.diff(ids).min() <= 0:
            order = np.argsort(ids, kind="stable")
            again = np.flatnonzero(ids[order][1:] == ids[order][:-1])
            for before, after in zip(order[again].tolist(), order[again + 1].tolist(), strict=True):
                self._compare(tape, after, _contents(tape, before))
        self._last = int(ids[-1]), _contents(tape, len(tape) - 1)

    def _compare(self, tape: Tape, row: int, before: dict[str, str]) -> None:
        now = _contents(tape, row)
        other = tuple(_FIELDS[name] for name in _FIELDS if now[name] != before[name])
        if not other:
            return
        at_ns = int(tape.event_time_ns[row])
        self.low_ns = at_ns if self.first is None else min(self.low_ns, at_ns)
        self.high_ns = at_ns if self.first is None else max(self.high_ns, at_ns)
        self.first = self.first or (int(tape.trade_id[row]), at_ns, other)
        self.count += 1


def _contents(tape: Tape, row: int) -> dict[str, str]:
    """Return what a row says, numbers as plain text: blocks may differ in their decimals."""
    instrument = tape.instruments[int(tape.symbol[row])]
    scales = {"price": instrument.price_scale, "quantity": instrument.quantity_scale}
    return {
        name: format_exact(int(getattr(tape, name)[row]), scales.get(name, 0)) for name in _FIELDS
    }
