"""How klagg counts time for one of its periods."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from kline_harness.interval import CODE, INTERVALS, Interval
from kline_harness.klagg.quirks import Quirk
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MILLISECOND, NS_PER_MINUTE

# Period texts that the clock path knows when to look at; it looks at any other on every tick.
_PRUNED_NS = {
    "5m": 5 * NS_PER_MINUTE,
    "30m": 30 * NS_PER_MINUTE,
    "1h": NS_PER_HOUR,
    "4h": 4 * NS_PER_HOUR,
    "1d": NS_PER_DAY,
}
# The clock path looks at weeks only this long after Monday 00:00.
_WEEK_WINDOW_NS = 5 * NS_PER_MINUTE
_WEEK = next(interval for interval in INTERVALS if interval.text == "1w")


@dataclass(frozen=True, slots=True)
class Period:
    """A configured period: an interval of the tape's calendar, with klagg's clock rules.

    `rule` is the interval that times follow: the period's own, or one minute where klagg
    misreads the text.
    """

    interval: Interval
    code: int
    rule: Interval
    pruned: bool
    seeded_raw: bool

    @staticmethod
    def of(interval: Interval, quirks: Container[Quirk]) -> Period:
        """Return the period as klagg reads its text."""
        unit = interval.text[-1]
        misread = Quirk.MONTH_IS_MINUTE in quirks and unit not in "mhdw"
        return Period(
            interval,
            CODE[interval],
            INTERVALS[1] if misread else interval,
            pruned=Quirk.POINT_IN_TIME_PRUNING in quirks,
            seeded_raw=(
                Quirk.SEED_UNALIGNED in quirks
                and unit not in "mh"
                and interval.text not in ("1d", "1w")
            ),
        )

    @property
    def order_ns(self) -> int:
        """Return a length to compare periods by; the calendar month is longer than any other."""
        return self.rule.length_ns or 31 * NS_PER_DAY

    def next_open_ns(self, open_time_ns: int) -> int:
        """Return the open time of the following bar; a misaligned bar's stays misaligned."""
        if self.rule.length_ns is None:
            return self.rule.close_time_ns(open_time_ns)
        return open_time_ns + self.rule.length_ns

    def seed_time_ns(self, time_ns: int) -> int:
        """Return where a new symbol's bar opens for a ticker's event time."""
        if self.seeded_raw:
            return time_ns // NS_PER_MILLISECOND * NS_PER_MILLISECOND
        return self.rule.open_time_ns(time_ns)

    def is_looked_at(self, tick_ns: int) -> bool:
        """Tell whether a tick examines this period at all."""
        if not self.pruned:
            return True
        if self.interval.text == "1w":
            return tick_ns - _WEEK.open_time_ns(tick_ns) < _WEEK_WINDOW_NS
        boundary = _PRUNED_NS.get(self.interval.text)
        return boundary is None or tick_ns % boundary < NS_PER_MINUTE
