"""Real clients, unchanged but for the address: what they return is what was traded."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.services import START_NS, serving
from tests.exchange.stored import MINUTE, archive
from tests.replays import ROOT, Ran, command

PLACE = os.environ.get("KLINE_HARNESS_CLIENTS")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CLIENTS = Path(PLACE) if PLACE else CACHE / "kline-harness" / "clients"
DRIVERS = ROOT / "docs" / "examples" / "clients"
MINUTES = 6


@dataclass(frozen=True)
class Client:
    """A client: its environment, its driver with its last arguments, the streams it asks for."""

    name: str
    driver: str
    words: tuple[str, ...] = ()
    collect: tuple[str, ...] = ()
    tls: bool = False

    def command(self, port: int, out: Path) -> list[str]:
        """The driver in the client's environment; skipped where that was not made."""
        place = CLIENTS / f".venv-{self.name}"
        if not (place / "made").exists():
            pytest.skip(f"{self.name} is not installed: scripts/clients {self.name}")
        secure = "s" if self.tls else ""
        addresses = [f"{scheme}{secure}://127.0.0.1:{port}" for scheme in ("http", "ws")]
        driver = str(DRIVERS / self.driver)
        if driver.endswith(".js"):
            return ["node", driver, *addresses, str(out), str(place)]
        return [str(place / "bin" / "python"), driver, *addresses, str(out), *self.words]


TABLE = ("--symbol", "ALFAUSDT", "--interval", "1m")
NAUTILUS = Client("nautilus", "nautilus.py", ("4",), TABLE)
ALL = [
    Client("python-binance", "python_binance.py", ("default",)),
    Client("ccxt", "ccxt_pro.py", ("aggTrade",), TABLE),
    Client("official", "official.py"),
    Client("npm-binance", "npm_binance.js"),
    Client("cryptofeed", "crypto_feed.py", collect=TABLE, tls=True),
    NAUTILUS,
]


def received(out: Path) -> list[dict[str, Any]]:
    """What the client returned, without what it said of the end of its connection."""
    lines = Path(f"{out}.trades").read_text().splitlines()
    return [row for row in map(json.loads, filter(None, lines)) if "id" in row]


def traded(minutes: int) -> list[tuple[int, str, str, int, bool]]:
    """The archive's trades of the minutes served."""
    with zipfile.ZipFile(archive("ALFAUSDT")) as file:
        lines = file.read(file.namelist()[0]).decode().splitlines()
    rows = [line.split(",") for line in lines if line[:1].isdigit()]
    first, end = START_NS // 1_000_000, START_NS // 1_000_000 + minutes * 60_000
    return [
        (int(r[0]), r[1], r[2], int(r[5]), r[6] == "true") for r in rows if first <= int(r[5]) < end
    ]


SPOT = [
    Client("python-binance", "python_binance.py", ("default", "spot")),
    Client("ccxt", "ccxt_pro.py", ("aggTrade", "spot"), TABLE),
]


def run(client: Client, folder: Path, speed: str, market: str = "um") -> tuple[Path, Ran]:
    """Serve a client, and judge the klines that it returned."""
    out = folder / "client"
    # Time stands until both of its streams are subscribed.
    options = ("--hold", "2", "--tls") if client.tls else ("--hold", "2")
    with serving(folder, MINUTES, *options, speed=speed, market=market) as server:
        words = client.command(server.port, out)
        trust = str(server.folder / "authority.pem")
        trusting = {"SSL_CERT_FILE": trust, "REQUESTS_CA_BUNDLE": trust} if client.tls else {}
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ | trusting,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        server.ended()
    return out, judged(folder, f"{out}.klines", client)


def judged(folder: Path, table: str, client: Client) -> Ran:
    """Judge klines that a client left."""
    options = ("--run", folder / "run", "--out", folder / "out", "--no-report")
    return command("collect", table, *options, *client.collect, folder=folder / "out")


@pytest.mark.parametrize("client", ALL, ids=lambda one: one.name)
def test_every_trade_once_and_in_order_and_every_kline(client: Client, tmp_path: Path) -> None:
    out, ran = run(client, tmp_path, "60")
    found = [
        (int(r["id"]), r["price"], r["quantity"], int(r["time"]), r["maker"]) for r in received(out)
    ]
    assert found == traded(MINUTES)
    assert ran.exit_code == 0, ran.output
    assert ran.check("comparison")["counts"]["identical"] >= MINUTES - 1


@pytest.mark.parametrize("client", SPOT, ids=lambda one: one.name)
def test_clients_of_spot(client: Client, tmp_path: Path) -> None:
    out, ran = run(client, tmp_path, "60", "spot")
    # On spot every number has eight decimals.
    found = [
        (int(r["id"]), Decimal(r["price"]), Decimal(r["quantity"]), int(r["time"]), r["maker"])
        for r in received(out)
    ]
    expected = [(i, Decimal(p), Decimal(q), t, m) for i, p, q, t, m in traded(MINUTES)]
    assert found == expected
    assert all(len(r["price"].partition(".")[2]) == 8 for r in received(out))
    assert ran.exit_code == 0, ran.output
    assert ran.check("comparison")["counts"]["identical"] >= MINUTES - 1


@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs faketime")
def test_bars_that_a_client_builds_by_its_own_clock(tmp_path: Path) -> None:
    # The server starts it and leads its clock: that is what it closes its bars by.
    driver = NAUTILUS.command(0, tmp_path / "client")
    (tmp_path / "start.sh").write_text(
        f"#!/bin/sh\nexec {driver[0]} {driver[1]} $KLINE_HARNESS_REST $KLINE_HARNESS_STREAM "
        f"{tmp_path / 'client'} 200\n"
    )
    (tmp_path / "start.sh").chmod(0o755)
    with serving(tmp_path, 14, "--run", str(tmp_path / "start.sh"), speed="60") as server:
        server.ended()
    ran = judged(tmp_path, str(tmp_path / "client.own"), NAUTILUS)
    # It starts for over a virtual minute, for several on a busy machine, and builds no bar before
    # its first trade: its timer fails with an AttributeError. Those are named as missing.
    bars, late = taken(tmp_path / "client")
    assert len(bars) >= 4
    missing = {one["open_time_ns"] for one in ran.findings() if one["kind"] == "missing"}
    first = min(int(row["time"]) for row in received(tmp_path / "client")) * 1_000_000
    assert all(one < first for one in missing)
    # It closes a bar by its clock, whatever is on its way: so on a busy machine, and only so, bars
    # differ, and each that does is found.
    differing = {one["open_time_ns"] for one in ran.findings() if one["check"] == "comparison"}
    assert {at for at in differing - missing if at in bars} <= late, ran.output
    in_time = len(bars - late) - ran.check("store")["counts"]["forming"]
    assert ran.check("comparison")["counts"]["identical"] >= in_time


def taken(out: Path) -> tuple[set[int], set[int]]:
    """The bars that a client built, and those that a trade of another minute is in, or theirs."""
    bars, late, since = set[int](), set[int](), set[int]()
    for row in map(json.loads, Path(f"{out}.trades").read_text().splitlines()):
        if "id" in row:
            since.add(row["time"] // 60_000 * MINUTE)
        elif "bar" in row:
            at = row["bar"] * 1_000_000
            bars.add(at)
            # What it had before its first bar is in none; whether all of it was before is unknown.
            if len(bars) == 1 or since - {at}:
                late |= {at, *since}
            since.clear()
    return bars, late
