"""What the server does as the exchange does: each behaviour with its source and its test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# Where a behaviour is known from.
REST = "the exchange's REST documents"
STREAMS = "the exchange's stream documents"
SEEN = "answers received from the exchange, recorded in public on 2026-10-07"
ROUTES = "the exchange's change notice of 2026-03-06, and public reports since 2026-04-23"
CLIENTS = "what released clients of the exchange send and read"
FILES = "the exchange's kline files of the same day"
PROTOCOL = "RFC 6455, The WebSocket Protocol"
SOCKS = "RFC 1928, SOCKS Protocol Version 5"


@dataclass(frozen=True)
class Behaviour:
    """One thing that the exchange does; `test` names the test that holds the server to it."""

    what: str
    source: str
    test: str


LIST: list[Behaviour] = []


def behaves(source: str, *whats: str) -> Callable[[F], F]:
    """Note what a test holds the server to."""

    def note(test: F) -> F:
        name = f"{test.__module__.rpartition('.')[2]}.py::{test.__name__}"
        LIST.extend(Behaviour(what, source, name) for what in whats)
        return test

    return note
