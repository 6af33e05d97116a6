"""The exact aggregator as a subject that declares a channel: klagg's queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.interfaces import Aggregator, Subject
from kline_harness.interval import Interval
from kline_harness.klagg.queue import QueueChannel


@dataclass(frozen=True)
class Queued(Subject):
    """Right klines, and one consumer that takes them."""

    def make(self, intervals: Sequence[Interval], symbols: Sequence[str]) -> Aggregator:
        return ExactAggregator(intervals)

    def channel_designs(self) -> Mapping[str, Callable[..., Any]]:
        return {QueueChannel.design: QueueChannel}
