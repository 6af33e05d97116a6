"""An aggregator in a process of its own, in any language, that speaks kline-subject/1."""

from __future__ import annotations

import shlex
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.aggregators.subject_arrow import encode_arrow
from kline_harness.aggregators.subject_batches import batches
from kline_harness.aggregators.subject_finals import CODES, LIVES, Instant, emission_of
from kline_harness.aggregators.subject_findings import SubjectFindings, misplaced
from kline_harness.aggregators.subject_json import encode_trades
from kline_harness.aggregators.subject_lines import ProtocolError, decode, shown
from kline_harness.aggregators.subject_messages import (
    LINE_BYTES_MAX,
    PROTOCOL,
    ROWS_MAX,
    TRADE_COLUMNS,
    WANTS,
    encode,
    encode_signal,
    encode_sync,
)
from kline_harness.aggregators.subject_process import (
    Buffer,
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
from kline_harness.verdict import Severity, Verdict

RULE = "klines/1"
ARROW_ROWS_MAX = 65_536
# Finals and events in answer to one message that are kept: a month of 1s klines is fewer.
ANSWERS_MAX = 3_000_000


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
        # How the last message began, and the sync that followed it.
        self._last_line: tuple[Buffer, Buffer] = (b"", b"")
        self._line, self._lines = b"", 0
        self._answers = 0
        self._keeps_ids: bool | None = None
        self._finals: list[tuple[Mapping[str, Any], Instant]] = []
        self._events: list[tuple[Mapping[str, Any], Instant]] = []
        self._now_ns = 0
        self._found = SubjectFindings()
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
        return self._found.verdict()

    @property
    def keeps_ids(self) -> bool:
        """Tell whether the finals state first and last ids: no subject has to."""
        return self._keeps_ids is not False

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
            work()
        except ProtocolError as error:
            evidence = {"rule": error.rule, "found": error.found}
            line = shown(self._line)
            evidence |= {"line": line} if line != error.found else {}
            place = {"line_number": self._lines, "column": error.column}
            hint = {"hint": error.hint} if error.hint else {}
            self._fail("protocol_broken", Severity.ERROR, {**evidence, **place, **hint})
        except LongLineError as error:
            rule = f"a line has at most {LINE_BYTES_MAX:,} bytes"
            evidence = {"rule": rule, "found": f"one that begins {str(error).strip()!r}"}
            self._fail("protocol_broken", Severity.ERROR, evidence)
        except FloodError:
            rule = "a program writes what it is asked for, and not more than can be kept"
            self._fail("floods", Severity.DOUBT, {"rule": rule})
        except LateError:
            self._fail("late", Severity.DOUBT, self._waited())
        except _GaveUp as error:
            self._fail("gave_up", Severity.DOUBT, error.message)
        except _Gone:
            self._fail("exited", Severity.DOUBT, {})

    def _waited(self) -> dict[str, Any]:
        """Return how long an answer was waited for, and what may hold it up."""
        assert self._process is not None
        evidence: dict[str, Any] = {"seconds": f"{self._options.answer_s:g}"}
        if part := self._process.unfinished():
            return evidence | {"found": shown(part), "hint": "its line end is missing"}
        if not self._lines:
            evidence["hint"] = "nothing came: does it flush its stdout after each answer?"
        return evidence

    def _start(self, scales: Mapping[str, Mapping[str, int]]) -> None:
        self._process = SubjectProcess(self.command, LINE_BYTES_MAX)
        self._send(encode("hello", **self.hello, scales=scales))
        self._await()
        message = self._message()
        if message["type"] != "ready":
            raise ProtocolError("the first message is ready", message["type"])
        if message["protocol"] != PROTOCOL:
            raise ProtocolError(f"ready's protocol is {PROTOCOL}", str(message["protocol"]))
        self.name, self.version = message["name"], message.get("version", "")
        self._wants = frozenset(_among(message.get("wants", WANTS), WANTS, "wants"))
        columns = _among(message.get("columns", tuple(TRADE_COLUMNS)), TRADE_COLUMNS, "columns")
        self._columns = tuple(name for name in TRADE_COLUMNS if name in set(columns))
        if not columns:
            raise ProtocolError("ready's columns are at least one", "none")
        self._arrow = message.get("arrow", False)
        self._found.lacks(self._wants, self._columns)

    def _advance(self, feed: FeedSlice) -> None:
        if self._process is None:
            self._start(_scales(feed.trades))
        rows_max = ARROW_ROWS_MAX if self._arrow else ROWS_MAX
        for part in batches(feed, self.intervals, rows_max):
            if isinstance(part, Tape):
                self._known[part.symbol_text(0)] = None
                if "trades" not in self._wants:
                    continue
                self._found.counts["trades"] += len(part)
                write = encode_arrow if self._arrow else encode_trades
                pieces = write(part, self._columns)
                self._now_ns = max(self._now_ns, int(part.arrival_ns[0]))
                self._exchange(pieces, Trigger.TRADE)
            elif not isinstance(part, Pull):
                if not isinstance(part, Tick):
                    self._known[part.symbol] = None
                self._now_ns = max(self._now_ns, part.at_ns)
                if ("ticks" if isinstance(part, Tick) else "commands") in self._wants:
                    self._exchange([encode_signal(part)], Trigger.TICK)
        self._drain(0)

    def _exchange(self, pieces: list[Buffer], trigger: Trigger) -> None:
        """Send a message and its sync; where too many are on their way, wait for half of them."""
        if len(self._pending) >= self._options.unsynced_max:
            self._drain(self._options.unsynced_max // 2)
        self._sent += 1
        self._pending.append((self._sent, Instant(self._now_ns, trigger)))
        self._send(*pieces, encode_sync(self._sent))

    def _finish(self, at_ns: int) -> None:
        if self._process is None:
            self._start({})
        self._now_ns = max(self._now_ns, at_ns)
        instant = Instant(self._now_ns, Trigger.END)
        self._send(encode("end", at_ns=at_ns))
        self._await()
        while (message := self._message())["type"] != "done":
            self._take(message, instant)
        self._after_done()

    def _after_done(self) -> None:
        """End the program; whatever it still writes is a finding."""
        assert self._process is not None
        process, self._process = self._process, None
        how = process.stop(patiently=True)
        try:
            process.expect_within(0.0)
            while (line := process.line()) is not None:
                self._found.add("after_done", Severity.ERROR, {"found": shown(line)})
        except (FloodError, LongLineError):
            self._found.add("after_done", Severity.ERROR, {"found": "more than can be kept"})
        except LateError:
            # Something that is not of its group, where that cannot be known, keeps its stdout open.
            pass
        self._found.ended(how)
        if "ended_by" in how:
            self._found.add("does_not_exit", Severity.NOTICE, how)
        elif how.get("exit_code") != 0:
            self._found.add("exit_code", Severity.NOTICE, how)

    def _send(self, line: Buffer, *more: Buffer) -> None:
        assert self._process is not None
        self._last_line = (line, more[-1] if more else b"")
        self._found.counts["messages"] += 1
        self._process.send(line, *more)

    # --- receiving -----------------------------------------------------------------------------

    def _drain(self, most: int) -> None:
        """Take answers until at most that many messages are not synced."""
        self._await()
        while len(self._pending) > most:
            message = self._message()
            number, instant = self._pending[0]
            if message["type"] != "synced":
                self._take(message, instant)
            elif message["n"] != number:
                raise ProtocolError(f"the next synced is {number}", str(message["n"]))
            else:
                self._pending.popleft()
                self._await()

    def _await(self) -> None:
        """Begin to wait for an answer: what comes before it does not put off the time it has."""
        assert self._process is not None
        self._process.expect_within(self._options.answer_s)
        self._answers = 0

    def _message(self) -> dict[str, Any]:
        assert self._process is not None
        self._answers += 1
        if self._answers > ANSWERS_MAX:
            raise FloodError
        line = self._process.line()
        if line is None:
            raise _Gone
        self._line, self._lines = line, self._lines + 1
        return decode(line, self._found.ignored)

    def _take(self, message: Mapping[str, Any], instant: Instant) -> None:
        type_ = message["type"]
        if type_ == "error":
            raise _GaveUp({"code": message["code"], "text": message["text"]})
        if type_ not in ("final", "event"):
            raise ProtocolError("final or event, or what was asked for", type_)
        kind, hint = self._misplaced(message)
        if kind:
            names = ("symbol", "interval", "open_time_ns")
            evidence = {name: message[name] for name in names} | hint
            self._found.add(kind, Severity.ERROR, evidence, instant.at_ns)
        elif type_ == "final":
            self._hold_ids(message)
            self._found.counts["finals"] += 1
            self._finals.append((message, instant))
        elif message["life"] not in LIVES:
            raise ProtocolError(f"life is one of {', '.join(LIVES)}", message["life"])
        else:
            self._found.counts["events"] += 1
            self._events.append((message, instant))

    def _misplaced(self, message: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        """Return what is wrong with a kline's place, with a hint; nothing if all is well."""
        if message["symbol"] not in self._known:
            return "unknown_symbol", {}
        if message["interval"] not in self.hello["intervals"]:
            return "unknown_interval", {}
        interval = INTERVALS[CODES[message["interval"]]]
        hint = misplaced(interval, message["open_time_ns"], self._now_ns)
        return ("", {}) if hint is None else ("no_open_time", hint)

    def _hold_ids(self, message: Mapping[str, Any]) -> None:
        """Refuse ids in some finals only: whether a kline without them was quiet is not known."""
        stated = ["first_id" in message, "last_id" in message]
        if message["count"] == 0 and not any(stated):
            return
        rule = "first_id and last_id stand in every final of a kline with trades, or in none"
        if self._keeps_ids is None:
            self._keeps_ids = stated[0]
        if stated != [self._keeps_ids] * 2:
            found = " and ".join(name for name in ("first_id", "last_id") if name in message)
            raise ProtocolError(rule, found or "neither")

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
        self._found.ended(how)
        last = {"last_message": " ".join(shown(one).rstrip() for one in self._last_line).rstrip()}
        self._found.add(kind, severity, {**evidence, **last, **how}, self.failed_at_ns)


def _scales(trades: Tape) -> dict[str, dict[str, int]]:
    """Return the decimals of each symbol that trades, by its name."""
    instruments = [trades.instruments[code] for code in np.unique(trades.symbol).tolist()]
    return {
        one.symbol: {"price": one.price_scale, "quantity": one.quantity_scale}
        for one in sorted(instruments, key=lambda one: one.symbol)
    }


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
