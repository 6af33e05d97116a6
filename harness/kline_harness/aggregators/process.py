"""An aggregator in a process of its own, in any language, that speaks kline-subject/1."""

from __future__ import annotations

import shlex
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.aggregators.subject_arrow import encode_arrow
from kline_harness.aggregators.subject_batches import batches
from kline_harness.aggregators.subject_finals import CODES, LIVES, Instant, emission_of
from kline_harness.aggregators.subject_json import encode_trades
from kline_harness.aggregators.subject_messages import (
    LINE_BYTES_MAX,
    PROTOCOL,
    ROWS_MAX,
    TRADE_COLUMNS,
    WANTS,
    ProtocolError,
    decode,
    encode,
    encode_signal,
)
from kline_harness.aggregators.subject_process import (
    FloodError,
    LateError,
    LongLineError,
    SubjectProcess,
)
from kline_harness.errors import UsageError
from kline_harness.interfaces import FeedSlice, Pull, Tick
from kline_harness.interval import CODE, INTERVALS, Interval
from kline_harness.kline import Emission, Trigger
from kline_harness.tape import Tape
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "subject"
RULE = "klines/1"
ARROW_ROWS_MAX = 65_536
# Findings of one kind that are kept; the others are counted.
_KEPT = 20
NOT_CHECKED = (
    "what the subject does between its messages",
    "whether it would do the same on another machine",
)


class ProcessAggregator:
    """Sends the feed to a program and takes its finals.

    The program has no clock but the tick. Every message is followed by a sync: what the program
    publishes before it answers belongs to the instant of that message, so how fast either side
    is cannot change a result. When the program fails nothing is asked of it any more, and `verdict`
    says how it failed: wrong use of the protocol is invalid, a program that is late, silent or
    gone is unknown.
    """

    def __init__(
        self,
        command: str,
        intervals: Sequence[Interval],
        symbols: Sequence[str] = (),
        *,
        market: str = "unknown",
        options: ProcessOptions | None = None,
    ) -> None:
        """Take a command line as a shell would split it.

        Raises UsageError for an empty or unbalanced one.
        """
        try:
            self.command = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"aggregator process: {command!r}: {error}") from None
        if not self.command:
            raise UsageError("aggregator process: expected a command, found none")
        self.intervals = tuple(sorted(set(intervals), key=CODE.__getitem__))
        self.hello: dict[str, Any] = {
            "protocol": [PROTOCOL],
            "market": market,
            "symbols": sorted(symbols),
            "intervals": [interval.text for interval in self.intervals],
            "rule": RULE,
            "options": dict((options or ProcessOptions()).options),
        }
        self._options = options or ProcessOptions()
        self._process: SubjectProcess | None = None
        self._known = dict.fromkeys(sorted(symbols))
        self._wants = frozenset(WANTS)
        self._columns = tuple(TRADE_COLUMNS)
        self._arrow = False
        self._sent = 0
        self._pending: deque[tuple[int, Instant]] = deque()
        self._last_line = ""
        self._finals: list[tuple[Mapping[str, Any], Instant]] = []
        self._events: list[tuple[Mapping[str, Any], Instant]] = []
        self._now_ns = 0
        self._is_done = False
        self._findings: list[Finding] = []
        self._kinds: Counter[str] = Counter()
        self._counts: Counter[str] = Counter(messages=0, trades=0, finals=0, events=0)
        # The instant from which on nothing was asked of the program any more.
        self.failed_at_ns: int | None = None
        self.name, self.version = "", ""

    # --- the seam ------------------------------------------------------------------------------

    def advance(self, feed: FeedSlice) -> Emission:
        """Send the next slice and return what the program published of it."""
        if self.failed_at_ns is None:
            self._attempt(lambda: self._advance(feed))
        return self._emission()

    def finish(self, at_ns: int) -> Emission:
        """Tell the program that the feed is over and return what it published then."""
        if self.failed_at_ns is None:
            self._attempt(lambda: self._finish(at_ns))
        return self._emission()

    def verdict(self) -> Verdict:
        """Return what the program did wrong, apart from wrong klines."""
        return Verdict.of(CHECK, dict(self._counts), self._findings, NOT_CHECKED)

    @property
    def pid(self) -> int | None:
        """Return the id of the program and of its process group, None where it does not run."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the program, if it still runs."""
        if self._process is not None:
            self._process.stop(patiently=False)
            self._process = None

    # --- sending -------------------------------------------------------------------------------

    def _attempt(self, work: Any) -> None:
        try:
            if self._process is None:
                self._start()
            work()
        except ProtocolError as error:
            evidence = {"rule": error.rule, "found": error.found, "column": error.column}
            evidence |= {"hint": error.hint} if error.hint else {}
            self._fail("protocol_broken", Severity.ERROR, evidence)
        except LongLineError as error:
            rule = f"a line has at most {LINE_BYTES_MAX:,} bytes"
            self._fail("protocol_broken", Severity.ERROR, {"rule": rule, "found": str(error)})
        except FloodError:
            self._fail("floods", Severity.ERROR, {"rule": "a program answers what it is asked"})
        except LateError:
            self._fail("late", Severity.DOUBT, {"seconds": f"{self._options.answer_s:g}"})
        except _GaveUp as error:
            self._fail("gave_up", Severity.DOUBT, error.message)
        except _Gone:
            self._fail("exited", Severity.DOUBT, {})

    def _start(self) -> None:
        self._process = SubjectProcess(self.command, LINE_BYTES_MAX)
        self._send(encode("hello", **self.hello))
        message = self._message()
        if message["type"] != "ready":
            raise ProtocolError("the first message is ready", message["type"])
        if message["protocol"] != PROTOCOL:
            raise ProtocolError(f"ready's protocol is {PROTOCOL}", str(message["protocol"]))
        self.name, self.version = message["name"], message.get("version", "")
        self._wants = frozenset(_among(message.get("wants", WANTS), WANTS, "wants"))
        columns = _among(message.get("columns", tuple(TRADE_COLUMNS)), TRADE_COLUMNS, "columns")
        self._columns = tuple(name for name in TRADE_COLUMNS if name in set(columns))
        self._arrow = message.get("arrow", False)

    def _advance(self, feed: FeedSlice) -> None:
        for part in batches(feed, self.intervals[0], ARROW_ROWS_MAX if self._arrow else ROWS_MAX):
            if isinstance(part, Tape):
                self._known[part.symbol_text(0)] = None
                if "trades" not in self._wants:
                    continue
                self._counts["trades"] += len(part)
                write = encode_arrow if self._arrow else encode_trades
                line = write(part, self._columns)
                self._now_ns = max(self._now_ns, int(part.arrival_ns[0]))
                self._exchange(line, Trigger.TRADE)
            elif not isinstance(part, Pull):
                if not isinstance(part, Tick):
                    self._known[part.symbol] = None
                self._now_ns = max(self._now_ns, part.at_ns)
                if ("ticks" if isinstance(part, Tick) else "commands") in self._wants:
                    self._exchange(encode_signal(part), Trigger.TICK)
        self._drain(0)

    def _exchange(self, line: bytes, trigger: Trigger) -> None:
        """Send a message and its sync; wait while too many are on their way."""
        self._drain(self._options.unsynced_max - 1)
        self._sent += 1
        self._pending.append((self._sent, Instant(self._now_ns, trigger)))
        self._send(line + encode("sync", n=self._sent))

    def _finish(self, at_ns: int) -> None:
        self._now_ns = max(self._now_ns, at_ns)
        instant = Instant(self._now_ns, Trigger.END)
        self._send(encode("end", at_ns=at_ns))
        while (message := self._message())["type"] != "done":
            self._take(message, instant)
        self._is_done = True
        self._after_done()

    def _after_done(self) -> None:
        """End the program; whatever it still writes is a finding."""
        assert self._process is not None
        process, self._process = self._process, None
        how = process.stop(patiently=True)
        while (line := process.line(0.0)) is not None:
            found = line[:200].decode(errors="replace")
            self._found("after_done", Severity.ERROR, {"found": found})
        if "ended_by" in how:
            self._found("does_not_exit", Severity.NOTICE, how)
        elif how.get("exit_code") != 0:
            self._found("exit_code", Severity.NOTICE, how)

    def _send(self, line: bytes) -> None:
        assert self._process is not None
        self._last_line = line[:200].decode(errors="replace").rstrip("\n")
        self._counts["messages"] += 1
        self._process.send(line)

    # --- receiving -----------------------------------------------------------------------------

    def _drain(self, most: int) -> None:
        """Take answers until at most that many messages are not synced."""
        while len(self._pending) > most:
            message = self._message()
            number, instant = self._pending[0]
            if message["type"] != "synced":
                self._take(message, instant)
            elif message["n"] != number:
                raise ProtocolError(f"the next synced is {number}", str(message["n"]))
            else:
                self._pending.popleft()

    def _message(self) -> dict[str, Any]:
        assert self._process is not None
        line = self._process.line(self._options.answer_s)
        if line is None:
            raise _Gone
        return decode(line)

    def _take(self, message: Mapping[str, Any], instant: Instant) -> None:
        type_ = message["type"]
        if type_ == "error":
            raise _GaveUp({"code": message["code"], "text": message["text"]})
        if type_ not in ("final", "event"):
            raise ProtocolError("final or event, or what was asked for", type_)
        interval, symbol = message["interval"], message["symbol"]
        open_ns = message["open_time_ns"]
        kind = ""
        if symbol not in self._known:
            kind = "unknown_symbol"
        elif interval not in self.hello["intervals"]:
            kind = "unknown_interval"
        elif INTERVALS[CODES[interval]].open_time_ns(open_ns) != open_ns:
            kind = "no_open_time"
        if kind:
            evidence = {"symbol": symbol, "interval": interval, "open_time_ns": open_ns}
            self._found(kind, Severity.ERROR, evidence, instant.at_ns)
        elif type_ == "final":
            self._counts["finals"] += 1
            self._finals.append((message, instant))
        elif message["life"] not in LIVES:
            raise ProtocolError(f"life is one of {', '.join(LIVES)}", message["life"])
        else:
            self._counts["events"] += 1
            self._events.append((message, instant))

    def _emission(self) -> Emission:
        finals, self._finals = self._finals, []
        events, self._events = self._events, []
        return emission_of(finals, events)

    # --- findings ------------------------------------------------------------------------------

    def _fail(self, kind: str, severity: Severity, evidence: Mapping[str, Any]) -> None:
        """End the program after a failure and note how it stood."""
        process, self._process = self._process, None
        self.failed_at_ns = self._pending[0][1].at_ns if self._pending else self._now_ns
        how = process.stop(patiently=kind in ("exited", "gave_up")) if process else {}
        last = {"last_message": self._last_line}
        self._found(kind, severity, {**evidence, **last, **how}, self.failed_at_ns)

    def _found(
        self, kind: str, severity: Severity, evidence: Mapping[str, Any], at_ns: int | None = None
    ) -> None:
        self._kinds[kind] += 1
        self._counts[kind] = self._kinds[kind]
        if self._kinds[kind] <= _KEPT:
            self._findings.append(Finding(CHECK, kind, severity, at_ns=at_ns, evidence=evidence))


class _Gone(Exception):
    """The program closed its stdout."""


class _GaveUp(Exception):
    """The program sent an error; `message` is what it said."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        super().__init__()
        self.message = message


def _among(given: Sequence[str], known: Any, name: str) -> Sequence[str]:
    for one in given:
        if one not in known:
            raise ProtocolError(f"ready's {name} are among {', '.join(known)}", one)
    return given
