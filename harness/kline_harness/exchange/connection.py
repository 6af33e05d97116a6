"""One websocket of a client: what it has subscribed to, and what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from aiohttp import web

from kline_harness.exchange.frames import Frames, frame
from kline_harness.exchange.market import Slice, StreamMessage
from kline_harness.exchange.served import ServedConnection, ServedSubscription
from kline_harness.exchange.stream_names import TRADE_KINDS, Address, Stream
from kline_harness.units import BoolArray

# Bytes that may wait for a client; at full speed the server waits for it to read.
WAITING_BYTES = 1 << 20


@dataclass(slots=True)
class WireMessage:
    """One message on its way: its time, its stream, what it is of, and its frame.

    `symbol` is that of a trade; `closes_ns` is as in `StreamMessage`.
    """

    at_ns: int
    stream: str
    symbol: str
    key: int
    data: bytes
    closes_ns: int | None = None


@dataclass(slots=True)
class StreamSubscription:
    """A stream that a client asked for; `stream` is None where nothing is ever sent on it.

    `last_ns` is when the last message was sent that is no trade.
    """

    name: str
    stream: Stream | None
    since_ns: int
    messages: int = 0
    ended_ns: int | None = None
    last_ns: int = 0


@dataclass(slots=True, eq=False)
class Connection:
    """A websocket; times are virtual."""

    id: int
    address: Address
    client: str
    path: str
    opened_ns: int
    ws: web.WebSocketResponse
    transport: asyncio.Transport
    symbols: list[str]
    streams: dict[str, StreamSubscription] = field(default_factory=dict)
    past: list[StreamSubscription] = field(default_factory=list)
    closed_ns: int | None = None
    close_code: int | None = None
    closed_by: str | None = None
    silent: bool = False
    last_pong: float = 0.0
    chosen: dict[str, BoolArray] = field(default_factory=dict)
    _counts: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind in TRADE_KINDS:
            self.chosen[kind] = np.zeros(len(self.symbols), dtype=np.bool_)
            self._counts[kind] = np.zeros(len(self.symbols), dtype=np.int64)

    @property
    def open(self) -> bool:
        """Whether anything can still be sent."""
        return self.closed_ns is None and not self.transport.is_closing()

    def subscribe(self, name: str, stream: Stream | None, at_ns: int) -> None:
        """Begin a stream; one that is on already stays as it is."""
        if name in self.streams:
            return
        self.streams[name] = StreamSubscription(name, stream, at_ns)
        self._choose(stream, True)

    def unsubscribe(self, name: str, at_ns: int) -> None:
        """End a stream; one that is not on is passed over."""
        gone = self.streams.pop(name, None)
        if gone is None:
            return
        self._settle(gone)
        gone.ended_ns = at_ns
        self.past.append(gone)
        self._choose(gone.stream, False)

    def fall_silent(self, name: str) -> None:
        """Stop sending a stream that stays acknowledged."""
        sub = self.streams[name]
        self._settle(sub)
        self._choose(sub.stream, False)
        sub.stream = None

    def closed(self, at_ns: int, code: int | None, by: str) -> None:
        """Note that the connection is over; what is known first stays."""
        if self.closed_ns is None:
            self.closed_ns, self.close_code, self.closed_by = at_ns, code, by

    def series(self) -> Iterator[tuple[str, str, str]]:
        """Yield the streams of klines as (kind, symbol, interval)."""
        for one in self.streams.values():
            if one.stream is not None and one.stream.interval:
                yield one.stream.kind, one.stream.symbol, one.stream.interval

    def write_slice(self, happened: Slice, frames: Callable[[str, bool], Frames]) -> None:
        """Send what happened, in one write."""
        messages = [one for one in happened.messages if self._is_subscribed(one)]
        mine = {}
        for kind, chosen in self.chosen.items():
            if chosen.any() and kind in happened.trades:
                mine[kind] = frames(kind, self.address.combined).of(chosen)
                self._count(kind, mine[kind])
        if len(mine) < 2:
            data = b"".join(self._interleaved(next(iter(mine.values()), None), messages))
        else:
            data = b"".join(one.data for one in self._messages(mine, messages))
        if data:
            self.transport.write(data)
        for one in messages:
            self.streams[one.stream].messages += 1
            self.streams[one.stream].last_ns = one.at_ns

    def messages_of(
        self, happened: Slice, frames: Callable[[str, bool], Frames]
    ) -> list[WireMessage]:
        """Return what happened message by message, for faults to change."""
        mine = {
            kind: frames(kind, self.address.combined).of(chosen)
            for kind, chosen in self.chosen.items()
            if chosen.any() and kind in happened.trades
        }
        return self._messages(mine, [one for one in happened.messages if self._is_subscribed(one)])

    def write_messages(self, messages: list[WireMessage]) -> None:
        """Send messages one after the other, in one write."""
        if messages:
            self.transport.write(b"".join(one.data for one in messages))
        for one in messages:
            if one.stream in self.streams:
                self.streams[one.stream].messages += 1
                if not one.symbol:
                    self.streams[one.stream].last_ns = one.at_ns

    def waiting(self) -> int:
        """Return how many bytes wait for the client to read."""
        return self.transport.get_write_buffer_size()

    def record(self) -> ServedConnection:
        """Return what served.json has of the connection: whose it was, and how it ended."""
        return ServedConnection(
            *(self.id, self.client, self.path, self.opened_ns),
            *(self.closed_ns, self.close_code, self.closed_by),
        )

    def subscriptions(self) -> list[ServedSubscription]:
        """Return every stream the client ever had, as it is recorded."""
        for one in self.streams.values():
            self._settle(one)
        return [
            ServedSubscription(self.id, one.name, one.since_ns, one.messages, one.ended_ns)
            for one in [*self.past, *self.streams.values()]
        ]

    def _is_subscribed(self, one: StreamMessage) -> bool:
        sub = self.streams.get(one.stream)
        return sub is not None and sub.stream is not None and one.at_ns > sub.since_ns

    def _choose(self, stream: Stream | None, on: bool) -> None:
        if stream is not None and stream.kind in self.chosen:
            self.chosen[stream.kind][self.symbols.index(stream.symbol)] = on

    def _count(self, kind: str, frames: Frames) -> None:
        self._counts[kind] += np.bincount(frames.symbol, minlength=len(self.symbols))

    def _settle(self, one: StreamSubscription) -> None:
        if one.stream is not None and one.stream.kind in self._counts:
            code = self.symbols.index(one.stream.symbol)
            one.messages += int(self._counts[one.stream.kind][code])
            self._counts[one.stream.kind][code] = 0

    def _interleaved(
        self, trades: Frames | None, messages: list[StreamMessage]
    ) -> Iterator[bytes | memoryview]:
        if trades is None:
            yield from map(self._frame, messages)
            return
        # What is no trade comes, at an instant, before the trades of that instant.
        at_ns = np.array([one.at_ns for one in messages], dtype=np.int64)
        stops = trades.ends_before(at_ns)
        data, done = memoryview(trades.data.tobytes()), 0
        for one, stop in zip(messages, stops, strict=True):
            yield data[done:stop]
            yield self._frame(one)
            done = stop
        yield data[done:]

    def _messages(
        self, mine: dict[str, Frames], messages: list[StreamMessage]
    ) -> list[WireMessage]:
        rows: list[tuple[tuple[int, int, int], WireMessage]] = []
        for place, one in enumerate(messages):
            message = WireMessage(
                one.at_ns, one.stream, "", one.at_ns, self._frame(one), one.closes_ns
            )
            rows.append(((one.at_ns, 0, place), message))
        for order, (kind, frames) in enumerate(mine.items(), 1):
            columns = (frames.symbol.tolist(), frames.at_ns.tolist(), frames.ids.tolist())
            for row, (code, at_ns, key) in enumerate(zip(*columns, strict=True)):
                symbol = self.symbols[code]
                name = f"{symbol.lower()}@{kind}"
                data = frames.bytes_of(row, row + 1)
                rows.append(((at_ns, order, row), WireMessage(at_ns, name, symbol, key, data)))
        rows.sort(key=lambda row: row[0])
        return [message for _, message in rows]

    def _frame(self, one: StreamMessage) -> bytes:
        if self.address.combined:
            return frame(f'{{"stream":"{one.stream}","data":{one.text}}}'.encode())
        return frame(one.text.encode())
