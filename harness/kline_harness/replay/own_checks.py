"""A subject's checks and duties, guarded: it may break the seam."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from kline_harness.columns import Rows
from kline_harness.errors import UsageError, UserError, error_line, own_code
from kline_harness.interfaces import Check, FeedSlice, Observer, SubjectWatch
from kline_harness.kline import Emission
from kline_harness.tape import Tape
from kline_harness.verdict import Verdict

X = TypeVar("X")


def asked(name: str, what: str, ask: Callable[[], X]) -> X:
    """Ask a subject for a part of it.

    Raises UsageError where it fails.
    """
    try:
        with own_code():
            return ask()
    except UserError:
        raise
    except Exception as error:
        said = error_line(error)
        raise UsageError(f"aggregator {name}: its {what} cannot be had: {said}") from error


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A check of a watch that may have failed by the time that it is asked."""

    id: str
    needs: str
    watch: GuardedWatch
    check: Check

    def verdict(self) -> Verdict:
        """Ask the check; a watch that failed has not seen what it needs."""
        if self.watch.error is not None:
            return Verdict.crashed(self.id, self.watch.error)
        verdict: Any = self.check.verdict()
        if isinstance(verdict, Verdict) and verdict.check == self.id:
            return verdict
        found = verdict.check if isinstance(verdict, Verdict) else verdict
        error = TypeError(f"expected a verdict of {self.id!r}, found {found!r}")
        return Verdict.crashed(self.id, error)


class GuardedWatch(Observer):
    """Shows a subject's watch what passes by; once it raises something its checks are unknown.

    Raises UsageError where it is no watch, or a check has no id of its own: `reserved` are those
    of the run.
    """

    def __init__(self, name: str, watch: Any, reserved: Collection[str]) -> None:
        self.error: Exception | None = None
        if not isinstance(watch, SubjectWatch):
            found = type(watch).__name__
            raise UsageError(f"aggregator {name}: expected a SubjectWatch of it, found a {found}")
        self._watch = watch
        self._checks = asked(name, "checks", lambda: [*map(self._guarded, watch.checks())])
        ids = [check.id for check in self._checks]
        for one in ids:
            if one in reserved or ids.count(one) > 1:
                raise UsageError(
                    f"aggregator {name}: expected checks with ids of their own, found {one!r}, "
                    "which another one has"
                )

    def _guarded(self, check: Check) -> _Guarded:
        return _Guarded(str(check.id), str(check.needs), self, check)

    def checks(self) -> Sequence[Check]:
        """Return the checks."""
        return self._checks

    def ids(self) -> list[str]:
        """Return the ids under which the subject's own checks will answer."""
        return [check.id for check in self._checks]

    def on_read(self, trades: Tape) -> None:
        """Show trades."""
        self._show(lambda: self._watch.on_read(trades))

    def on_offered(self, feed: FeedSlice) -> None:
        """Show a slice."""
        self._show(lambda: self._watch.on_offered(feed))

    def on_slice(self, feed: FeedSlice) -> None:
        """Show a slice."""
        self._show(lambda: self._watch.on_slice(feed))

    def on_emission(self, emission: Emission) -> None:
        """Show an emission."""
        self._show(lambda: self._watch.on_emission(emission))

    def on_published(self, channel: str, rows: Rows[Any]) -> None:
        """Show rows."""
        self._show(lambda: self._watch.on_published(channel, rows))

    def on_delivered(self, consumer: str, now_ns: int, rows: Rows[Any]) -> None:
        """Show rows."""
        self._show(lambda: self._watch.on_delivered(consumer, now_ns, rows))

    def on_lag(self, consumer: str, now_ns: int, missed: int) -> None:
        """Show a lag."""
        self._show(lambda: self._watch.on_lag(consumer, now_ns, missed))

    def on_end(self, at_ns: int) -> None:
        """Show the end."""
        self._show(lambda: self._watch.on_end(at_ns))

    def _show(self, call: Callable[[], None]) -> None:
        if self.error is None:
            try:
                with own_code():
                    call()
            except Exception as error:  # a watch that crashes is unknown, not a dead run
                self.error = error
