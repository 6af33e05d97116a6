"""An archive on the loopback interface that can misbehave, file by file and request by request."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kline_harness.history.transport import Settings

# Nothing in a test waits for politeness; what is polite has tests of its own.
QUICK = {"requests_per_second": 5_000.0, "backoff_s": 0.001, "timeout_s": 5.0}


def packed(name: str, text: str) -> bytes:
    """Return a zip of one CSV file, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, text)
    return buffer.getvalue()


def day_ms(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000


def trades_text(first_day: str, days: int = 1, per_day: int = 1_440) -> str:
    """Return aggregate trades: one a minute, ids by time, a price that moves with the minute."""
    lines = [
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
    ]
    start = day_ms(first_day)
    base = start // 60_000
    step = 1_440 // per_day
    for n in range(0, days * 1_440, step):
        price = f"{100 + (base + n) % 7}.50"
        number = base + n
        lines.append(f"{number},{price},2.000,{number},{number},{start + n * 60_000},false")
    return "\n".join(lines) + "\n"


def klines_text(first_day: str, days: int = 1) -> str:
    """Return the 1m klines of those trades, written by hand: one trade in each minute."""
    names = "open_time,open,high,low,close,volume,close_time,quote_volume,count"
    lines = [f"{names},taker_buy_volume,taker_buy_quote_volume,ignore"]
    start = day_ms(first_day)
    for n in range(days * 1_440):
        whole = 100 + (start // 60_000 + n) % 7
        price, quote = f"{whole}.50", f"{2 * whole + 1}.00000"
        opened = start + n * 60_000
        ohlc = ",".join([price] * 4)
        lines.append(f"{opened},{ohlc},2.000,{opened + 59_999},{quote},1,2.000,{quote},0")
    return "\n".join(lines) + "\n"


@dataclass
class Stored:
    """One file as the server has it."""

    body: bytes
    etag: str
    listed: bool = True


@dataclass
class Request:
    """One request as the server saw it, and the bytes of its body that were sent."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


# Answers a request itself and returns True, or leaves it to the server.
Behaviour = Callable[["Handler", "Request", int], bool]


@dataclass
class Archive:
    """The files of a server, its log, and what goes wrong: `behave` maps a path's end to it."""

    files: dict[str, Stored] = field(default_factory=dict)
    behave: dict[str, Behaviour] = field(default_factory=dict)
    log: list[Request] = field(default_factory=list)
    page_size: int = 1_000
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> Settings:
        return Settings(**{"mirror": self.url, **QUICK, **more})

    def put(self, path: str, body: bytes, checksum: bool | bytes = True) -> None:
        name = path.rpartition("/")[2]
        self.files[path] = Stored(body, f'"{hashlib.md5(body).hexdigest()}"')
        if checksum:
            stated = f"{hashlib.sha256(body).hexdigest()}  {name}\n".encode()
            content = checksum if isinstance(checksum, bytes) else stated
            self.files[path + ".CHECKSUM"] = Stored(content, '"c"')

    def put_trades(self, day: str, symbol: str = "BTCUSDT", **more: Any) -> str:
        name = f"{symbol}-aggTrades-{day}"
        path = f"data/futures/um/daily/aggTrades/{symbol}/{name}.zip"
        self.put(path, packed(f"{name}.csv", trades_text(day)), **more)
        return path

    def asked(self, end: str) -> list[Request]:
        return [one for one in self.log if one.path.endswith(end)]


class Handler(BaseHTTPRequestHandler):
    """Serves an `Archive`: files with Range and If-Range, S3 listings."""

    protocol_version = "HTTP/1.1"
    archive: Archive
    request_seen: Request

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        path = parts.path.lstrip("/")
        self.request_seen = Request(self.command, path, dict(self.headers))
        with self.archive.lock:
            self.archive.log.append(self.request_seen)
            nth = len([r for r in self.archive.log if r.path == path and r.method == self.command])
        for end, behaviour in self.archive.behave.items():
            if path.endswith(end) and behaviour(self, self.request_seen, nth):
                return
        if "prefix=" in parts.query:
            self.answer(200, self.listing(parts.query))
        elif path in self.archive.files:
            self.file(self.archive.files[path])
        else:
            self.answer(404)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> bool:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.write(body)
        return True

    def write(self, body: bytes) -> None:
        if self.command == "HEAD":
            return
        self.wfile.write(body)
        self.wfile.flush()
        self.request_seen.sent += len(body)

    def file(self, stored: Stored, *, cut: int | None = None, ranges: bool = True) -> bool:
        """Send a file; with `cut` the connection ends after so many bytes of the body."""
        body, status, first = stored.body, 200, 0
        asked = self.headers.get("Range") if ranges else None
        if asked and self.headers.get("If-Range", stored.etag) == stored.etag:
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            status = 206
        self.send_response(status)
        if status == 206:
            span = f"bytes {first}-{len(body) - 1}/{len(body)}"
            self.send_header("Content-Range", span)
        self.send_header("ETag", stored.etag)
        self.send_header("Content-Length", str(len(body) - first))
        self.end_headers()
        rest = body[first:]
        self.write(rest if cut is None else rest[:cut])
        if cut is not None and cut < len(rest):
            self.close_connection = True
        return True

    def listing(self, query: str) -> bytes:
        given = {name: values[0] for name, values in parse_qs(query).items()}
        prefix, marker = given["prefix"], given.get("marker", "")
        keys = sorted(
            path
            for path, stored in self.archive.files.items()
            if path.startswith(prefix) and path > marker and stored.listed
        )
        page = keys[: self.archive.page_size]
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2024-08-01T00:00:00.000Z</LastModified>"
            f"<ETag>{self.archive.files[key].etag.replace(chr(34), '&quot;')}</ETag>"
            f"<Size>{len(self.archive.files[key].body)}</Size></Contents>"
            for key in page
        )
        more = "true" if len(keys) > len(page) else "false"
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>{more}</IsTruncated>{entries}</ListBucketResult>"
        ).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed leave in the middle of an answer."""


@contextmanager
def serving() -> Iterator[Archive]:
    archive = Archive()
    handler = type("ArchiveHandler", (Handler,), {"archive": archive})
    server = _Server(("127.0.0.1", 0), handler)
    archive.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def gz(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def next_day(day: str, days: int = 1) -> str:
    return str(date.fromisoformat(day) + timedelta(days=days))


@contextmanager
def proxying() -> Iterator[tuple[str, list[str]]]:
    """A forward proxy on the loopback interface: its URL, and the URLs asked of it."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            parts = urlsplit(self.path)
            assert parts.hostname is not None, "a proxy is asked with the whole URL"
            onward = HTTPConnection(parts.hostname, parts.port, timeout=5)
            sent = {k: v for k, v in self.headers.items() if k.lower() != "proxy-connection"}
            onward.request("GET", self.path.partition(parts.netloc)[2], headers=sent)
            answer = onward.getresponse()
            body = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            onward.close()

    server = _Server(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
