"""What a server did, as `serve --out DIR` leaves it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kline_harness.errors import InputError

SCHEMA = "kline-harness/served/1"


@dataclass(frozen=True, slots=True)
class ServedArchive:
    """A file of trades that was served."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A stream that a connection subscribed to, from its acknowledgement until its end."""

    stream: str
    connection: int
    acknowledged_ns: int
    until_ns: int | None
    messages: int
    last_ns: int | None


@dataclass(frozen=True, slots=True)
class Served:
    """One run of a server."""

    market: str
    archives: tuple[ServedArchive, ...]
    rebase_days: int
    started_ns: int
    ended_ns: int
    symbols: tuple[str, ...]
    subscriptions: tuple[Subscribed, ...]
    content: dict[str, Any]

    @staticmethod
    def read(path: Path) -> Served:
        """Read it."""
        file = path / "served.json" if path.is_dir() else path
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(file, "what a server left, served.json", "no such file") from None
        except (OSError, ValueError) as error:
            raise InputError(file, f"JSON of the schema {SCHEMA}", str(error)) from None
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise InputError(file, f"JSON of the schema {SCHEMA}", "another")
        return Served(
            content["market"],
            tuple(ServedArchive(**one) for one in content["archives"]),
            content["rebase_days"],
            content["started_ns"],
            content["ended_ns"],
            tuple(content["symbols"]),
            tuple(Subscribed(**one) for one in content["subscriptions"]),
            content,
        )
