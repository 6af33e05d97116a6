"""One file on its way: a part that grows, from where an earlier run left it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError, InvalidHeader

from kline_harness.history.pace import Pace, Stall
from kline_harness.nouns import counted
from kline_harness.whole_file import write_whole

_PIECE_BYTES = 64 << 10
_UNSAID = ("", None)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the server said of a downloaded file; `bytes_received` counts this run's alone.

    `length` is the size that the server stated, None where it stated none.
    """

    etag: str
    last_modified: str
    size: int
    bytes_received: int
    length: int | None


class Transfer:
    """One file on its way: the bytes in `part` and what the server said of them."""

    def __init__(
        self,
        url: str,
        part: Path,
        stall_s: float,
        stall_bytes: int,
        pace: Pace,
        on_bytes: Callable[[int], None] | None = None,
    ) -> None:
        self._on_bytes = on_bytes
        self._url, self._part, self._pace = url, part, pace
        self._slow = (stall_s, stall_bytes)
        self._state_path = part.with_name(part.name + ".json")
        self._state = read_state(part)
        self._received = 0
        self._best = self._before = self._size()
        if self._state.get("url") != url:
            self.restart()

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def restart(self) -> None:
        """Forget what is there."""
        self._state = {"url": self._url}
        if self._part.exists():
            os.truncate(self._part, 0)

    def complete(self) -> bool:
        """Tell whether every byte is there already."""
        size = self._state.get("size")
        return isinstance(size, int) and size == self._size() and size > 0

    def headers(self) -> dict[str, str]:
        """Return what asks for the rest, and only of the same version of the file."""
        # The stronger transfer coding of an earlier answer leaves nothing to resume.
        validator = self._state.get("etag") or self._state.get("last_modified")
        size = self._size()
        if not size or not validator or str(validator).startswith("W/"):
            return {}
        return {"Range": f"bytes={size}-", "If-Range": str(validator)}

    def take(self, response: Any) -> str | None:
        """Write the body; return what went wrong, None at the full length.

        Raises OSError when the disk does not take it.
        """
        self._before = self._best
        begin, total = self._begin(response)
        if begin is None:
            return "a range that was not asked for"
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        problem = None
        with open(self._part, "r+b" if begin else "wb") as file:
            file.seek(begin)
            if not begin:
                self._note(response, None if encoded else total, encoded)
            problem = self._copy(response, file)
            file.flush()
        size = self._size()
        self._best = max(self._best, size)
        if problem is None and total is not None and not encoded and size != total:
            problem = f"expected {counted(total, 'byte')}, found {size:,}"
        if problem is None:
            with open(self._part, "rb") as file:
                os.fsync(file.fileno())
            self._state["size"] = size
            write_state(self._part, self._state)
        elif encoded:
            self.restart()
        return problem

    def advanced(self) -> bool:
        """Tell whether the last answer brought the file further, and not by drops."""
        return self._best >= self._before + self._slow[1]

    def fetched(self) -> Fetched:
        """Return what is known of the file."""
        state = self._state
        sizes = (self._size(), self._received, state.get("length"))
        return Fetched(state.get("etag", ""), state.get("last_modified", ""), *sizes)

    def _begin(self, response: Any) -> tuple[int | None, int | None]:
        """Return where the body begins, and the file's length where it is stated."""
        length = response.headers.get("Content-Length", "")
        if response.status == 200:
            return 0, int(length) if length.isdigit() else None
        stated = response.headers.get("Content-Range", "")
        first, _, rest = stated.removeprefix("bytes ").partition("-")
        total = rest.rpartition("/")[2]
        if not first.isdigit() or int(first) != self._size() or self._changed(response, total):
            self.restart()
            return None, None
        return int(first), int(total) if total.isdigit() else None

    def _changed(self, response: Any, total: str) -> bool:
        """Tell whether a rest is another version's, which a server without If-Range may send."""
        now = {
            "etag": response.headers.get("ETag"),
            "last_modified": response.headers.get("Last-Modified"),
            "size": int(total) if total.isdigit() else None,
        }
        return any(now[name] and self._state.get(name) not in (*_UNSAID, now[name]) for name in now)

    def _note(self, response: Any, total: int | None, encoded: bool) -> None:
        headers = response.headers
        self._state = {"url": self._url, "size": total, "length": total}
        if not encoded:
            self._state["etag"] = headers.get("ETag", "")
            self._state["last_modified"] = headers.get("Last-Modified", "")
        write_state(self._part, self._state)

    def _copy(self, response: Any, file: Any) -> str | None:
        stall = Stall(*self._slow)
        try:
            # read1 hands over what is there: a slow server's bytes are kept as they come.
            while piece := response.read1(_PIECE_BYTES, decode_content=True):
                self._write(file, piece)
                self._received += len(piece)
                if self._on_bytes is not None:
                    self._on_bytes(len(piece))
                if stall.stalled(len(piece)):
                    return "too slow"
                if self._pace.ended:
                    return "ended"
        except _WriteFailed as error:
            raise error.reason from None
        except (HTTPError, OSError, InvalidHeader) as error:
            return reason_of(error)
        return None

    def _write(self, file: Any, piece: bytes) -> None:
        try:
            file.write(piece)
            file.flush()
        except OSError as error:
            raise _WriteFailed(error) from error


class _WriteFailed(Exception):
    """The disk's error, told apart from the network's: both are OSErrors."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def read_state(part: Path) -> dict[str, Any]:
    """Return what stands beside a part, nothing where it cannot be read."""
    try:
        state = json.loads(part.with_name(part.name + ".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(part: Path, state: Mapping[str, Any]) -> None:
    """Write what stands beside a part, whole or not at all."""
    write_whole(part.with_name(part.name + ".json"), json.dumps(state, sort_keys=True))


def reason_of(error: BaseException) -> str:
    """Return an error of the network in a few words."""
    # What broke a connection is the last argument, and the text says it twice.
    if isinstance(error, HTTPError) and error.args and isinstance(error.args[-1], Exception):
        return reason_of(error.args[-1])
    text = str(error).rpartition(": ")[2] if isinstance(error, HTTPError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
