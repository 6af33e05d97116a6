"""A service's klines in PostgreSQL: a real server of this machine, started for the test."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.stored import Run
from tests.exchange.test_collect import collect, findings, wide_rows

NAMES = ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume")


def programs() -> Path | None:
    """The folder of the server's programs, which Debian keeps from the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server is installed: initdb was not found")
    # The server refuses to be run by root.
    user: str | None = None
    if os.getuid() == 0:
        users = [one.pw_name for one in pwd.getpwall()]
        user = next((name for name in ("postgres", "nobody") if name in users), None)
    place = Path(tempfile.mkdtemp(prefix="kline-harness-pg-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if user is not None:
        shutil.chown(place, user)
    words: list[str | Path] = [
        folder / "initdb",
        "-D",
        place / "data",
        "-A",
        "trust",
        "-U",
        "postgres",
        "-N",
    ]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "user": user}
    quiet |= {"stdin": subprocess.DEVNULL, "cwd": place}
    subprocess.run(words, check=True, timeout=60, **quiet)
    options: list[str | Path] = ["-h", "127.0.0.1", "-p", str(port), "-k", place, "-F"]
    server = subprocess.Popen([folder / "postgres", "-D", place / "data", *options], **quiet)
    try:
        ready: list[str | Path] = [folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        end = time.monotonic() + 30
        while subprocess.run(ready, check=False).returncode:
            assert time.monotonic() < end
            time.sleep(0.1)
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(place, ignore_errors=True)


def fill(address: str, rows: list[dict[str, str]], kind: str = "numeric") -> None:
    dbapi = pytest.importorskip("adbc_driver_postgresql.dbapi", reason="the extra postgres")
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        numbers = ", ".join(f"{name} {kind}" for name in (*NAMES, "taker_buy_quote_volume"))
        cursor.execute("DROP TABLE IF EXISTS klines")
        cursor.execute(
            "CREATE TABLE klines (symbol text, interval text, open_time timestamptz, "
            f"{numbers}, count bigint)"
        )
        for row in rows:
            values = ", ".join(row[n] for n in (*NAMES, "taker_buy_quote_volume", "count"))
            cursor.execute(
                f"INSERT INTO klines VALUES ('{row['symbol']}', '{row['interval']}', "
                f"to_timestamp({int(row['open_time']) // 1000}), {values})"
            )
        connection.commit()


def test_numeric_stays_exact_and_a_digit_is_found(tmp_path: Path, address: str) -> None:
    run, rows = Run(), wide_rows(Run(), ("5m",))
    fill(address, rows)
    ran = collect(tmp_path, address, run, "--table", "klines")
    assert ran.exit_code == 0, ran.output
    assert ran.check("store")["counts"]["rows"] == len(rows)
    rows[3]["quote_volume"] = f"{Decimal(rows[3]['quote_volume']) + Decimal('1e-18'):f}"
    fill(address, rows)
    ran = collect(tmp_path, address, run, "--query", "SELECT * FROM klines ORDER BY open_time")
    assert ran.exit_code == 1
    (found,) = [one for one in ran.findings() if one["severity"] == "error"]
    assert found["evidence"]["fields"] == ["quote_volume"]


def test_double_precision_is_said_to_be_floats(tmp_path: Path, address: str) -> None:
    fill(address, wide_rows(Run(), ("5m",)), "double precision")
    ran = collect(tmp_path, address, Run(), "--table", "klines")
    assert ran.exit_code == 0, ran.output
    assert "volume" in findings(ran, "floats")[0]["evidence"]["names"]


def test_what_cannot_be_reached_is_a_sentence_without_the_password(tmp_path: Path) -> None:
    pytest.importorskip("adbc_driver_postgresql.dbapi", reason="the extra postgres")
    store = "postgresql://me:secret@127.0.0.1:9/klines"
    ran = collect(tmp_path, store, Run(), "--table", "klines")
    assert ran.exit_code == 2
    assert "expected a PostgreSQL server that answers" in ran.output
    assert "secret" not in ran.output
    assert collect(tmp_path, store, Run()).exit_code == 2
