"""Faults of the wire at work: what each does to messages, sockets and requests, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from kline_harness.errors import UsageError
from kline_harness.exchange.connection import Connection, WireMessage
from kline_harness.exchange.market import Slice
from kline_harness.exchange.served import ServedFault
from kline_harness.faults.draw import Draw
from kline_harness.faults.fault import Fault
from kline_harness.faults.wire import (
    WireClose,
    WireDelay,
    WireDisconnect,
    WireDuplicate,
    WireFault,
    WireGap,
    WireHalfOpen,
    WireReorder,
    WireRepeatedAnswer,
    WireRequestRefused,
    WireRoutesRetired,
    WireServerShutdown,
    WireServerTime,
    WireStreamsMax,
    WireSymbolName,
)
from kline_harness.interval import interval_named
from kline_harness.ranges import RangeSet
from kline_harness.units import Int64Array

MessageFault = WireGap | WireDuplicate | WireReorder | WireDelay
SocketFault = WireDisconnect | WireClose | WireHalfOpen | WireServerShutdown | WireRoutesRetired
# Who is cut off by one of these can notice it.
_CUTS_OFF = (WireDisconnect, WireClose, WireHalfOpen, WireServerShutdown)
# A client that asks for these after something was withheld has noticed.
_BACKFILL = ("aggTrades", "klines", "continuousKlines", "trades")


@dataclass(slots=True)
class _Record:
    """The effect of one fault; `detected` is None where the wire cannot show it."""

    effects: int = 0
    first_ns: int | None = None
    detected: bool | None = None
    trades: dict[str, RangeSet] = field(default_factory=dict)
    klines: dict[str, list[list[int]]] = field(default_factory=dict)

    def touch(self, stream: str, ids: Int64Array) -> None:
        self.trades.setdefault(stream, RangeSet()).add_new(ids)

    def withhold(self, stream: str, open_ns: int, last_ns: int) -> None:
        """Note a kline whose last message was not sent; `last_ns` is when one was before it."""
        rows = self.klines.setdefault(stream, [])
        if rows and rows[-1][2] == last_ns:
            rows[-1][1] = open_ns
        else:
            rows.append([open_ns, open_ns, last_ns])

    def strike(self, at_ns: int, times: int = 1) -> None:
        self.effects += times
        if self.first_ns is None:
            self.first_ns = at_ns


def _instants(fault: SocketFault) -> list[int]:
    """Return when a fault strikes: one that was announced strikes twice."""
    if isinstance(fault, WireServerShutdown):
        return [fault.at_ns, fault.at_ns + fault.lead_ns]
    return [fault.at_ns]


@dataclass(slots=True)
class WireFaults:
    """The faults of a run of the server."""

    faults: Sequence[WireFault] = ()
    seed: int = 0
    _records: list[_Record] = field(default_factory=list)
    _held: dict[tuple[int, int], list[WireMessage]] = field(default_factory=dict)
    _done: set[tuple[int, int]] = field(default_factory=set)
    # Streams that a fault cut off and nobody has subscribed to again: by name, the fault's place,
    # and when something that is no trade was sent last.
    _cut: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._records = [_Record() for _ in self.faults]
        for fault, record in zip(self.faults, self._records, strict=True):
            if isinstance(fault, (*_CUTS_OFF, WireRequestRefused, WireGap)):
                record.detected = False

    @staticmethod
    def of(faults: Sequence[Fault], seed: int) -> WireFaults:
        """Put a scenario's faults to work.

        Raises UsageError for a fault that is not of the wire.
        """
        wire = [fault for fault in faults if isinstance(fault, WireFault)]
        for fault in faults:
            if not isinstance(fault, WireFault):
                raise UsageError(
                    f"serve: {fault.KIND} is no fault of the wire: expected one whose kind begins "
                    "with wire_"
                )
        return WireFaults(wire, seed)

    def names(self) -> dict[str, str]:
        """Return symbols that are served under another name."""
        return {f.symbol: f.name for f in self.faults if isinstance(f, WireSymbolName)}

    def streams_max(self, otherwise: int) -> int:
        """Return how many streams a connection may have."""
        given = [f.streams for f in self.faults if isinstance(f, WireStreamsMax)]
        return min(given, default=otherwise)

    def note(self, kind: type[WireFault], at_ns: int) -> None:
        """Count an effect of every fault of a kind."""
        for fault, record in zip(self.faults, self._records, strict=True):
            if isinstance(fault, kind):
                record.strike(at_ns)

    def next_ns(self, after_ns: int) -> int | None:
        """Return the next instant at which a fault begins or ends: slices end there."""
        instants = []
        for fault in self.faults:
            if isinstance(fault, SocketFault):
                instants += _instants(fault)
            elif isinstance(fault, MessageFault):
                instants += [fault.from_ns, fault.until_ns]
        return min((one for one in instants if one > after_ns), default=None)

    def due(self, at_ns: int) -> Iterator[tuple[SocketFault, int]]:
        """Yield (fault, step) of what strikes sockets by now and has not struck.

        Step 1 is a second one, of a shutdown that was announced.
        """
        for place, fault in enumerate(self.faults):
            if not isinstance(fault, SocketFault):
                continue
            for step, instant in enumerate(_instants(fault)):
                if instant <= at_ns and (place, step) not in self._done:
                    self._done.add((place, step))
                    yield fault, step

    def struck(self, fault: SocketFault, at_ns: int, sockets: int) -> None:
        """Count the sockets that a fault struck."""
        if sockets:
            self._records[self.faults.index(fault)].strike(at_ns, sockets)

    def cut(
        self, kind: WireFault | type[WireFault], one: Connection, streams: Iterable[str]
    ) -> None:
        """Note streams that a fault cut off: messages that lack from now on are its effect."""
        for place, fault in enumerate(self.faults):
            if fault is kind or type(fault) is kind:
                for name in streams:
                    last_ns = one.streams[name].last_ns if name in one.streams else 0
                    self._cut[name] = place, last_ns

    def missed(self, happened: Slice, connections: Iterable[Connection]) -> None:
        """Count the trades of streams that are cut off, until they are subscribed to again."""
        if not self._cut:
            return
        for one in connections:
            for name in [] if one.silent else one.streams:
                if one.streams[name].stream is not None:
                    self._cut.pop(name, None)
        for name, (place, last_ns) in self._cut.items():
            symbol, _, kind = name.partition("@")
            for open_ns in _closed_in(kind, happened):
                self._records[place].withhold(name, open_ns, last_ns)
            tape = happened.trades.get(kind)
            names = [] if tape is None else [one.symbol.lower() for one in tape.instruments]
            if tape is not None and symbol in names:
                mine = tape.symbol == names.index(symbol)
                self._records[place].touch(name, tape.trade_id[mine])

    def is_down(self, now_ns: int) -> bool:
        """Tell whether handshakes are refused."""
        return any(
            fault.at_ns <= now_ns < fault.at_ns + fault.down_ns
            for fault in self.faults
            if isinstance(fault, WireDisconnect)
        )

    def touches(self, start_ns: int, end_ns: int) -> bool:
        """Tell whether messages of a stretch of time have to be looked at one by one."""
        if any(self._held.values()):
            return True
        return any(
            fault.from_ns < end_ns and start_ns < fault.until_ns
            for fault in self.faults
            if isinstance(fault, MessageFault)
        )

    def changed(
        self, one: Connection, messages: list[WireMessage], end_ns: int
    ) -> list[WireMessage]:
        """Return what a connection is sent in place of its messages, up to an instant."""
        for place, fault in enumerate(self.faults):
            if isinstance(fault, MessageFault):
                if isinstance(fault, WireGap):
                    self._withhold(place, fault, one, messages)
                messages = self._change(place, fault, one.id, messages, end_ns)
        return messages

    def refused(self, endpoint: str, now_ns: int) -> int | None:
        """Return the status that a request is refused with; note who asks again."""
        status = None
        for fault, record in zip(self.faults, self._records, strict=True):
            if isinstance(fault, WireGap) and record.effects and endpoint in _BACKFILL:
                record.detected = True
            if not isinstance(fault, WireRequestRefused):
                continue
            if fault.endpoint not in (None, endpoint):
                continue
            if record.effects:
                record.detected = True
            inside = fault.from_ns <= now_ns < fault.until_ns
            if status is None and inside and record.effects < fault.count:
                record.strike(now_ns)
                status = fault.status
        return status

    def stated_time_ns(self, now_ns: int) -> int:
        """Return the time that the REST interface states."""
        for fault, record in zip(self.faults, self._records, strict=True):
            if isinstance(fault, WireServerTime) and now_ns >= fault.at_ns:
                record.strike(now_ns)
                now_ns += -fault.by_ns if fault.backwards else fault.by_ns
        return now_ns

    def answers(self, at_ns: int) -> int:
        """Return how many times an answer on a websocket is sent."""
        times = 1
        for fault, record in zip(self.faults, self._records, strict=True):
            if isinstance(fault, WireRepeatedAnswer):
                record.strike(at_ns)
                times = max(times, fault.times)
        return times

    def connected(self, at_ns: int) -> None:
        """Note that a client opened a websocket again after it had been cut off."""
        for fault, record in zip(self.faults, self._records, strict=True):
            if isinstance(fault, _CUTS_OFF) and record.effects:
                record.detected = True

    def records(self) -> tuple[ServedFault, ...]:
        """Return the effect of every fault."""
        return tuple(
            ServedFault(
                *(fault.KIND, number, record.effects, record.first_ns, record.detected),
                {
                    name: [[start, end - 1] for start, end in ids.ranges.tolist()]
                    for name, ids in sorted(record.trades.items())
                    if len(ids.ranges)
                },
                dict(sorted(record.klines.items())),
            )
            for number, (fault, record) in enumerate(zip(self.faults, self._records, strict=True))
        )

    def _withhold(
        self, place: int, fault: WireGap, one: Connection, messages: list[WireMessage]
    ) -> None:
        """Note the klines whose last message a gap keeps back."""
        last = {name: sub.last_ns for name, sub in one.streams.items()}
        for message in messages:
            if message.symbol:
                continue
            if not self._strikes(place, fault, message):
                last[message.stream] = message.at_ns
            elif message.closes_ns is not None:
                sent_ns = last.get(message.stream, 0)
                self._records[place].withhold(message.stream, message.closes_ns, sent_ns)

    def _change(
        self, place: int, fault: MessageFault, client: int, messages: list[WireMessage], end_ns: int
    ) -> list[WireMessage]:
        held = self._held.setdefault((place, client), [])
        out: list[WireMessage] = []
        touched: dict[str, list[int]] = {}
        for message in messages:
            struck = self._strikes(place, fault, message)
            if isinstance(fault, WireReorder):
                # One that is held waits for the next of its stream, in whatever slice that is.
                waiting = [one for one in held if one.stream == message.stream]
                struck = struck and not waiting
                out += [] if struck else [message, *waiting]
                held[:] = [one for one in held if one.stream != message.stream]
                held += [message] if struck else []
            elif isinstance(fault, WireDelay) and struck:
                held.append(message)
            elif isinstance(fault, WireDuplicate) and struck:
                out += [message, message]
            elif not struck:
                out.append(message)
            if struck:
                self._records[place].strike(message.at_ns)
                if message.symbol:
                    touched.setdefault(message.stream, []).append(message.key)
        for name, ids in touched.items():
            self._records[place].touch(name, np.array(ids, dtype=np.int64))
        if isinstance(fault, WireDelay) and held:
            out = _released(held, out, fault.by_ns, end_ns)
        return out

    def _strikes(self, place: int, fault: MessageFault, message: WireMessage) -> bool:
        if not fault.from_ns <= message.at_ns < fault.until_ns:
            return False
        name = message.stream.partition("@")[0].removesuffix("_perpetual")
        if fault.symbol is not None and name != fault.symbol.lower():
            return False
        if fault.rate >= 1:
            return True
        key = np.array([message.key], dtype=np.int64)
        return bool(Draw(self.seed, place).chosen(message.stream, key, fault.rate)[0])


def _closed_in(kind: str, happened: Slice) -> Iterator[int]:
    """Yield when the klines of a stream opened that closed in a slice; none of other streams."""
    interval = interval_named(kind.partition("_")[2]) if "line_" in kind else None
    if interval is None:
        return
    open_ns = interval.open_time_ns(happened.start_ns)
    while (close_ns := interval.close_time_ns(open_ns)) <= happened.end_ns:
        yield open_ns
        open_ns = close_ns


def _released(
    held: list[WireMessage], out: list[WireMessage], by_ns: int, end_ns: int
) -> list[WireMessage]:
    """Put messages that were held up long enough among the others, in order of time."""
    late = [message for message in held if message.at_ns + by_ns < end_ns]
    held[:] = held[len(late) :]
    merged = [(message.at_ns, 0, message) for message in out]
    merged += [(message.at_ns + by_ns, 1, message) for message in late]
    merged.sort(key=lambda row: row[:2])
    return [message for _, _, message in merged]
