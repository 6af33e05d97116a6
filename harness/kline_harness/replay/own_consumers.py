"""Consumers of a caller's own: made for each run, and not trusted to keep the seam."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

from kline_harness.aggregators.loader import missing
from kline_harness.columns import Rows
from kline_harness.errors import UsageError, UserError, own_code
from kline_harness.interfaces import Consumer
from kline_harness.verdict import Verdict

MakeConsumer: TypeAlias = Callable[[], Any]

_METHODS = ("on_rows", "on_lag", "on_timer", "rows_until_flush", "on_close", "verdict")
CHANNELS = ("klines", "lifecycle")


def own_factories(given: Sequence[Any]) -> tuple[MakeConsumer, ...]:
    """Return what makes each consumer: a factory or class as it is, of an object a copy per run."""
    return tuple(_factory(one) for one in given)


def _factory(given: Any) -> MakeConsumer:
    if isinstance(given, type) or (callable(given) and missing(given, _METHODS)):
        return given  # type: ignore[no-any-return]
    return lambda: copy.deepcopy(given)


def make_own(
    factories: Sequence[MakeConsumer], reserved: Collection[str] = ()
) -> list[GuardedConsumer]:
    """Make the consumers of a run; `reserved` are the names of its checks.

    Raises UsageError for one that cannot be made, is no consumer, or has a name that is taken.
    """
    made: list[GuardedConsumer] = []
    for factory in factories:
        consumer = GuardedConsumer(_made(factory))
        if consumer.name in reserved:
            raise UsageError(
                f"consumer {consumer.name!r}: expected a name of its own, found that of a check"
            )
        if consumer.name in {one.name for one in made}:
            raise UsageError(f"consumers: expected names of their own, found two {consumer.name!r}")
        made.append(consumer)
    return made


def _made(factory: MakeConsumer) -> Consumer:
    try:
        with own_code():
            made = factory()
    except UserError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise UsageError(f"a consumer could not be made: {said}") from error
    kind, lacking = type(made).__name__, missing(made, _METHODS)
    if lacking:
        expected = f"expected the methods {', '.join(_METHODS)}"
        raise UsageError(f"consumer {kind}: {expected}, found none named {', '.join(lacking)}")
    name, period_ns = getattr(made, "name", None), getattr(made, "timer_period_ns", None)
    if not isinstance(name, str) or not name:
        raise UsageError(f"consumer {kind}: expected a name as text, found {name!r}")
    whole = isinstance(period_ns, int) and not isinstance(period_ns, bool) and period_ns > 0
    if not whole and period_ns is not None:
        expected = "expected timer_period_ns in whole nanoseconds above 0, or None"
        raise UsageError(f"consumer {kind}: {expected}, found {period_ns!r}")
    channel = getattr(made, "channel", CHANNELS[0])
    if channel not in CHANNELS:
        expected = f"expected a channel {' or '.join(CHANNELS)}"
        raise UsageError(f"consumer {kind}: {expected}, found {channel!r}")
    consumer: Consumer = made
    return consumer


class GuardedConsumer:
    """Asks a consumer until it raises something; its verdict is unknown then.

    One that answers with anything but a verdict under its own name is unknown as well.
    """

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.name = consumer.name
        self.timer_period_ns = consumer.timer_period_ns
        self.channel: str = getattr(consumer, "channel", CHANNELS[0])
        self._error: Exception | None = None

    def on_rows(self, now_ns: int, rows: Rows[Any]) -> None:
        """Hand rows on."""
        self._ask(lambda: self.consumer.on_rows(now_ns, rows))

    def on_lag(self, now_ns: int, missed: int) -> None:
        """Hand a lag on."""
        self._ask(lambda: self.consumer.on_lag(now_ns, missed))

    def on_timer(self, now_ns: int) -> None:
        """Hand the timer on."""
        self._ask(lambda: self.consumer.on_timer(now_ns))

    def rows_until_flush(self) -> int:
        """Return what the consumer says, one where it cannot say."""
        rows = self._ask(self.consumer.rows_until_flush)
        if type(rows) is int and rows > 0:
            return rows
        if self._error is None:
            self._error = TypeError(f"rows_until_flush: expected a number above 0, found {rows!r}")
        return 1

    def on_close(self, now_ns: int) -> None:
        """Hand the close on."""
        self._ask(lambda: self.consumer.on_close(now_ns))

    def verdict(self) -> Verdict:
        """Return what the consumer found."""
        verdict = self._ask(self.consumer.verdict)
        if self._error is None and not (
            isinstance(verdict, Verdict) and verdict.check == self.name
        ):
            found = verdict.check if isinstance(verdict, Verdict) else verdict
            self._error = TypeError(f"expected a verdict of {self.name!r}, found {found!r}")
        if self._error is not None:
            return Verdict.crashed(self.name, self._error)
        assert isinstance(verdict, Verdict)
        return verdict

    def _ask(self, call: Callable[[], Any]) -> Any:
        if self._error is not None:
            return None
        try:
            with own_code():
                return call()
        except Exception as error:  # a consumer that crashes is unknown, not a dead run
            self._error = error
            return None
