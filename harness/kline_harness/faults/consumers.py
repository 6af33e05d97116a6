"""Faults of consumers, as options of the listener that runs them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

from kline_harness.faults.fault import Fault
from kline_harness.simulation.listener import ListenerOptions
from kline_harness.units import NS_PER_DAY, NS_PER_MILLISECOND, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerFault(Fault):
    """A fault of one consumer: writer, completeness or lifecycle."""

    consumer: str = "writer"

    def options(self, options: ListenerOptions) -> ListenerOptions:
        """Return how the consumer behaves with the fault."""
        raise NotImplementedError

    def window(self) -> tuple[int | None, int | None]:
        """Return when it begins and ends, None for the run's own start and end."""
        return None, None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowConsumer(ConsumerFault):
    """A consumer that needs `service_ns` for each value."""

    KIND: ClassVar[str] = "consumer_slow"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("delivery.lagged", "delivery.served_late")

    service_ns: int = field(default=NS_PER_MILLISECOND, metadata={"most": NS_PER_DAY})

    def options(self, options: ListenerOptions) -> ListenerOptions:
        """Slow it down."""
        return replace(options, service_ns=self.service_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class StalledConsumer(ConsumerFault):
    """A consumer that takes nothing in [from_ns, until_ns)."""

    KIND: ClassVar[str] = "consumer_stalled"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("delivery.lagged", "delivery.served_late")

    from_ns: int
    until_ns: int

    def __post_init__(self) -> None:
        Window(self.from_ns, self.until_ns)

    def options(self, options: ListenerOptions) -> ListenerOptions:
        """Return the options with one more stall."""
        return replace(options, stalls=(*options.stalls, Window(self.from_ns, self.until_ns)))

    def window(self) -> tuple[int | None, int | None]:
        """Return the window."""
        return self.from_ns, self.until_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class LateConsumer(ConsumerFault):
    """A consumer that subscribes at `at_ns` only, and sees nothing sent before."""

    KIND: ClassVar[str] = "consumer_late"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("delivery.subscribed_late",)

    at_ns: int

    def options(self, options: ListenerOptions) -> ListenerOptions:
        """Let it subscribe late."""
        return replace(options, subscribe_at_ns=self.at_ns)

    def window(self) -> tuple[int | None, int | None]:
        """Return the time without it."""
        return None, self.at_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashedConsumer(ConsumerFault):
    """A consumer that crashes at `at_ns` and runs again from `restart_ns` on.

    What it held and what is sent meanwhile is lost to it.
    """

    KIND: ClassVar[str] = "consumer_crashed"
    TOLD_BY: ClassVar[tuple[str, ...]] = (
        *("writer.klines_lost_in_crash", "writer.klines_lost_to_lag"),
        *("completeness.lagged", "lifecycle.lagged"),
    )

    at_ns: int
    restart_ns: int

    def __post_init__(self) -> None:
        if self.restart_ns <= self.at_ns:
            raise ValueError("expected a restart after the crash")

    def options(self, options: ListenerOptions) -> ListenerOptions:
        """Return the options as they are: the consumer is wrapped instead."""
        return options

    def window(self) -> tuple[int | None, int | None]:
        """Return the time it is down."""
        return self.at_ns, self.restart_ns
