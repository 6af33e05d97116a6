"""Faults of the wire between the exchange and a service: what a server does on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kline_harness.faults.fault import Fault
from kline_harness.units import INT64_MAX, NS_PER_MINUTE, NS_PER_SECOND, Window

# What is said of a fault whose trades a service did not get, or took wrongly, and did not mend.
_NOT_MENDED = ("wire_faults.not_mended",)
_STATUSES = (418, 429, 451, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireFault(Fault):
    """A fault that a server of the recorded market plays; a replay has no wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtOnce(WireFault):
    """A fault that strikes every websocket once, at a virtual instant."""

    TOLD_BY: ClassVar[tuple[str, ...]] = _NOT_MENDED

    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Windowed(WireFault):
    """A fault of a stretch of virtual time, of one symbol or of all."""

    from_ns: int = 0
    until_ns: int = INT64_MAX
    symbol: str | None = None

    def __post_init__(self) -> None:
        Window(self.from_ns, self.until_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn(_Windowed):
    """Strikes each message with probability `rate`."""

    TOLD_BY: ClassVar[tuple[str, ...]] = _NOT_MENDED

    rate: float = 1.0

    def __post_init__(self) -> None:
        # Explicit: a dataclass with slots is another class than the one `super` would know.
        _Windowed.__post_init__(self)
        if not 0 <= self.rate <= 1:
            raise ValueError(f"expected a rate from 0 to 1, found {self.rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireDisconnect(_AtOnce):
    """Every websocket is cut off without a word; new ones are refused for `down_ns`.

    What was sent meanwhile is not sent again: a service that reconnects without a backfill has
    lost it.
    """

    KIND: ClassVar[str] = "wire_disconnect"

    down_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WireClose(_AtOnce):
    """Every websocket is closed with a code, such as 1008."""

    KIND: ClassVar[str] = "wire_close"

    code: int = 1008

    def __post_init__(self) -> None:
        if not 1000 <= self.code <= 4999:
            raise ValueError(f"expected a close code from 1000 to 4999, found {self.code}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireHalfOpen(_AtOnce):
    """Every websocket stays open and says nothing any more, pongs neither."""

    KIND: ClassVar[str] = "wire_half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireServerShutdown(_AtOnce):
    """Every websocket hears that the server shuts down, and is closed `lead_ns` later."""

    KIND: ClassVar[str] = "wire_server_shutdown"

    lead_ns: int = 10 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class WireGap(_Drawn):
    """Messages are not sent, on sockets that stay open."""

    KIND: ClassVar[str] = "wire_gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireDuplicate(_Drawn):
    """Messages are sent twice."""

    KIND: ClassVar[str] = "wire_duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireReorder(_Drawn):
    """A message changes places with the one after it."""

    KIND: ClassVar[str] = "wire_reorder"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireDelay(_Drawn):
    """Messages are sent `by_ns` later; others overtake them."""

    KIND: ClassVar[str] = "wire_delay"

    by_ns: int = NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequestRefused(_Windowed):
    """The first `count` REST requests, to one endpoint or to any, are answered with a status.

    418, 429, 451 and the 5xx; `endpoint` such as ``klines``.
    """

    KIND: ClassVar[str] = "wire_request_refused"

    status: int = 429
    count: int = 1
    endpoint: str | None = None

    def __post_init__(self) -> None:
        _Windowed.__post_init__(self)
        if self.status not in _STATUSES:
            expected = ", ".join(map(str, _STATUSES))
            raise ValueError(f"expected a status of {expected}, found {self.status}")
        if self.count < 1:
            raise ValueError(f"expected a count of 1 or more, found {self.count}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireServerTime(_AtOnce):
    """The time that REST tells steps by `by_ns`, backwards where asked."""

    KIND: ClassVar[str] = "wire_server_time"
    TOLD_BY: ClassVar[tuple[str, ...]] = ()

    by_ns: int = NS_PER_MINUTE
    backwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRepeatedAnswer(WireFault):
    """Every answer to a request on a websocket is sent `times` times."""

    KIND: ClassVar[str] = "wire_repeated_answer"

    times: int = 2

    def __post_init__(self) -> None:
        if not 2 <= self.times <= 100:
            raise ValueError(f"expected 2 to 100 times, found {self.times}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRoutesRetired(_AtOnce):
    """From then on the old addresses send trades and depth alone, and acknowledge everything."""

    KIND: ClassVar[str] = "wire_routes_retired"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("silent_stream.silent_stream", *_NOT_MENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSymbolName(WireFault):
    """A symbol is served under another name, such as one with Chinese characters."""

    KIND: ClassVar[str] = "wire_symbol_name"

    symbol: str
    name: str = "币安人生USDT"

    def __post_init__(self) -> None:
        if not self.name or "@" in self.name or "/" in self.name or '"' in self.name:
            raise ValueError(f"expected a symbol's name, found {self.name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireStreamsMax(WireFault):
    """A connection may have `streams` streams; one more and it is closed with 1008."""

    KIND: ClassVar[str] = "wire_streams_max"
    TOLD_BY: ClassVar[tuple[str, ...]] = _NOT_MENDED

    streams: int = 1_024

    def __post_init__(self) -> None:
        if self.streams < 1:
            raise ValueError(f"expected 1 stream or more, found {self.streams}")


WIRE_KINDS: tuple[type[WireFault], ...] = (
    WireDisconnect,
    WireClose,
    WireHalfOpen,
    WireServerShutdown,
    WireGap,
    WireDuplicate,
    WireReorder,
    WireDelay,
    WireRequestRefused,
    WireServerTime,
    WireRepeatedAnswer,
    WireRoutesRetired,
    WireSymbolName,
    WireStreamsMax,
)
