"""A service with fixed addresses: TLS, SOCKS5, and a service that is started with the server."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from kline_harness.errors import UsageError
from kline_harness.exchange.service import service_words
from kline_harness.exchange.socks import SocksProxy
from kline_harness.exchange.tls import AUTHORITY_FILE, server_context

from tests.exchange.behaviours import SOCKS, behaves
from tests.exchange.loopback import T0, Client, every_second, serve

COMMAND = [sys.executable, "-m", "kline_harness.cli", "serve"]


async def through(proxy: SocksProxy, host: str, port: int) -> tuple[int, Any, Any]:
    """Ask a SOCKS5 endpoint for a host by name; return its status and the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"\x05\x01\x00")
    assert await reader.readexactly(2) == b"\x05\x00"
    name = host.encode()
    writer.write(b"\x05\x01\x00\x03" + bytes((len(name),)) + name + port.to_bytes(2, "big"))
    answer = await reader.readexactly(10)
    return answer[1], reader, writer


@behaves(
    SOCKS,
    "CONNECT to the exchange's host names by name leads to the server, over TLS",
    "any other host is refused as not allowed",
    "a client that offers no method without authentication is refused",
)
def test_the_exchange_by_name_through_the_proxy(tmp_path: Path) -> None:
    context = server_context(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == [AUTHORITY_FILE]
    (tmp_path / "a").mkdir()

    async def use(client: Client) -> Any:
        proxy = SocksProxy(client.server.port)
        await proxy.start(0)
        try:
            status, reader, writer = await through(proxy, "fapi.binance.com", 443)
            trust = ssl.create_default_context(cafile=tmp_path / AUTHORITY_FILE)
            await writer.start_tls(trust, server_hostname="fapi.binance.com")
            writer.write(
                b"GET /fapi/v1/time HTTP/1.1\r\nHost: fapi.binance.com\r\nConnection: close\r\n\r\n"
            )
            text = (await reader.read()).decode()
            writer.close()
            refused, _, other = await through(proxy, "example.org", 443)
            other.close()
            bad_reader, bad = await asyncio.open_connection("127.0.0.1", proxy.port)
            bad.write(b"\x05\x01\x02")
            method = await bad_reader.read()
            bad.close()
            return status, text, refused, proxy.refused, method
        finally:
            await proxy.stop()

    status, text, refused, names, method = serve(
        [every_second(tmp_path / "a", 3)], use, tls=context
    )
    assert status == 0
    assert text.startswith("HTTP/1.1 200")
    assert json.loads(text.partition("\r\n\r\n")[2]) == {"serverTime": T0}
    assert (refused, names, method) == (2, ["example.org:443"], b"\x05\xff")


def test_a_client_that_does_not_trust_the_authority_is_not_served(tmp_path: Path) -> None:
    context = server_context(tmp_path)
    (tmp_path / "a").mkdir()

    async def use(client: Client) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", client.server.port, ssl=ssl.create_default_context()
            )

    serve([every_second(tmp_path / "a", 3)], use, tls=context)


@pytest.mark.parametrize(
    ("command", "speed", "rebased", "words"),
    [
        ("no-such-program-anywhere", 1, False, "expected a program"),
        ("true", None, False, "cannot follow at full speed"),
        ("true", 60, True, "expected --speed 1"),
    ],
)
def test_a_service_whose_clock_cannot_follow(
    command: str, speed: int | None, rebased: bool, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        service_words(command, speed, rebased)


def test_without_faketime_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "service").write_text("#!/bin/sh\n")
    (tmp_path / "service").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="faketime is not installed"):
        service_words("service", 60, False)
    assert service_words("service", 1, True) == ["service"]


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime")
def test_a_static_program_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # An ELF header of 64 bits whose one program header is no interpreter.
    header = bytearray(120)
    header[:5] = b"\x7fELF\x02"
    header[32:40] = (64).to_bytes(8, "little")
    header[54:58] = (56).to_bytes(2, "little") + (1).to_bytes(2, "little")
    header[64:68] = (1).to_bytes(4, "little")
    program = tmp_path / "static"
    program.write_bytes(bytes(header))
    program.chmod(0o755)
    with pytest.raises(UsageError, match="linked statically"):
        service_words(str(program), 60, False)


SERVICE = """
import json, os, sys, time, urllib.request
with urllib.request.urlopen(os.environ["KLINE_HARNESS_REST"] + "/fapi/v1/time") as reply:
    theirs = json.load(reply)["serverTime"]
print(json.dumps({"mine": time.time_ns() // 1_000_000, "theirs": theirs}), flush=True)
time.sleep(float(sys.argv[1]))
"""


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime")
def test_a_service_on_the_servers_clock(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    run = f"{sys.executable} {tmp_path / 'service.py'} 5"
    done = subprocess.run(
        [*COMMAND, str(every_second(tmp_path, 600)), "--speed", "10", "--run", run],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "the clock follows at x10" in done.stdout
    assert "the service ended with exit code 0" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    clocks = json.loads(line)
    # Two seconds of virtual time: 200 ms of a machine that is busy.
    assert abs(clocks["mine"] - clocks["theirs"]) < 5_000
    assert clocks["mine"] >= T0


def started(out: Path, *words: str) -> tuple[subprocess.Popen[str], int]:
    """Start a server; return it and its port."""
    process = subprocess.Popen(
        [*COMMAND, *words, "--out", str(out)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, int(line.rpartition(":")[2])


def refuses(port: int) -> bool:
    """Tell whether nobody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_server_that_is_stopped_leaves_no_port_and_no_service(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    note = tmp_path / "pid"
    script = tmp_path / "service.sh"
    # A service that ignores SIGTERM, and has a child.
    script.write_text(
        f"#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $! > {note}.child\necho $$ > {note}\nwait\n"
    )
    script.chmod(0o755)
    path = str(every_second(tmp_path, 600))
    process, port = started(tmp_path / "out", path, "--run", str(script))
    deadline = time.monotonic() + 60
    while not note.exists() or not note.read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    service = int(note.read_text())
    child = int(Path(f"{note}.child").read_text())
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == code
    while any(alive(one) for one in (service, child)):
        assert time.monotonic() < deadline + 20
        time.sleep(0.1)
    assert refuses(port)
    # Killed, nobody is left to write what was served.
    assert (tmp_path / "out" / "served.json").exists() is (number != signal.SIGKILL)


def alive(number: int) -> bool:
    """Tell whether a process runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    script = (
        "import os, sys, tempfile\n"
        "tempfile.TemporaryFile = lambda **kw: open('/dev/full', 'w+b', buffering=0)\n"
        "from kline_harness.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", str(every_second(tmp_path, 30))],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ,
        check=False,
    )
    assert done.returncode == 2
    assert "no room for the trades" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_served(tmp_path: Path) -> None:
    path = every_second(tmp_path, 40_000)

    async def use(client: Client) -> Any:
        server, count = client.server, 0
        with socket.create_connection(("127.0.0.1", server.port)) as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.sendall(
                b"GET /ws/btcusdt@aggTrade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            async with client.connect("/ws/btcusdt@aggTrade") as ws:
                run = asyncio.create_task(server.run())
                async for message in ws:
                    count += 1
                    if json.loads(message.data)["a"] == 40_000:
                        break
                await run
        return count, server.record()

    count, record = serve([path], use, hold=2, stall_seconds=0.5)
    assert count == 40_000
    assert record.slow_clients == 1
    assert record.complete
    by = {one.closed_by for one in record.connections}
    assert "slow" in by
