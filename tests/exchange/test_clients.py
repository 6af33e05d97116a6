"""Real clients, unchanged but for the address: what they return is what was traded."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.services import START_NS, serving
from tests.exchange.stored import archive
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

    def command(self, port: int, out: Path) -> list[str]:
        """The driver in the client's environment; skipped where that was not made."""
        place = CLIENTS / f".venv-{self.name}"
        if not (place / "made").exists():
            pytest.skip(f"{self.name} is not installed: scripts/clients {self.name}")
        addresses = [f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", str(out)]
        driver = str(DRIVERS / self.driver)
        if driver.endswith(".js"):
            return ["node", driver, *addresses, str(place)]
        return [str(place / "bin" / "python"), driver, *addresses, *self.words]


FLOATS = ("--symbol", "ALFAUSDT", "--interval", "1m")
ALL = [
    Client("python-binance", "python_binance.py", ("default",)),
    Client("ccxt", "ccxt_pro.py", ("aggTrade",), FLOATS),
    Client("official", "official.py"),
    Client("npm-binance", "npm_binance.js"),
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


def run(client: Client, folder: Path, speed: str) -> tuple[Path, Ran]:
    """Serve a client, and judge the klines that it returned."""
    out = folder / "client"
    # Time stands until both of its streams are subscribed.
    with serving(folder, MINUTES, "--hold", "2", speed=speed) as server:
        words = client.command(server.port, out)
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        server.ended()
    options = ("--run", server.folder, "--out", folder / "out", "--no-report")
    klines = f"{out}.klines"
    return out, command("collect", klines, *options, *client.collect, folder=folder / "out")


@pytest.mark.parametrize("client", ALL, ids=lambda one: one.name)
def test_every_trade_once_and_in_order_and_every_kline(client: Client, tmp_path: Path) -> None:
    out, judged = run(client, tmp_path, "60")
    found = [
        (int(r["id"]), r["price"], r["quantity"], int(r["time"]), r["maker"]) for r in received(out)
    ]
    assert found == traded(MINUTES)
    assert judged.exit_code == 0, judged.output
    assert judged.check("comparison")["counts"]["identical"] >= MINUTES - 1
