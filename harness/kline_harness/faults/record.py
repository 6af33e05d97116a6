"""What a fault changed, exactly: trades by id, ticks, consumers, with the time it touched."""

from __future__ import annotations

from dataclasses import dataclass, field

from kline_harness.tape import Tape
from kline_harness.units import BoolArray


@dataclass(slots=True)
class FaultRecord:
    """What one fault changed in a run.

    `trades` are ids by symbol in the order of the tape; `ticks_ns` the instants at which the
    ticks would have come; `steps` other acts, such as a failed write, in words. `from_ns` and
    `to_ns` enclose all of it.
    """

    kind: str
    trades: dict[str, list[int]] = field(default_factory=dict)
    ticks_ns: list[int] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    from_ns: int | None = None
    to_ns: int | None = None

    @property
    def acted(self) -> bool:
        """Tell whether it changed anything."""
        return bool(self.trades or self.ticks_ns or self.steps)

    @property
    def trade_count(self) -> int:
        """Return how many trades it changed."""
        return sum(len(ids) for ids in self.trades.values())

    def span(self, first_ns: int, last_ns: int) -> None:
        """Widen the time touched."""
        self.from_ns = first_ns if self.from_ns is None else min(self.from_ns, first_ns)
        self.to_ns = last_ns if self.to_ns is None else max(self.to_ns, last_ns)

    def add_trades(self, tape: Tape, rows: BoolArray) -> None:
        """Record rows of a tape."""
        if not rows.any():
            return
        times = tape.event_time_ns[rows]
        self.span(int(times.min()), int(times.max()))
        for code, instrument in enumerate(tape.instruments):
            ids = tape.trade_id[rows & (tape.symbol == code)].tolist()
            if ids:
                self.trades.setdefault(instrument.symbol, []).extend(ids)

    def add_tick(self, at_ns: int) -> None:
        """Record the instant of a tick that was struck."""
        self.ticks_ns.append(at_ns)
        self.span(at_ns, at_ns)
