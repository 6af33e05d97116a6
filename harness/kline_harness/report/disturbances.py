"""What was broken on purpose, and when: the windows that a timeline shades."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kline_harness.report.format import words
from kline_harness.run_rows import FaultRow

# Where a scenario lists windows of its own, beside its faults, and what they are.
_LISTED = (
    (("outages",), "outage"),
    (("clock", "missed"), "ticks missed"),
    (("loop", "busy"), "loop busy"),
)
_GENERAL = ("clock", "loop", "listeners")


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something planted in [from_ns, until_ns); None is the run's own start or end."""

    name: str
    from_ns: int | None
    until_ns: int | None

    @property
    def all_along(self) -> bool:
        """Tell whether it has no window of its own."""
        return self.from_ns is None and self.until_ns is None

    def within(self, span_ns: tuple[int, int]) -> tuple[int, int]:
        """Return its window, cut to a span."""
        start, end = span_ns
        first = start if self.from_ns is None else min(max(self.from_ns, start), end)
        last = end if self.until_ns is None else min(max(self.until_ns, start), end)
        return first, max(first, last)


def disturbances(scenario: Mapping[str, Any], faults: Iterable[FaultRow]) -> list[Disturbance]:
    """Return injected faults, and what else a scenario plants, in order of time."""
    found = [*_faults(faults), *_listed(scenario)]
    for name, options in _mapping(scenario.get("listeners")).items():
        found += _of_listener(name, _mapping(options))
    shutdown_ns = scenario.get("shutdown_ns")
    if isinstance(shutdown_ns, int):
        found.append(Disturbance("shut down", shutdown_ns, None))
    # A stable sort: what begins together stays in the order of the scenario.
    return sorted(found, key=lambda one: one.from_ns or 0)


def _faults(faults: Iterable[FaultRow]) -> Iterator[Disturbance]:
    """Yield the faults that did something, or had a window to do it in."""
    for row in faults:
        one = Disturbance(words(row.get("fault")), row.get("from_ns"), row.get("to_ns"))
        if row.get("had_effect") or not one.all_along:
            yield one


def _listed(scenario: Mapping[str, Any]) -> Iterator[Disturbance]:
    for path, name in _LISTED:
        value: Any = scenario
        for step in path:
            value = _mapping(value).get(step)
        yield from _windows(name, value)
    # Windows in the tables of a subject's own.
    for table, options in scenario.items():
        if table not in _GENERAL:
            for key, value in _mapping(options).items():
                yield from _windows(f"{table} {words(key)}", value)


def _of_listener(name: str, options: Mapping[str, Any]) -> Iterator[Disturbance]:
    yield from _windows(f"{name} stalled", options.get("stalls"))
    if options.get("service_ns"):
        yield Disturbance(f"{name} slow", None, None)
    if isinstance(options.get("subscribe_at_ns"), int):
        yield Disturbance(f"{name} not subscribed", None, options["subscribe_at_ns"])
    for key in ("leaves_at_ns", "dies_at_ns"):
        if isinstance(options.get(key), int):
            yield Disturbance(f"{name} gone", options[key], None)


def _windows(name: str, value: Any) -> Iterator[Disturbance]:
    for one in value if isinstance(value, list) else []:
        if isinstance(one, Mapping) and one.keys() >= {"from_ns", "until_ns"}:
            yield Disturbance(name, one.get("from_ns"), one.get("until_ns"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
