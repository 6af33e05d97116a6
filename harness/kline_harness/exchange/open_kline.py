"""Klines that are still forming, at the instants at which they are sent."""

from __future__ import annotations

from kline_harness.columns import Instrument
from kline_harness.exchange.kline_text import KlineText
from kline_harness.exchange.parts import StepPart
from kline_harness.interval import Interval
from kline_harness.units import NS_PER_MILLISECOND

# Source: the exchange's stream documents: klines are sent every 250 ms.
UPDATE_NS = 250 * NS_PER_MILLISECOND


class FormingKline:
    """The open kline of one symbol and interval."""

    def __init__(
        self, instrument: Instrument, interval: Interval, now: KlineText | None = None
    ) -> None:
        self._instrument = instrument
        self._interval = interval
        self._now = now

    def add(self, part: StepPart) -> KlineText:
        """Take what a step added, and return the kline as it is now."""
        now = self._now
        # A step ends at its instant, which is not in it.
        if now is None or now.count == 0 or not now.open_ns < part.at_ns <= now.close_ns:
            self._now = now = self._begun(self._interval.open_time_ns(part.at_ns - 1), part)
            return now
        now.high, now.low = max(now.high, part.high), min(now.low, part.low)
        now.close = part.close
        now.volume += part.volume
        now.quote += part.quote
        now.count += part.count
        now.taker_volume += part.taker_volume
        now.taker_quote += part.taker_quote
        now.last_id = part.last_id
        return now

    def _begun(self, open_ns: int, part: StepPart) -> KlineText:
        return KlineText(
            self._instrument,
            self._interval.text,
            open_ns,
            self._interval.close_time_ns(open_ns),
            *(part.open, part.high, part.low, part.close, part.volume, part.quote, part.count),
            *(part.taker_volume, part.taker_quote, part.first_id, part.last_id),
        )
