"""What a run of the server did: which files it served, to whom, and what each client was sent.

``served.json`` in the folder of the run is the input of whoever judges what a service stored.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kline_harness.errors import InputError, writing
from kline_harness.whole_file import replacing

SCHEMA = "kline-harness/served/1"
FILE = "served.json"


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file that was served; `path` as given, `role` trades or klines."""

    path: str
    sha256: str
    role: str
    rows: int


@dataclass(frozen=True, slots=True)
class ServedConnection:
    """A websocket.

    `client` is the kind of its address (``loopback``, ``other``). `closed_by` is
    ``client``, ``server`` (a rule of the exchange), ``slow`` (it did not read), ``fault`` or
    ``end`` (the recording was over, or the server was stopped); None while it is open.
    """

    id: int
    client: str
    path: str
    opened_ns: int
    closed_ns: int | None = None
    close_code: int | None = None
    closed_by: str | None = None


@dataclass(frozen=True, slots=True)
class ServedSubscription:
    """A stream of a connection, from its acknowledgement on.

    `messages` were handed to the connection; `ended_ns` is when it was unsubscribed. A stream in
    the address has no acknowledgement of its own: it counts from the handshake.
    """

    connection: int
    stream: str
    acknowledged_ns: int
    messages: int
    ended_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ServedFault:
    """A fault of the wire: how often it struck, and where first.

    `detected` says whether a client showed in what it sent that it had noticed (a new connection,
    a request for what was missing); None where the wire cannot show that. `trades` are, by stream,
    the ids of the trades that it touched, as ranges [first, last]: held back, sent twice or late,
    or not sent because the stream was cut off and not subscribed to again. `klines` are, by stream,
    those whose last message was not sent, as [first open time, last open time, time of the last
    message that was sent before].
    """

    kind: str
    number: int
    effects: int
    first_ns: int | None = None
    detected: bool | None = None
    trades: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    klines: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """How often a REST endpoint was asked and answered with a status."""

    endpoint: str
    status: int
    count: int


@dataclass(frozen=True, slots=True)
class Served:
    """A run of the server.

    Times are virtual nanoseconds, moved by `rebase_days` whole days from those of the files.
    `started_ns` is where the live part began: what lies before was history for REST. `ended_ns`
    is how far the clock came; `complete` says that it came to the end of the recording.
    `speed` is a whole number of virtual seconds a second, or ``max``. `frames` counts messages by
    stream over all connections. `late_ns` is the most by which anything was sent later than its
    time, in virtual time; at full speed time waits, and it is 0. `without_source` are kinds of
    streams that the files cannot give.
    """

    market: str
    archives: tuple[ServedFile, ...]
    symbols: tuple[str, ...]
    speed: str
    routes: str
    rebase_days: int
    scenario: Mapping[str, Any]
    started_ns: int
    ended_ns: int
    complete: bool
    frames: Mapping[str, int] = field(default_factory=dict)
    connections: tuple[ServedConnection, ...] = ()
    subscriptions: tuple[ServedSubscription, ...] = ()
    faults: tuple[ServedFault, ...] = ()
    requests: tuple[ServedRequest, ...] = ()
    slow_clients: int = 0
    late_ns: int = 0
    without_source: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, with the schema's name."""
        return {"schema": SCHEMA, **asdict(self)}

    def write(self, folder: Path) -> Path:
        """Write ``served.json`` at once: it is the old one or the new one, never half of one.

        Raises OutputError.
        """
        target = folder / FILE
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"
        with writing(target), replacing(target) as made, made.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return target

    @staticmethod
    def read(folder: Path) -> Served:
        """Read the folder of a run of the server, or its ``served.json`` itself.

        Raises InputError where it is none.
        """
        path = folder / FILE if folder.is_dir() else folder
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(path, "a run of the server", str(error.strerror)) from error
        except ValueError as error:
            raise InputError(path, "JSON", str(error)) from error
        if not isinstance(table, dict) or table.pop("schema", None) != SCHEMA:
            raise InputError(path, f"the schema {SCHEMA}", "another one, or none")
        lists = {
            "archives": ServedFile,
            "connections": ServedConnection,
            "subscriptions": ServedSubscription,
            "faults": ServedFault,
            "requests": ServedRequest,
        }
        try:
            for name, kind in lists.items():
                table[name] = tuple(kind(**row) for row in table[name])
            for name in ("symbols", "without_source"):
                table[name] = tuple(table[name])
            return Served(**table)
        except (KeyError, TypeError) as error:
            raise InputError(path, f"the fields of {SCHEMA}", str(error)) from error
