"""A consumer of one's own, beside those of a replay.

    python docs/examples/own_consumer.py            # exit code 0: valid
    python docs/examples/own_consumer.py --narrow   # exit code 1: klines were lost

`Turnover` gets every kline as a service on the same channel would. What it finds is a check of the
run under its name; what it missed stands in the run's channels.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import kline_harness as kh
from kline_harness.units import INT64_MAX

DAY = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"
MINUTE = kh.INTERVALS.index(kh.parse_interval("1m"))
# Room for this many klines in the channel with --narrow.
NARROW = 1


class Turnover:
    """Counts the trades of the 1m klines; a kline that does not follow the one before is an error.

    It knows no clock: it is told the instants. `rows_until_flush` says that it may be handed many
    rows at once, as nothing that it does depends on when the next one comes.
    """

    name = "turnover"
    timer_period_ns: int | None = None

    def __init__(self) -> None:
        self.klines = self.trades = self.missed = 0
        self._next_ns: dict[str, int] = {}
        self._findings: list[kh.Finding] = []

    def on_rows(self, now_ns: int, rows: kh.Rows[kh.KlineBatch]) -> None:
        """Take klines in the order published."""
        klines = rows.table()
        closes = klines.close_time_ns()
        for row in (klines.interval == MINUTE).nonzero()[0].tolist():
            symbol, open_ns = klines.symbol_text(row), int(klines.open_time_ns[row])
            if self._next_ns.get(symbol, open_ns) != open_ns:
                error = kh.Severity.ERROR
                self._findings.append(
                    kh.Finding(self.name, "does_not_follow", error, symbol, "1m", open_ns, now_ns)
                )
            self._next_ns[symbol] = int(closes[row])
            self.klines += 1
            self.trades += int(klines.count[row])

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Learn of klines that were overwritten: from here on nothing is known to follow."""
        self.missed += missed
        self._next_ns.clear()
        doubt, evidence = kh.Severity.DOUBT, {"missed": missed}
        finding = kh.Finding(self.name, "lagged", doubt, at_ns=now_ns, evidence=evidence)
        self._findings.append(finding)

    def on_timer(self, now_ns: int) -> None:
        """Nothing is due by time."""

    def rows_until_flush(self) -> int:
        """Take any number of rows at once."""
        return INT64_MAX

    def on_close(self, now_ns: int) -> None:
        """Nothing is left to do."""

    def verdict(self) -> kh.Verdict:
        """Say what was counted and found."""
        counts = {"klines": self.klines, "trades": self.trades, "missed": self.missed}
        return kh.Verdict.of(self.name, counts, self._findings, ("other intervals than 1m",))


def main(words: Sequence[str]) -> int:
    """Replay the bundled day with `Turnover` listening; return the exit code."""
    narrow = {"channels": kh.ChannelOptions(klines=NARROW)} if "--narrow" in words else {}
    run = kh.replay(
        DAY / "BRAVOUSDT-aggTrades-2024-05-15.zip",
        klines=DAY / "BRAVOUSDT-1m-2024-05-15.zip",
        consumers=[Turnover],
        intervals="1m,1h",
        **narrow,
    )
    print(run)
    (turnover,) = run.consumers
    print(turnover.verdict().counts)
    return run.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
