"""Servers that misbehave: every file is whole and proved, or named; nothing is half-written."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from kline_harness.history.catalogue import Catalogue
from kline_harness.history.fetch import FetchResult, fetch
from kline_harness.history.selection import Item, items_of, parse_selection

from tests.history.archive_server import Archive, Behaviour, Handler, Request, files_below, packed

DAY = "2024-07-18"
END = f"BTCUSDT-aggTrades-{DAY}.zip"


def items(text: str = f"um:BTCUSDT:{DAY}") -> list[Item]:
    return items_of(parse_selection(text), ["aggTrades"], "", ["daily"])


_SETTINGS = (
    *("tries", "stall_s", "stall_bytes", "hold_max_s", "timeout_s", "backoff_s"),
    *("requests_per_second", "proxy"),
)


def run(archive: Archive, catalogue: Catalogue, **more: Any) -> FetchResult:
    settings = {name: more.pop(name) for name in _SETTINGS if name in more}
    wanted = more.pop("items", None) or items()
    return fetch(catalogue, wanted, archive.settings(**settings), **more)


def states(result: FetchResult) -> list[str]:
    return [one.state for one in result.files]


def assert_whole(archive: Archive, catalogue: Catalogue, path: str) -> None:
    """The catalogue has the server's bytes, and nothing lies about half-written."""
    record = catalogue.latest()[f"https://data.binance.vision/{path}"]
    assert catalogue.path(record).read_bytes() == archive.files[path].body
    assert files_below(catalogue.parts) == []


def big(archive: Archive, size: int = 400_000) -> str:
    """A file larger than any buffer on the way: rows of digits that do not compress well."""
    numbers, start = random.Random(1), 1_721_260_800_000
    rows = "".join(
        f"{n},{numbers.randrange(1, 10**9)}.5,{numbers.randrange(1, 10**9)},{n},{n},"
        f"{start + n},true\n"
        for n in range(1, size // 18)
    )
    path = f"data/futures/um/daily/aggTrades/BTCUSDT/{END}"
    archive.put(path, packed(END[:-4] + ".csv", rows))
    return path


def times(count: int, do: Behaviour) -> Behaviour:
    def behave(handler: Handler, request: Request, nth: int) -> bool:
        return nth <= count and do(handler, request, nth)

    return behave


def status(code: int, **headers: str) -> Behaviour:
    def behave(handler: Handler, request: Request, nth: int) -> bool:
        handler.answer(code, b"", **headers)
        return True

    return behave


def test_a_well_behaved_server(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    result = run(archive, catalogue)
    assert (states(result), result.exit_code) == (["proved"], 0)
    assert_whole(archive, catalogue, path)
    agents = {one.headers["User-Agent"] for one in archive.log}
    assert len(agents) == 1
    assert agents.pop().startswith("kline-harness/")
    # A second fetch asks for no byte of it.
    before = len(archive.asked(END))
    assert states(run(archive, catalogue)) == ["proved"]
    assert len(archive.asked(END)) == before


def test_404_of_a_listed_file(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades(DAY)
    archive.behave[END] = status(404)
    result = run(archive, catalogue)
    assert (states(result), result.exit_code) == (["failed"], 3)
    assert "404" in result.files[0].detail
    assert len(archive.asked(END)) == 1


@pytest.mark.parametrize("code", [429, 503])
def test_busy_servers_are_waited_for_as_long_as_they_say(
    archive: Archive, catalogue: Catalogue, code: int
) -> None:
    path = archive.put_trades(DAY)
    archive.behave[END] = times(1, status(code, Retry_After="1"))
    begin = time.monotonic()
    assert states(run(archive, catalogue)) == ["proved"]
    assert time.monotonic() - begin >= 1
    assert_whole(archive, catalogue, path)


def test_a_busy_server_without_retry_after(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    archive.behave[END] = times(3, status(429))
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_a_retry_after_of_a_day_ends_the_fetch(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades(DAY)
    archive.behave[END] = status(503, Retry_After="86400")
    result = run(archive, catalogue)
    assert (states(result), result.exit_code) == (["not asked"], 3)
    assert "86400" in result.files[0].detail


@pytest.mark.parametrize("code", [500, 502, 504])
def test_server_errors_pass(archive: Archive, catalogue: Catalogue, code: int) -> None:
    path = archive.put_trades(DAY)
    archive.behave[END] = times(4, status(code))
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_server_errors_that_stay_are_named(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades(DAY)
    archive.behave[END] = status(500)
    result = run(archive, catalogue, tries=3)
    assert states(result) == ["failed"]
    assert "HTTP 500" in result.files[0].detail
    assert len(archive.asked(END)) == 3


@pytest.mark.parametrize("code", [403, 418, 451])
def test_refusals_end_the_fetch(archive: Archive, catalogue: Catalogue, code: int) -> None:
    for day in range(1, 21):
        archive.put_trades(f"2024-07-{day:02}")
    archive.behave[".zip"] = status(code)
    result = run(archive, catalogue, items=items("um:BTCUSDT:2024-07-01..2024-07-20"))
    assert set(states(result)) == {"not asked"}
    assert all(str(code) in one.detail for one in result.files)
    # Those that were under way on the four connections, and no more.
    assert len(archive.asked(".zip")) <= 4


def test_a_truncated_body_is_resumed(archive: Archive, catalogue: Catalogue) -> None:
    path = big(archive)
    archive.behave[END] = times(1, lambda h, r, n: h.file(archive.files[path], cut=100_000))
    result = run(archive, catalogue)
    assert states(result) == ["proved"]
    assert_whole(archive, catalogue, path)
    assert sum(one.sent for one in archive.asked(END)) == len(archive.files[path].body)


def test_a_body_that_is_always_cut_at_the_same_place_is_named(
    archive: Archive, catalogue: Catalogue
) -> None:
    path = big(archive)
    archive.behave[END] = lambda h, r, n: h.file(archive.files[path], cut=9_000, ranges=False)
    result = run(archive, catalogue, tries=3)
    assert states(result) == ["failed"]
    assert catalogue.records() == []
    assert files_below(catalogue.objects) == []


def test_connections_reset_at_every_64_kib(archive: Archive, catalogue: Catalogue) -> None:
    path = big(archive, 2_000_000)
    archive.behave[END] = lambda h, r, n: h.file(archive.files[path], cut=64 << 10)
    result = run(archive, catalogue)
    assert states(result) == ["proved"]
    assert_whole(archive, catalogue, path)
    body = len(archive.files[path].body)
    assert len(archive.asked(END)) == -(-body // (64 << 10))
    assert sum(one.sent for one in archive.asked(END)) == body == result.files[0].bytes_received


def test_a_200_to_a_range_starts_over(archive: Archive, catalogue: Catalogue) -> None:
    path = big(archive)

    def behave(handler: Handler, request: Request, nth: int) -> bool:
        cut = 100_000 if nth == 1 else None
        handler.file(archive.files[path], cut=cut, ranges=False)
        return True

    archive.behave[END] = behave
    assert states(run(archive, catalogue)) == ["proved"]
    assert archive.asked(END)[1].headers["Range"] == "bytes=100000-"
    assert_whole(archive, catalogue, path)


def test_an_etag_that_changes_between_parts(archive: Archive, catalogue: Catalogue) -> None:
    path = big(archive)
    old = archive.files[path]

    def behave(handler: Handler, request: Request, nth: int) -> bool:
        if nth == 1:
            handler.file(old, cut=50_000)
            big(archive, 300_000)
            return True
        return False

    archive.behave[END] = behave
    assert states(run(archive, catalogue)) == ["proved"]
    assert archive.files[path].body != old.body
    assert_whole(archive, catalogue, path)


def test_a_206_of_another_version_is_not_appended(archive: Archive, catalogue: Catalogue) -> None:
    path = big(archive)
    old = archive.files[path]

    def behave(handler: Handler, request: Request, nth: int) -> bool:
        if nth == 1:
            handler.file(old, cut=50_000)
            big(archive, 300_000)
            return True
        handler.headers.replace_header("If-Range", archive.files[path].etag) if nth == 2 else None
        return False

    archive.behave[END] = behave
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_a_206_of_another_range_is_not_appended(archive: Archive, catalogue: Catalogue) -> None:
    path = big(archive)

    def behave(handler: Handler, request: Request, nth: int) -> bool:
        if nth == 1:
            handler.file(archive.files[path], cut=50_000)
        elif nth == 2:
            handler.headers.replace_header("Range", "bytes=10-")
            return False
        return nth == 1

    archive.behave[END] = behave
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_a_416_starts_over(archive: Archive, catalogue: Catalogue) -> None:
    path = big(archive)

    def behave(handler: Handler, request: Request, nth: int) -> bool:
        if nth == 1:
            handler.file(archive.files[path], cut=50_000)
        elif nth == 2:
            handler.answer(416)
        return nth < 3

    archive.behave[END] = behave
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_a_slow_drip_is_cut_and_resumed(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)

    def drip(handler: Handler, request: Request, nth: int) -> bool:
        stored = archive.files[path]
        handler.send_response(200)
        handler.send_header("ETag", stored.etag)
        handler.send_header("Content-Length", str(len(stored.body)))
        handler.end_headers()
        for at in range(200):
            handler.write(stored.body[at : at + 1])
            time.sleep(0.01)
        return True

    archive.behave[END] = times(1, drip)
    result = run(archive, catalogue, stall_s=0.2, stall_bytes=1_000)
    assert states(result) == ["proved"]
    assert len(archive.asked(END)) == 2
    assert "Range" in archive.asked(END)[1].headers
    assert_whole(archive, catalogue, path)


def test_a_server_that_says_nothing_is_left(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)

    def silence(handler: Handler, request: Request, nth: int) -> bool:
        time.sleep(1)
        handler.close_connection = True
        return True

    archive.behave[END] = times(1, silence)
    assert states(run(archive, catalogue, timeout_s=0.2)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_a_wrong_checksum_of_a_right_zip(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY, checksum=b"0" * 64 + b"  " + END.encode() + b"\n")
    result = run(archive, catalogue)
    assert (states(result), result.exit_code) == (["published checksum wrong"], 1)
    # Kept all the same.
    assert_whole(archive, catalogue, path)
    accepted = run(archive, catalogue, accept=True)
    assert (states(accepted), accepted.exit_code) == (["published checksum wrong"], 0)
    # Mended at the source: proved without another byte of the file.
    archive.put_trades(DAY)
    mended = run(archive, catalogue)
    assert (states(mended), mended.exit_code) == (["proved"], 0)
    assert len(archive.asked(END)) == 1


@pytest.mark.parametrize("text", [b"<html>no such page</html>", b"", b"a" * 64 + b"  other.zip\n"])
def test_a_checksum_that_is_none(archive: Archive, catalogue: Catalogue, text: bytes) -> None:
    path = archive.put_trades(DAY)
    archive.files[path + ".CHECKSUM"].body = text
    assert states(run(archive, catalogue)) == ["published checksum wrong"]


def test_no_checksum(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY, checksum=False)
    result = run(archive, catalogue)
    assert (states(result), result.exit_code) == (["unproven"], 1)
    assert_whole(archive, catalogue, path)
    assert run(archive, catalogue, accept=True).exit_code == 0


def test_a_checksum_that_cannot_be_had_now(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    archive.behave[".CHECKSUM"] = status(500)
    assert states(run(archive, catalogue, tries=2)) == ["failed"]
    assert catalogue.records() == []
    del archive.behave[".CHECKSUM"]
    assert states(run(archive, catalogue)) == ["proved"]
    # The bytes of the first run were kept.
    assert len(archive.asked(END)) == 1
    assert_whole(archive, catalogue, path)


def test_a_zip_damaged_at_source(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    body = bytearray(archive.files[path].body)
    body[len(body) // 2] ^= 1
    archive.put(path, bytes(body))
    result = run(archive, catalogue)
    assert (states(result), result.exit_code) == (["damaged at source"], 1)
    assert len(archive.asked(END)) == 2
    (record,) = catalogue.records()
    assert catalogue.path(record).read_bytes() == bytes(body)
    assert "quarantine" in str(catalogue.path(record))
    assert files_below(catalogue.objects) == []
    assert run(archive, catalogue, accept=True).exit_code == 1


def test_a_zip_damaged_on_the_way(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    good = archive.files[path]

    def damage(handler: Handler, request: Request, nth: int) -> bool:
        body = bytearray(good.body)
        body[len(body) // 2] ^= 1
        handler.answer(200, bytes(body), ETag=good.etag)
        return True

    archive.behave[END] = times(1, damage)
    result = run(archive, catalogue)
    assert (states(result), result.exit_code) == (["proved"], 0)
    assert "quarantine" in result.files[0].detail
    assert_whole(archive, catalogue, path)


def test_redirects_are_followed(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    archive.files["elsewhere.zip"] = archive.files[path]
    archive.behave[END] = status(302, Location="/elsewhere.zip")
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_a_circle_of_redirects_is_named(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades(DAY)
    archive.behave[END] = status(307, Location=f"{archive.url}/data/futures/um/{END}")
    result = run(archive, catalogue)
    assert states(result) == ["failed"]
    assert "redirects" in result.files[0].detail


def test_a_body_that_is_gzipped_on_the_way(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    body = gzip.compress(archive.files[path].body)
    archive.behave[END] = lambda h, r, n: h.answer(200, body, Content_Encoding="gzip")
    assert states(run(archive, catalogue)) == ["proved"]
    assert archive.asked(END)[0].headers["Accept-Encoding"] == "identity"
    assert_whole(archive, catalogue, path)


def test_a_body_without_a_length(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)

    def bare(handler: Handler, request: Request, nth: int) -> bool:
        handler.send_response(200)
        handler.send_header("ETag", archive.files[path].etag)
        handler.send_header("Connection", "close")
        handler.end_headers()
        body = archive.files[path].body
        handler.write(body[: len(body) // 2] if nth == 1 else body)
        handler.close_connection = True
        return True

    archive.behave[END] = bare
    result = run(archive, catalogue)
    assert states(result) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_a_listing_that_is_cut_off_is_asked_for_again(
    archive: Archive, catalogue: Catalogue
) -> None:
    path = archive.put_trades(DAY)

    def cut(handler: Handler, request: Request, nth: int) -> bool:
        if "prefix=" not in handler.path or nth > 1:
            return False
        whole = handler.listing(handler.path.partition("?")[2])
        handler.answer(200, whole[: len(whole) // 2])
        return True

    archive.behave[""] = cut
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)


def test_without_a_listing_files_are_asked_for_by_name(
    archive: Archive, catalogue: Catalogue
) -> None:
    archive.put_trades(DAY)
    archive.behave[""] = lambda h, r, n: "prefix=" in h.path and (h.answer(404))
    result = run(archive, catalogue, items=items(f"um:BTCUSDT:{DAY}..2024-07-19"))
    assert states(result) == ["proved", "failed"]
    assert "without a listing" in result.files[1].detail


def test_pages_of_a_listing(archive: Archive, catalogue: Catalogue) -> None:
    for day in range(1, 29):
        archive.put_trades(f"2024-07-{day:02}")
    archive.page_size = 5
    result = run(archive, catalogue, items=items("um:BTCUSDT:2024-07-01..2024-07-28"))
    assert states(result) == ["proved"] * 28


def test_a_full_disk_is_named_and_what_is_there_is_resumed(
    archive: Archive, catalogue: Catalogue
) -> None:
    path = big(archive)
    code = _program(archive, catalogue, items())
    limit = 150_000

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        preexec_fn=small,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "failed" in done.stdout
    assert "the disk did not take it" in done.stdout
    assert catalogue.records() == []
    assert files_below(catalogue.objects) == []
    first = archive.asked(END)[0]
    assert states(run(archive, catalogue)) == ["proved"]
    assert archive.asked(END)[1].headers["Range"] == f"bytes={limit}-"
    assert first is not archive.asked(END)[1]
    assert_whole(archive, catalogue, path)


def test_two_fetches_at_once_bring_each_file_once(archive: Archive, catalogue: Catalogue) -> None:
    for day in range(1, 11):
        archive.put_trades(f"2024-07-{day:02}")
    wanted = items("um:BTCUSDT:2024-07-01..2024-07-10")
    code = _program(archive, catalogue, wanted)
    both = [
        subprocess.Popen([sys.executable, "-B", "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in both:
        assert one.communicate(timeout=60)[0].count("'proved'") == 10
    assert len(archive.asked(".zip")) == 10
    assert len(catalogue.records()) == 10


@pytest.mark.slow
def test_killed_between_the_record_and_clearing_up(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades(DAY)
    (one,) = run(archive, catalogue).files
    assert one.record is not None
    url = f"https://data.binance.vision/{path}"
    key = hashlib.sha256(url.encode()).hexdigest()[:16]
    state = {"url": url, "sha256": one.record.sha256, "size": one.record.size}
    (catalogue.parts / f"{key}-{END}.json").write_text(json.dumps(state))
    assert states(run(archive, catalogue)) == ["proved"]
    assert_whole(archive, catalogue, path)
    assert len(archive.asked(END)) == 1


def test_killed_a_hundred_times(archive: Archive, catalogue: Catalogue) -> None:
    for day in range(1, 6):
        archive.put_trades(f"2024-07-{day:02}")
    path = big(archive, 3_000_000)
    paths = [one for one in archive.files if one.endswith(".zip")]

    def slow(handler: Handler, request: Request, nth: int) -> bool:
        """Send 16 KiB at a time, so that a kill strikes in the middle."""
        stored = archive.files[path]
        asked = handler.headers.get("Range", "bytes=0-")
        first = int(asked.removeprefix("bytes=").removesuffix("-"))
        handler.send_response(206 if first else 200)
        if first:
            span = f"bytes {first}-{len(stored.body) - 1}/{len(stored.body)}"
            handler.send_header("Content-Range", span)
        handler.send_header("ETag", stored.etag)
        handler.send_header("Content-Length", str(len(stored.body) - first))
        handler.end_headers()
        for at in range(first, len(stored.body), 16 << 10):
            handler.write(stored.body[at : at + (16 << 10)])
            time.sleep(0.02)
        return True

    archive.behave[END] = slow
    wanted = items("um:BTCUSDT:2024-07-01..2024-07-05") + items()
    words = [sys.executable, "-B", "-c", _program(archive, catalogue, wanted, fork=100)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["killed"] * 100, done.stderr
    del archive.behave[END]
    result = run(archive, catalogue, items=wanted)
    assert states(result) == ["proved"] * 6
    for one in paths:
        assert_whole(archive, catalogue, one)
    # Each run went on from where the one before was killed.
    begins = [int(r.headers.get("Range", "bytes=0-")[6:-1]) for r in archive.asked(END)]
    assert begins == sorted(begins)
    assert begins[-1] > 0


def _program(archive: Archive, catalogue: Catalogue, wanted: Sequence[Item], fork: int = 0) -> str:
    """Return a program that fetches; with `fork`, it is killed that often at random moments."""
    home = str(catalogue.home)
    lines = [
        "import os, random, signal, time",
        "from pathlib import Path",
        "from kline_harness.history.catalogue import Catalogue",
        "from kline_harness.history.fetch import fetch",
        "from kline_harness.history.selection import Item",
        "from kline_harness.history.transport import Settings",
        f"catalogue, settings = Catalogue(Path({home!r})), {archive.settings()!r}",
        f"def run(): return fetch(catalogue, {list(wanted)!r}, settings)",
    ]
    if not fork:
        return "\n".join([*lines, "for one in run().files: print(repr(one.state), one.detail)"])
    # Forked, not started anew: an import takes longer than the fetch that is to be killed.
    return "\n".join(
        [
            *lines,
            "moments = random.Random(7)",
            f"for n in range({fork}):",
            "    child = os.fork()",
            "    if not child:",
            "        run(); os._exit(0)",
            "    time.sleep(moments.uniform(0.001, 0.15))",
            "    os.kill(child, signal.SIGKILL); os.waitpid(child, 0)",
            "    print('killed')",
        ]
    )


def test_at_most_so_many_requests_a_second_on_four_connections(
    archive: Archive, catalogue: Catalogue
) -> None:
    for day in range(1, 11):
        archive.put_trades(f"2024-07-{day:02}")
    open_now, most = [0], [0]
    guard = threading.Lock()

    def count(handler: Handler, request: Request, nth: int) -> bool:
        with guard:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        time.sleep(0.05)
        with guard:
            open_now[0] -= 1
        return False

    archive.behave[""] = count
    begin = time.monotonic()
    wanted = items("um:BTCUSDT:2024-07-01..2024-07-10")
    assert (
        states(run(archive, catalogue, items=wanted, requests_per_second=20.0)) == ["proved"] * 10
    )
    seconds = time.monotonic() - begin
    assert (len(archive.log) - 1) / seconds <= 20.0
    assert most[0] <= 4
