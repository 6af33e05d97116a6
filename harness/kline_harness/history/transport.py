"""One polite HTTP client: paced, with retries, refusals that end it, and downloads that resume."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader

import kline_harness
from kline_harness.errors import UsageError
from kline_harness.history.pace import Pace, Stall
from kline_harness.history.transfer import Fetched, Transfer, reason_of

REFUSALS = (403, 418, 451)
_BUSY = (429, 503)
_REDIRECTS = (301, 302, 303, 307, 308)
_REDIRECTS_MAX = 5
_HEADERS = {
    "User-Agent": f"kline-harness/{kline_harness.__version__}",
    "Accept-Encoding": "identity",
}
# No listing page or CHECKSUM is near this long.
_TEXT_BYTES_MAX = 16 << 20
_PIECE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Settings:
    """How to talk to an archive; times in seconds.

    `mirror` stands in for every host; `proxy` is a URL, or None for what the environment says.
    A request is given up after `tries` that brought fewer than `stall_bytes` each. A transfer is
    begun anew, from where it is, when fewer than that came in `stall_s`. A Retry-After beyond
    `hold_max_s` ends the fetch.

    Raises UsageError for a mirror or proxy that is no URL.
    """

    mirror: str | None = None
    proxy: str | None = None
    connections: int = 4
    requests_per_second: float = 8.0
    tries: int = 6
    backoff_s: float = 1.0
    timeout_s: float = 30.0
    stall_s: float = 60.0
    stall_bytes: int = 4096
    hold_max_s: float = 900.0

    def __post_init__(self) -> None:
        for name, url in (("mirror", self.mirror), ("proxy", self.proxy)):
            if url is not None and not _is_http(url):
                expected = "http://host:3128" if name == "proxy" else "https://host/folder"
                raise UsageError(f"{name} {url!r}: expected a URL such as {expected}")


class RefusedDownload(Exception):
    """The host does not want to be asked any more: nothing is sent to it again."""


class Failed(Exception):
    """One file cannot be had; `status` is the last HTTP status, None without an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """Asks archives; used by several threads, which share its pace and its end."""

    def __init__(self, settings: Settings, received: Callable[[int], None] | None = None) -> None:
        self.settings = settings
        self._on_bytes = received
        self.requests = 0
        self._pace = Pace(settings.requests_per_second)
        self._refusal: str | None = None
        self._lock = threading.Lock()
        self._pools: dict[str, urllib3.PoolManager] = {}

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.clear()

    def stop(self, reason: str) -> None:
        """Send nothing more: `reason` is what every further request is told."""
        self._refusal = self._refusal or reason

    def abort(self, reason: str) -> None:
        """Leave everything where it is: as `stop`, and what is on its way ends too."""
        self.stop(reason)
        self._pace.end()

    def text(self, url: str) -> tuple[bytes, Mapping[str, str]]:
        """Return a small body whole, with its headers.

        Raises Failed, RefusedDownload.
        """
        problem: Failed | None = None
        for attempt in range(self.settings.tries):
            self._back_off(attempt)
            try:
                response = self._open("GET", url, {})
            except Failed as error:
                problem = error
                if _is_final(error.status):
                    raise
                continue
            try:
                return self._small(response), dict(response.headers)
            except (HTTPError, OSError) as error:
                problem = Failed(f"{url}: {reason_of(error)}")
            finally:
                _leave(response)
        assert problem is not None
        raise problem

    def _small(self, response: Any) -> bytes:
        """Return a body that is short and does not come in drops."""
        stall = Stall(self.settings.stall_s, self.settings.stall_bytes)
        body = b""
        while piece := response.read1(_PIECE_BYTES, decode_content=True):
            body += piece
            if stall.stalled(len(piece)) or self._pace.ended:
                raise TimeoutError("too slow")
            if len(body) > _TEXT_BYTES_MAX:
                raise OSError(f"expected at most {_TEXT_BYTES_MAX:,} bytes, found more")
        return body

    def head(self, url: str) -> Mapping[str, str]:
        """Return the headers of a file.

        Raises Failed, RefusedDownload.
        """
        for attempt in range(self.settings.tries):
            self._back_off(attempt)
            try:
                response = self._open("HEAD", url, {})
            except Failed as error:
                if _is_final(error.status) or attempt + 1 == self.settings.tries:
                    raise
                continue
            _leave(response)
            return dict(response.headers)
        raise AssertionError("a client tries at least once")

    def download(self, url: str, part: Path) -> Fetched:
        """Bring `part` to the file's full length, from where an earlier run left it.

        Its state (ETag, size) stands in `part` + ".json", written before the first byte.

        Raises Failed, RefusedDownload, and OSError when the disk does not take it.
        """
        slow = (self.settings.stall_s, self.settings.stall_bytes)
        transfer = Transfer(url, part, *slow, self._pace, self._on_bytes)
        failures = 0
        while True:
            if transfer.complete():
                return transfer.fetched()
            self._back_off(failures)
            try:
                response = self._open("GET", url, transfer.headers())
            except Failed as error:
                if error.status == 416:
                    transfer.restart()
                failures += 1
                if (_is_final(error.status) and error.status != 416) or (
                    failures >= self.settings.tries
                ):
                    raise
                continue
            try:
                problem = transfer.take(response)
            finally:
                _leave(response)
            if problem is None:
                return transfer.fetched()
            # A cut connection costs a try only when it brought nothing new.
            failures = 0 if transfer.advanced() else failures + 1
            if failures >= self.settings.tries:
                raise Failed(f"{url}: {problem}")

    def _back_off(self, failures: int) -> None:
        if failures:
            # Spread by what is counted, not by chance: another thread's request comes in between.
            self._pace.pause(min(self.settings.backoff_s * 2 ** (failures - 1), 60.0))

    def _open(self, method: str, url: str, headers: Mapping[str, str]) -> Any:
        """Send one request and follow redirects; return an answer of 200 or 206.

        Raises Failed for anything else, RefusedDownload where the host has had enough.
        """
        for _ in range(_REDIRECTS_MAX + 1):
            self._pace.wait()
            # What another thread was answered while this one waited counts too.
            if self._refusal is not None:
                raise RefusedDownload(self._refusal)
            with self._lock:
                self.requests += 1
            try:
                response = self._pool(url).request(
                    method,
                    url,
                    headers={**_HEADERS, **headers},
                    preload_content=False,
                    redirect=False,
                    retries=False,
                )
            except (HTTPError, OSError) as error:
                raise Failed(f"{url}: {reason_of(error)}") from error
            if response.status not in _REDIRECTS:
                return self._judged(url, response)
            target = urljoin(url, response.headers.get("Location", ""))
            _leave(response)
            if not _is_http(target):
                raise Failed(f"{url}: redirected to {target!r}, no URL of http", response.status)
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise Failed(f"{url}: redirected from https to {target}", response.status)
            url = target
        raise Failed(f"{url}: more than {_REDIRECTS_MAX} redirects", 310)

    def _judged(self, url: str, response: Any) -> Any:
        status = response.status
        if status in (200, 206):
            return response
        held = response.headers.get("Retry-After")
        _leave(response)
        if status in REFUSALS:
            self._refusal = f"{urlsplit(url).netloc} answered {status}: nothing more is asked of it"
            raise RefusedDownload(self._refusal)
        if status in _BUSY and held is not None:
            seconds = _seconds(held)
            if seconds > self.settings.hold_max_s:
                self._refusal = f"{urlsplit(url).netloc} answered {status} and Retry-After {held}"
                raise RefusedDownload(self._refusal)
            self._pace.hold(seconds)
        raise Failed(f"{url}: HTTP {status}", status)

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxy = self.settings.proxy
        if proxy is None and parts.hostname and not proxy_bypass(parts.netloc.rpartition("@")[2]):
            proxy = getproxies().get(parts.scheme) or getproxies().get("all")
        with self._lock:
            if (proxy or "") not in self._pools:
                self._pools[proxy or ""] = self._make_pool(proxy)
            return self._pools[proxy or ""]

    def _make_pool(self, proxy: str | None) -> urllib3.PoolManager:
        options: dict[str, Any] = {
            "maxsize": self.settings.connections,
            "block": True,
            "timeout": urllib3.Timeout(self.settings.timeout_s),
        }
        if proxy is None:
            return urllib3.PoolManager(**options)
        try:
            given = urlsplit(proxy)
            if given.username is not None:
                known = f"{unquote(given.username)}:{unquote(given.password or '')}"
                options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=known)
            return urllib3.ProxyManager(proxy, **options)
        except (HTTPError, ValueError) as error:
            raise UsageError(f"proxy {proxy!r}: expected a URL such as http://host:3128") from error


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _is_final(status: int | None) -> bool:
    """Tell whether asking again cannot help."""
    return status is not None and status < 500 and status not in (408, 425, 429)


def _seconds(retry_after: str) -> float:
    try:
        return urllib3.Retry().parse_retry_after(retry_after)
    except InvalidHeader:
        return 1.0


def _leave(response: Any) -> None:
    response.close()
    response.release_conn()
