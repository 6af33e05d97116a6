"""What any aggregator must pass: the specification, other cuts, a second run, bad input."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.process import ProcessAggregator
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.aggregators.subject_findings import CHOICES
from kline_harness.aggregators.subject_lines import decode
from kline_harness.aggregators.subject_messages import LINE_BYTES_MAX, encode
from kline_harness.aggregators.subject_process import LateError, SubjectProcess
from kline_harness.interval import Interval, parse_intervals
from kline_harness.testing.specification import (
    Row,
    SpecCase,
    difference,
    rows_of,
    run_case,
    slice_of,
)
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_MINUTE, format_exact
from kline_harness.verdict import Verdict

# Makes a new aggregator for some intervals and symbols: what has `advance` and `finish`.
Make = Callable[[Sequence[Interval], Sequence[str]], Any]
_INTERVALS = parse_intervals("1m,3m,5m,1h")
_SYMBOLS = ("ALFAUSDT", "BRAVOUSDT")
# Monday 2024-01-01 00:00 UTC.
_START_NS = 1_704_067_200_000_000_000
_MESSAGES = 1_500


class Status(Enum):
    """What became of one item of the kit."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class KitResult:
    """One item: its group and name, its status, and why it failed or was skipped."""

    group: str
    name: str
    status: Status
    sentence: str = ""


def run_kit(
    make: Make, cases: Sequence[SpecCase], process: Callable[[ProcessOptions], Make] | None
) -> Iterator[KitResult]:
    """Hold an aggregator to every item, and yield what became of each.

    `process` makes the same aggregator where it is a program of its own: else the items that are
    about processes are skipped.
    """
    for case in cases:
        yield _result("specification", case.name, _case(make, case))
    messages = rough_feed(Random(1))
    due = _finals(lambda intervals, _: ExactAggregator(intervals), messages, [len(messages)])
    for step in (len(messages), 1_000, 7, 1):
        cuts = list(range(step, len(messages), step))
        name = "one slice" if not cuts else f"slices of {step}"
        yield _result("slices", name, _same(make, messages, cuts, due))
    yield _result("restart", "the same again in a new one", _same(make, messages, [500], due))
    for name, item in _PROCESS_ITEMS.items():
        if process is None:
            yield KitResult("process", name, Status.SKIPPED, "not a program of its own")
        else:
            yield _result("process", name, item(process, messages, due))


def _result(group: str, name: str, wrong: str) -> KitResult:
    return KitResult(group, name, Status.FAILED if wrong else Status.PASSED, wrong)


def _case(make: Make, case: SpecCase) -> str:
    aggregator = make(case.intervals, case.symbols)
    return run_case(case, aggregator) or conduct(aggregator)


def conduct(aggregator: Any) -> str:
    """Return what an aggregator did wrong apart from klines, nothing if all is well."""
    verdict = getattr(aggregator, "verdict", None)
    found = verdict() if callable(verdict) else None
    findings = found.findings if isinstance(found, Verdict) else ()
    first = next((one for one in findings if one.kind not in CHOICES), None)
    if first is None:
        return ""
    said = ", ".join(f"{name}: {value}" for name, value in first.evidence.items())
    return f"{first.kind}: {said}"


def rough_feed(draw: Random) -> list[Row]:
    """Return a feed of two symbols with ties, late trades, duplicates, quiet minutes and ticks."""
    messages: list[Row] = []
    now, minute = _START_NS + 17_000 * NS_PER_MILLISECOND, _START_NS + NS_PER_MINUTE
    ids = dict.fromkeys(_SYMBOLS, 0)
    while len(messages) < _MESSAGES:
        now += draw.choice([0, 1, 40, 900, 2_500, 2_500, 20_000]) * NS_PER_MILLISECOND
        if draw.random() < 0.01:
            now += draw.randrange(1, 6) * NS_PER_MINUTE
        while minute <= now:
            messages.append({"type": "tick", "time_ns": minute, "at_ns": minute})
            minute += NS_PER_MINUTE
        symbol = draw.choice(_SYMBOLS)
        messages.append(_trade(draw, symbol, ids, now))
    messages.append({"type": "end", "at_ns": now})
    return messages


def _trade(draw: Random, symbol: str, ids: dict[str, int], now_ns: int) -> Row:
    late_ms = draw.choice([0, 0, 0, 0, 3, 800, 70_000])
    repeats = ids[symbol] > 3 and draw.random() < 0.03
    trade_id = ids[symbol] - draw.randrange(3) if repeats else ids[symbol] + 1
    ids[symbol] = max(ids[symbol], trade_id)
    price, quantity = draw.randrange(9_000, 11_000), draw.randrange(1, 100_000)
    kind = draw.choices(["MARKET", "INSURANCE_FUND", "ADL"], [98, 1, 1])[0]
    return {
        "type": "trade",
        "symbol": symbol,
        "id": trade_id,
        "price": format_exact(price, 2),
        "quantity": format_exact(quantity, 3),
        "quote": format_exact(price * quantity, 5),
        "first_id": 10 * trade_id,
        "last_id": 10 * trade_id + trade_id % 4,
        "event_time_ns": now_ns - late_ms * NS_PER_MILLISECOND,
        "arrival_ns": now_ns,
        "buyer_is_maker": draw.random() < 0.5,
        "kind": kind,
    }


def _finals(make: Make, messages: Sequence[Row], cuts: Sequence[int]) -> list[Row]:
    """Return the finals of a feed given in slices; `after` is left out, as it hangs on the cuts."""
    return _run(make(_INTERVALS, _SYMBOLS), messages, cuts)


def _run(aggregator: Any, messages: Sequence[Row], cuts: Sequence[int]) -> list[Row]:
    found: list[Row] = []
    body, end = messages[:-1], messages[-1]
    for start, stop in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += rows_of(aggregator.advance(slice_of(body[start:stop])), 0)
    found += rows_of(aggregator.finish(end["at_ns"]), 0)
    return found


def _same(make: Make, messages: Sequence[Row], cuts: Sequence[int], due: Sequence[Row]) -> str:
    aggregator = make(_INTERVALS, _SYMBOLS)
    found = _run(aggregator, messages, cuts)
    return conduct(aggregator) or difference(found, due)


# --- programs of their own -----------------------------------------------------------------------

Process = Callable[[ProcessOptions], Make]
Item = Callable[[Process, Sequence[Row], Sequence[Row]], str]


def _few_unsynced(process: Process, messages: Sequence[Row], due: Sequence[Row]) -> str:
    return _same(process(ProcessOptions(unsynced_max=1)), messages, [], due)


def _many_unsynced(process: Process, messages: Sequence[Row], due: Sequence[Row]) -> str:
    return _same(process(ProcessOptions(unsynced_max=10_000)), messages, [], due)


def _paused(process: Process, messages: Sequence[Row], due: Sequence[Row]) -> str:
    """Stop the program for a moment in the middle of its work."""
    subject = _subject(process, ProcessOptions())
    found = rows_of(subject.advance(slice_of(messages[:700])), 0)
    _signal(subject, signal.SIGSTOP)
    waking = threading.Timer(0.3, _signal, (subject, signal.SIGCONT))
    waking.start()
    rows = [*found, *rows_of(subject.advance(slice_of(messages[700:-1])), 0)]
    rows += rows_of(subject.finish(messages[-1]["at_ns"]), 0)
    waking.join()
    return conduct(subject) or difference(rows, due)


def _killed(after: int) -> Item:
    """Kill the program after some messages: the run must end, and a new one must be right."""

    def item(process: Process, messages: Sequence[Row], due: Sequence[Row]) -> str:
        subject = _subject(process, ProcessOptions())
        subject.advance(slice_of(messages[:after]))
        _signal(subject, signal.SIGKILL)
        subject.advance(slice_of(messages[after:-1]))
        subject.finish(messages[-1]["at_ns"])
        kinds = [finding.kind for finding in subject.verdict().findings]
        if kinds != ["exited"]:
            return f"expected that it was seen to exit, found {kinds}"
        return _same(process(ProcessOptions()), messages, [], due)

    return item


def _subject(process: Process, options: ProcessOptions) -> ProcessAggregator:
    subject = process(options)(_INTERVALS, _SYMBOLS)
    assert isinstance(subject, ProcessAggregator)
    return subject


def _signal(subject: ProcessAggregator, number: signal.Signals) -> None:
    if subject.pid is not None:
        os.killpg(subject.pid, number)


def _unknown_field(process: Process, messages: Sequence[Row], due: Sequence[Row]) -> str:
    """Hold that a field which the protocol does not have is ignored."""
    with _Conversation(_subject(process, ProcessOptions())) as talk:
        return talk.expect("synced", {"type": "sync", "n": 1, "from_a_later_version": [1.5]})


def _unknown_type(process: Process, messages: Sequence[Row], due: Sequence[Row]) -> str:
    """Hold that a message of a type which the protocol does not have is not passed over."""
    with _Conversation(_subject(process, ProcessOptions())) as talk:
        talk.send({"type": "from_a_later_version"})
        return talk.expect("error", {"type": "sync", "n": 1})


def _broken_line(process: Process, messages: Sequence[Row], due: Sequence[Row]) -> str:
    """Hold that a line which is no JSON is not passed over."""
    with _Conversation(_subject(process, ProcessOptions())) as talk:
        talk.process.send(b'{"type": "tick", "time_ns": 17040\n')
        return talk.expect("error", {"type": "sync", "n": 1})


_PROCESS_ITEMS: dict[str, Item] = {
    "one message at a time": _few_unsynced,
    "all messages at once": _many_unsynced,
    "stopped for a moment": _paused,
    "killed after the handshake": _killed(1),
    "killed in the middle": _killed(700),
    "killed before the end": _killed(_MESSAGES),
    "an unknown field": _unknown_field,
    "an unknown type": _unknown_type,
    "a broken line": _broken_line,
}


class _Conversation:
    """A program after its handshake, spoken to line by line."""

    def __init__(self, subject: ProcessAggregator) -> None:
        self._hello = encode("hello", **subject.hello)
        self._command = subject.command
        self._answer_s = ProcessOptions().answer_s

    def __enter__(self) -> _Conversation:
        self.process = SubjectProcess(self._command, LINE_BYTES_MAX)
        self.process.send(self._hello)
        self.process.expect_within(self._answer_s)
        self.process.line()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop(patiently=False)

    def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        self.process.send(encode(type_=message["type"], **_rest(message)))

    def expect(self, type_: str, message: dict[str, Any]) -> str:
        """Send a message; return what is wrong with the answer: to exit is to say error."""
        self.send(message)
        try:
            self.process.expect_within(self._answer_s)
            line = self.process.line()
        except LateError:
            return f"expected {type_}, found nothing in {self._answer_s:g} s"
        found = "error" if line is None else decode(line)["type"]
        wanted = "error, or that it exits" if type_ == "error" else type_
        return "" if found == type_ else f"expected {wanted}, found {found}"


def _rest(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "type"}
