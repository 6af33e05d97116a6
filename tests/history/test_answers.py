"""Answers that are not the file asked for, files that are not what they are called, and endings."""

from __future__ import annotations

import base64
import io
import threading
import time
import zipfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from kline_harness.cli import run as command
from kline_harness.errors import InputError, UsageError
from kline_harness.history import layouts
from kline_harness.history.catalogue import Catalogue
from kline_harness.history.fetch import FetchResult, fetch
from kline_harness.history.layouts import Archive as Layout
from kline_harness.history.selection import Item, items_of, parse_selection
from kline_harness.history.transport import Settings

from tests.history.archive_server import (
    Archive,
    Handler,
    Request,
    Stored,
    files_below,
    gz,
    next_day,
    packed,
    serving,
    trades_text,
)

DAY = "2024-07-18"
END = f"BTCUSDT-aggTrades-{DAY}.zip"
PATH = f"data/futures/um/daily/aggTrades/BTCUSDT/{END}"
PAGE = b"<html><body>Sorry, something went wrong</body></html>"


def items(text: str = f"um:BTCUSDT:{DAY}", data: str = "aggTrades", *periods: str) -> list[Item]:
    return items_of(parse_selection(text), [data], "", periods or ("daily",))


def run(archive: Archive, catalogue: Catalogue, wanted: list[Item], **more: Any) -> FetchResult:
    names = ("tries", "stall_s", "stall_bytes", "requests_per_second", "timeout_s")
    settings = {name: more.pop(name) for name in names if name in more}
    return fetch(catalogue, wanted, archive.settings(**settings), **more)


def states(result: FetchResult) -> list[str]:
    return [one.state for one in result.files]


def no_listing(archive: Archive) -> None:
    archive.behave[""] = lambda h, r, n: not r.path and h.answer(404)


def without_length(handler: Handler, body: bytes) -> bool:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.write(body)
    handler.close_connection = True
    return True


@pytest.mark.parametrize("listed", [True, False])
def test_a_page_with_status_200_says_nothing_of_the_source(
    archive: Archive, catalogue: Catalogue, listed: bool
) -> None:
    archive.put_trades(DAY)
    if not listed:
        no_listing(archive)
    archive.behave[END] = lambda h, r, n: h.answer(200, PAGE)
    result = run(archive, catalogue, items())
    assert (states(result), result.exit_code) == (["failed"], 3)
    assert f"found {len(PAGE)} bytes" in result.files[0].detail
    assert [Path(one).name for one in files_below(catalogue.quarantine)] == [END]
    # The next fetch asks anew, without --refresh.
    del archive.behave[END]
    assert states(run(archive, catalogue, items())) == ["proved"]


@pytest.mark.parametrize("listed", [True, False])
def test_an_end_without_a_stated_length_is_no_damage_at_the_source(
    archive: Archive, catalogue: Catalogue, listed: bool
) -> None:
    archive.put_trades(DAY)
    if not listed:
        no_listing(archive)
    cut = archive.files[PATH].body[:-40]
    archive.behave[END] = lambda h, r, n: without_length(h, cut)
    result = run(archive, catalogue, items())
    assert (states(result), result.exit_code) == (["failed"], 3)
    assert catalogue.records() == []
    archive.behave[END] = lambda h, r, n: without_length(h, archive.files[PATH].body)
    assert states(run(archive, catalogue, items())) == ["proved"]


def damaged(archive: Archive) -> None:
    body = bytearray(packed(END[:-4] + ".csv", trades_text(DAY)))
    body[len(body) // 2] ^= 1
    archive.put(PATH, bytes(body))


def test_a_damaged_file_is_asked_for_again_when_the_archive_has_another(
    archive: Archive, catalogue: Catalogue
) -> None:
    damaged(archive)
    assert states(run(archive, catalogue, items())) == ["damaged at source"]
    assert states(run(archive, catalogue, items())) == ["damaged at source"]
    assert len(archive.asked(END)) == 2
    # As often as somebody asks to look again.
    assert states(run(archive, catalogue, items(), refresh=True)) == ["damaged at source"]
    assert len(archive.asked(END)) == 4
    archive.put_trades(DAY)
    result = run(archive, catalogue, items())
    assert (states(result), result.exit_code) == (["proved"], 0)


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), trades_text(DAY))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((f"ETHUSDT-aggTrades-{DAY}.csv",), f"found ETHUSDT-aggTrades-{DAY}.csv"),
        ((f"BTCUSDT-aggTrades-{next_day(DAY)}.csv",), "found BTCUSDT-aggTrades-2024-07-19.csv"),
        ((f"BTCUSDT-aggTrades-{DAY}.csv", f"data/BTCUSDT-aggTrades-{DAY}.csv"), "found 2"),
        ((), "found none"),
    ],
)
def test_a_sound_zip_that_holds_something_else(
    archive: Archive, catalogue: Catalogue, names: tuple[str, ...], found: str
) -> None:
    archive.put(PATH, zipped(*names))
    result = run(archive, catalogue, items())
    assert (states(result), result.exit_code) == (["not as named"], 1)
    assert found in result.files[0].detail
    assert len(archive.asked(END)) == 1
    (record,) = catalogue.latest().values()
    assert not record.usable
    again = run(archive, catalogue, items())
    assert (states(again), again.exit_code, len(archive.asked(END))) == (["not as named"], 1, 1)
    accepted = run(archive, catalogue, items(), accept=True)
    assert (states(accepted), accepted.exit_code) == (["not as named"], 0)


@pytest.mark.parametrize("same_size", [True, False])
def test_a_file_damaged_in_the_store_is_brought_again(
    archive: Archive, catalogue: Catalogue, same_size: bool
) -> None:
    archive.put_trades(DAY)
    run(archive, catalogue, items())
    (record,) = catalogue.records()
    body = bytearray(catalogue.path(record).read_bytes())
    body[100] ^= 1
    catalogue.path(record).write_bytes(body if same_size else body[:-1])
    result = run(archive, catalogue, items(), refresh=same_size)
    assert states(result) == ["proved"]
    assert catalogue.path(record).read_bytes() == archive.files[PATH].body
    assert len(files_below(catalogue.quarantine)) == 1
    assert command(["catalogue", "verify"]) == 0


def test_a_version_whose_rows_cannot_be_read_stops_no_other_file(
    archive: Archive, catalogue: Catalogue
) -> None:
    two = items(f"um:BTCUSDT:{DAY}..{next_day(DAY)}")
    for day in (DAY, next_day(DAY)):
        archive.put_trades(day)
    run(archive, catalogue, two)
    archive.put(PATH, packed(END[:-4] + ".csv", "hello,world\n1,2\n"))
    text = trades_text(next_day(DAY)).replace(",2.000,", ",3.000,", 1)
    archive.put(PATH.replace(DAY, next_day(DAY)), packed(f"{END[:-6]}19.csv", text))
    result = run(archive, catalogue, two, refresh=True)
    assert states(result) == ["proved", "proved"]
    assert "cannot be compared" in str(result.files[0])
    assert "1 changed" in str(result.files[1])


def test_a_month_whose_rows_cannot_be_read_is_named(archive: Archive, catalogue: Catalogue) -> None:
    for day in range(28):
        archive.put_trades(next_day("2023-02-01", day))
    path = "data/futures/um/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2023-02.zip"
    archive.put(path, packed("BTCUSDT-aggTrades-2023-02.csv", "hello\n"))
    wanted = items("um:BTCUSDT:2023-02-01..2023-02-28", "aggTrades", "daily", "monthly")
    result = run(archive, catalogue, wanted)
    assert states(result) == ["proved"] * 29
    assert result.exit_code == 1
    assert "cannot be compared" in str(result.months[0])
    assert command(["catalogue", "verify"]) == 1


def test_days_and_months_in_one_folder_are_two_series(
    archive: Archive, catalogue: Catalogue
) -> None:
    names = ("BTCUSDT-2024-06.csv.gz", "BTCUSDT_2024-07-18.csv.gz", "BTCUSDT_2024-07-20.csv.gz")
    for name in names:
        row = "id,timestamp,price,volume,side\n1,1721260800123,67500.1,0.5,buy\n"
        archive.put(f"spot/BTCUSDT/{name}", gz(row), checksum=False)
    page = "".join(f'<a href="{name}">{name}</a>' for name in names).encode()
    archive.files["spot/BTCUSDT/"] = Stored(page, '"p"')

    def dated(handler: Handler, request: Request, nth: int) -> bool:
        handler.send_response_only(200)
        handler.send_header("Date", "Sat, 20 Jul 2024 12:00:00 GMT")
        handler.send_header("Content-Length", str(len(page)))
        handler.end_headers()
        handler.write(page)
        return True

    archive.behave["spot/BTCUSDT/"] = dated
    month = run(archive, catalogue, items(f"bybit-spot:BTCUSDT:{DAY}", "trades", "monthly"))
    assert states(month) == ["not yet published"]
    assert "BTCUSDT-2024-06.csv.gz" in month.files[0].detail
    days = items("bybit-spot:BTCUSDT:2024-07-19..2024-07-21", "trades")
    assert states(run(archive, catalogue, days)) == [
        "never published",
        "whole",
        "not yet published",
    ]


def test_a_listing_that_does_not_say_whether_it_is_all(
    archive: Archive, catalogue: Catalogue
) -> None:
    archive.put_trades("2024-07-17")

    def behave(handler: Handler, request: Request, nth: int) -> bool:
        if request.path:
            return False
        body = archive_listing(handler).replace(b"<IsTruncated>false</IsTruncated>", b"")
        return handler.answer(200, body)

    archive.behave[""] = behave
    # Nothing is said to be unpublished on the strength of half a listing.
    result = run(archive, catalogue, items())
    assert states(result) == ["failed"]
    assert "IsTruncated" in result.files[0].detail


def archive_listing(handler: Handler) -> bytes:
    return handler.listing(handler.path.partition("?")[2])


@pytest.mark.parametrize("end", [END, END + ".CHECKSUM"])
def test_a_drip_without_end_is_given_up(archive: Archive, catalogue: Catalogue, end: str) -> None:
    archive.put_trades(DAY)

    def drip(handler: Handler, request: Request, nth: int) -> bool:
        handler.send_response(200)
        handler.send_header("ETag", archive.files[PATH].etag)
        handler.send_header("Content-Length", "10000000")
        handler.end_headers()
        for _ in range(1_000):
            handler.write(b"P")
            time.sleep(0.02)
        return True

    archive.behave[end] = drip
    slow = {"stall_s": 0.1, "stall_bytes": 1_000, "tries": 3}
    begin = time.monotonic()
    result = run(archive, catalogue, items(), **slow)
    # To its end it would take a minute.
    assert time.monotonic() - begin < 30
    assert states(result) == ["failed"]
    assert "too slow" in result.files[0].detail
    assert len(archive.asked(end)) == 3


def test_a_rest_of_another_date_is_not_appended(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades(DAY)
    body = archive.files[PATH].body

    def send(handler: Handler, request: Request, nth: int) -> bool:
        first = 5_000 if nth == 2 else 0
        date = (
            f"Fri, {18 + nth} Jul 2024 01:02:03 GMT" if nth < 3 else "Sat, 20 Jul 2024 01:02:03 GMT"
        )
        handler.send_response(206 if first else 200)
        if first:
            handler.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        handler.send_header("Last-Modified", date)
        handler.send_header("Content-Length", str(len(body) - first))
        handler.end_headers()
        handler.write(body[:5_000] if nth == 1 else body[first:])
        handler.close_connection = True
        return True

    archive.behave[END] = send
    assert states(run(archive, catalogue, items())) == ["proved"]
    assert "Range" in archive.asked(END)[1].headers
    assert len(archive.asked(END)) == 3
    assert files_below(catalogue.quarantine) == []


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x.zip"])
def test_a_redirect_to_something_else_is_final(
    archive: Archive, catalogue: Catalogue, target: str
) -> None:
    archive.put_trades(DAY)
    archive.behave[END] = lambda h, r, n: h.answer(302, Location=target)
    result = run(archive, catalogue, items())
    assert states(result) == ["failed"]
    assert "redirected to" in result.files[0].detail
    assert len(archive.asked(END)) == 1


@pytest.mark.parametrize("url", ["foo", "ftp://x/", "http://", "127.0.0.1:80"])
def test_a_mirror_or_proxy_that_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="mirror"):
        Settings(mirror=url)
    with pytest.raises(UsageError, match="proxy"):
        Settings(proxy=url)


def test_nothing_to_fetch_is_usage(catalogue: Catalogue) -> None:
    with pytest.raises(UsageError, match="found neither"):
        command(["fetch", "--market", "um", "--symbol", "BTCUSDT", "--from", DAY, "--data", "none"])


def asked_by_proxy(do: Callable[[str], Any]) -> list[str]:
    """Run something with the URL of a proxy that answers 407; return the credentials it saw."""
    seen: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            seen.append(self.headers.get("Proxy-Authorization", ""))
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        do(f"127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    return seen


def test_a_proxy_with_a_name_and_a_password(
    archive: Archive, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.put_trades(DAY)

    def given(proxy: str) -> None:
        settings = archive.settings(proxy=f"http://us%40er:pa%3Ass@{proxy}")
        fetch(catalogue, items(), settings)

    right = "Basic " + base64.b64encode(b"us@er:pa:ss").decode()
    assert set(asked_by_proxy(given)) == {right}

    def bypassed(proxy: str) -> None:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        monkeypatch.setenv("no_proxy", f"127.0.0.1:{archive.port}")
        assert states(run(archive, catalogue, items())) == ["proved"]

    assert asked_by_proxy(bypassed) == []


def test_who_waits_for_another_fetch_is_said_so(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades(DAY)
    heard = threading.Event()
    said: list[str] = []

    def waiting(text: str) -> None:
        said.append(text)
        heard.set()

    def second() -> None:
        run(archive, catalogue, items(), waiting=waiting)

    thread = threading.Thread(target=second)
    with catalogue.locked():
        thread.start()
        assert heard.wait(60)
    thread.join()
    assert "waiting" in said[0]
    assert str(catalogue.home) in said[0]
    assert run(archive, catalogue, items(), waiting=said.append).exit_code == 0
    assert len(said) == 1


def test_an_interrupt_waits_for_no_transfer(archive: Archive, catalogue: Catalogue) -> None:
    for day in range(20):
        archive.put_trades(next_day("2024-07-01", day))
    first = "BTCUSDT-aggTrades-2024-07-01.zip"

    def slow(handler: Handler, request: Request, nth: int) -> bool:
        if not request.path.endswith(".zip") or request.path.endswith(first):
            return False
        body = archive.files[request.path].body
        handler.send_response(200)
        handler.send_header("ETag", archive.files[request.path].etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for at in range(0, len(body), 50):
            handler.write(body[at : at + 50])
            time.sleep(0.05)
        return True

    def interrupt(one: object) -> None:
        raise KeyboardInterrupt

    archive.behave[""] = slow
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(archive, catalogue, items("um:BTCUSDT:2024-07-01..2024-07-20"), progress=interrupt)
    assert time.monotonic() - begin < 10
    # Those on their way and no more, and what came of them is resumed.
    assert len(archive.asked(".zip")) <= 6
    archive.behave.clear()
    assert states(run(archive, catalogue, items("um:BTCUSDT:2024-07-01..2024-07-20"))) == (
        ["proved"] * 20
    )


def test_after_a_refusal_who_waited_for_his_turn_does_not_ask(
    archive: Archive, catalogue: Catalogue
) -> None:
    for day in range(10):
        archive.put_trades(next_day("2024-07-01", day))
    archive.behave[".zip"] = lambda h, r, n: h.answer(403)
    wanted = items("um:BTCUSDT:2024-07-01..2024-07-10")
    assert states(run(archive, catalogue, wanted, requests_per_second=4.0)) == ["not asked"] * 10
    # The listing and the file that was refused.
    assert len(archive.log) == 2


def test_the_etag_of_a_listing_is_held_to_the_next_listing(
    archive: Archive, catalogue: Catalogue
) -> None:
    archive.put_trades(DAY)
    stored = archive.files[PATH]
    archive.behave[END] = lambda h, r, n: h.file(Stored(stored.body, '"of another host"'))
    assert states(run(archive, catalogue, items())) == ["proved"]
    again = run(archive, catalogue, items())
    assert again.files[0].detail == ""
    assert len(archive.asked(END)) == 1


def test_an_archive_with_other_dates_and_symbols_is_an_entry_of_the_table(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = "trades/{first:%Y%m}/{symbol}-trades-{first:%Y%m%d}-{last:%d}.zip"
    with serving() as archive:
        paths = {("trades", "daily"): form, ("trades", "monthly"): "m/{symbol}/{first:%Y_%m}.zip"}
        entry = Layout("any", archive.url, archive.url, "s3", "zip", ".CHECKSUM", paths)
        for module in ("selection", "entries", "fetch", "plan"):
            name = f"kline_harness.history.{module}.ARCHIVES"
            monkeypatch.setattr(name, {**layouts.ARCHIVES, "any2-swap": entry})
        for day in ("20240717-17", "20240719-19"):
            name = f"BTC-USDT-SWAP-trades-{day}"
            archive.put(f"trades/202407/{name}.zip", packed(f"{name}.csv", "a\n"))
        archive.put("m/BTC-USDT-SWAP/2024_06.zip", packed("2024_06.csv", "a\n"))
        text = "any2-swap:BTC-USDT-SWAP:2024-07-17..2024-07-19"
        result = fetch(catalogue, items(text, "trades"), archive.settings(mirror=None))
        assert states(result) == ["proved", "never published", "proved"]
        month = items("any2-swap:BTC-USDT-SWAP:2024-06-01", "trades", "monthly")
        assert states(fetch(catalogue, month, archive.settings(mirror=None))) == ["proved"]


def test_a_symbol_in_another_alphabet_has_a_path() -> None:
    (item,) = items("um:币安人生USDT:2025-10-10")
    assert item.path.endswith("币安人生USDT/币安人生USDT-aggTrades-2025-10-10.zip")
    for bad in ("../x", "btcusdt", "A" * 41, "BTC USDT", "BTC/USDT", ""):
        with pytest.raises(UsageError):
            items(f"um:{bad}:2025-10-10")


def test_a_replay_says_how_a_changed_file_is_brought_again(
    archive: Archive, catalogue: Catalogue
) -> None:
    archive.put_trades(DAY)
    run(archive, catalogue, items())
    (record,) = catalogue.records()
    catalogue.path(record).write_bytes(b"x")
    with pytest.raises(InputError, match="fetch --refresh"):
        command(["replay", f"um:BTCUSDT:{DAY}"])


def test_days_of_the_catalogue_are_inspected(
    archive: Archive, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.put_trades(DAY)
    run(archive, catalogue, items())
    assert command(["inspect", f"um:BTCUSDT:{DAY}", "--json"]) in (0, 3)
    assert END in capsys.readouterr().out
    with pytest.raises(UsageError, match="2024-07-19"):
        command(["inspect", "um:BTCUSDT:2024-07-19"])
