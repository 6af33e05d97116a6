"""Measures the server: messages a second to a fast client and to aiohttp's, and its peak memory.

``python -m tests.benchmarks.serve_speed [TRADES] [SYMBOLS]``
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

_T0 = 1_715_731_200_000
_DAY_MS = 86_400_000
_HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"


def archives(folder: Path, trades: int, symbols: int) -> list[Path]:
    """Write a day of trades, evenly over the symbols."""
    paths, each = [], trades // symbols
    for number in range(symbols):
        path = folder / f"S{number:03d}USDT-aggTrades-2024-05-15.csv"
        lines = (
            f"{k},{60_000 + k % 977}.{k % 10},{k % 89}.{k % 997:03d},{k},{k},"
            f"{_T0 + k * _DAY_MS // each},{'true' if k % 2 else 'false'}"
            for k in range(1, each)
        )
        path.write_text("\n".join([_HEADER, *lines, ""]))
        paths.append(path)
    return paths


def measured(
    paths: list[Path], receive: Callable[[int, str], tuple[int, float]], streams: str
) -> str:
    """Serve the files at full speed to one client; return what was measured."""
    # It lives on after the last message, so that its peak can be asked for.
    command = [sys.executable, "-m", "kline_harness.cli", "serve", *map(str, paths)]
    with subprocess.Popen(
        [*command, "--speed", "max", "--linger", "3"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        began = time.perf_counter()
        port = int(server.stdout.readline().rpartition(":")[2])
        ready = time.perf_counter() - began
        began = time.perf_counter()
        messages, ended = receive(port, streams)
        seconds = ended - began
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        server.terminate()
    kb = int(peak.split()[1])
    return (
        f"{messages:,} messages in {seconds:.2f} s: {messages / seconds:,.0f} a second; ready "
        f"after {ready:.1f} s; peak {kb / 1024:.0f} MB"
    )


def fast(port: int, streams: str) -> tuple[int, float]:
    """Read bytes from a plain socket and count frames, as a client in C would."""
    count, rest, ended = 0, b"", 0.0
    with socket.create_connection(("127.0.0.1", port)) as ws:
        lines = (
            *(f"GET /ws/{streams} HTTP/1.1", "Host: x", "Upgrade: websocket"),
            *("Connection: Upgrade", "Sec-WebSocket-Version: 13"),
            *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""),
        )
        ws.sendall("\r\n".join(lines).encode())
        while block := ws.recv(1 << 20):
            data = rest + block
            # A message begins with this once; cut at the last whole one.
            if came := data.count(b'{"e":"aggTrade"'):
                count, ended = count + came, time.perf_counter()
            rest = data[-14:]
            if data.endswith(b"\x03\xe9"):
                break
    return count, ended


def slow(port: int, streams: str) -> tuple[int, float]:
    """Receive with aiohttp's client, message by message."""

    async def run() -> tuple[int, float]:
        count, ended = 0, 0.0
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"ws://127.0.0.1:{port}/ws/{streams}", max_msg_size=0) as ws,
        ):
            async for _ in ws:
                count, ended = count + 1, time.perf_counter()
        return count, ended

    return asyncio.run(run())


def main() -> None:
    """Measure and print."""
    trades = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    symbols = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as name:
        paths = archives(Path(name), trades, symbols)
        streams = "/".join(f"{path.name.split('-')[0].lower()}@aggTrade" for path in paths)
        print("fast client:", measured(paths, fast, streams))
        print("aiohttp's client:", measured(paths, slow, streams))


if __name__ == "__main__":
    main()
