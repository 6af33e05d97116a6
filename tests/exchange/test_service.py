"""The whole way: the example service is served a recording, and what it stored is judged."""

from __future__ import annotations

import json
import resource
import shlex
import shutil
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.services import (
    GRACE_MS,
    SERVICE,
    START_NS,
    kill,
    listens,
    service,
    serving,
    summary,
    valid_in_time,
    wait_for_rows,
)
from tests.exchange.stored import MINUTE
from tests.replays import Ran, command


def judged(folder: Path, *words: str) -> Ran:
    options = ("--run", folder / "run", "--out", folder / "out", "--no-report")
    return command("collect", folder / "k.db", *options, *words, folder=folder / "out")


def kinds(ran: Ran, check: str) -> dict[str, int]:
    found: dict[str, int] = ran.check(check)["findings"]
    return found


@pytest.mark.parametrize(
    ("speed", "clock"), [("60", "60"), ("60", "messages"), ("max", "messages")]
)
def test_a_right_service_is_valid(tmp_path: Path, speed: str, clock: str) -> None:
    counts: dict[str, Any] = {}

    def attempt(folder: Path) -> tuple[Ran, int | None]:
        with serving(folder, 6, speed=speed) as server:
            words = ("--grace", "100") if clock == "messages" else ()
            counts.update(summary(service(server.port, folder / "k.db", *words, clock=clock))[1])
            server.ended()
        if clock == "messages":
            # Nothing that the machine does makes a difference; that the last minute is over, no
            # message says.
            return judged(folder, "--as-of", "2024-05-15T00:35:00Z"), None
        return judged(folder), counts["late_ms"]

    ran = valid_in_time(tmp_path, attempt)
    # History, live, and the five-minute klines that were open at the start, fetched again.
    assert ran.check("comparison")["counts"]["identical"] >= 2 * (35 + 7)
    assert counts["trades"] > 0
    assert counts["refetched"] > 0
    assert ran.check("silent_stream")["counts"]["silent"] == 0


def test_a_service_with_fixed_host_names_is_served_through_a_proxy(tmp_path: Path) -> None:
    """Nothing is changed: the exchange's names, TLS, a SOCKS5 proxy, an authority to trust."""
    counts: dict[str, Any] = {}

    def attempt(folder: Path) -> tuple[Ran, int | None]:
        with serving(folder, 6, "--tls", "--socks", "0") as server:
            proxy = ("--socks", f"127.0.0.1:{server.socks()}")
            trust = ("--ca", str(folder / "run" / "authority.pem"))
            counts.update(summary(service(0, folder / "k.db", *proxy, *trust))[1])
            server.ended()
        return judged(folder), counts["late_ms"]

    ran = valid_in_time(tmp_path, attempt)
    assert counts["trades"] > 0
    assert ran.check("comparison")["counts"]["identical"] >= 2 * (35 + 7)


def test_a_service_that_trusts_no_such_authority_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, 6, "--tls", "--socks", "0", "--hold", "0") as server:
        proxy = ("--socks", f"127.0.0.1:{server.socks()}")
        process = service(0, tmp_path / "k.db", *proxy)
        assert process.stderr is not None
        assert "CERTIFICATE_VERIFY_FAILED" in process.stderr.readline()
        kill(process)
        process.communicate()


def test_a_recording_of_another_year_served_as_if_of_today(tmp_path: Path) -> None:
    def attempt(folder: Path) -> tuple[Ran, int | None]:
        with serving(folder, 6, "--rebase", "--hold", "1") as server:
            words = ("--intervals", "1m,5m,1d,1w")
            _, counts, _ = summary(service(server.port, folder / "k.db", *words))
            server.ended()
        assert counts["trades"] > 0
        return judged(folder), counts["late_ms"]

    ran = valid_in_time(tmp_path, attempt)
    assert ran.run["served"]["rebase_days"] > 900
    assert ran.check("comparison")["counts"]["identical"] >= 2 * (35 + 7)


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
def test_a_service_that_is_started_by_the_server_unchanged(tmp_path: Path) -> None:
    """Its clock, its host names, its proxy, TLS: all as it would have them at the exchange."""

    def attempt(folder: Path) -> tuple[Ran, int | None]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [sys.executable, str(SERVICE), "--db", str(folder / "k.db")]
        words += ["--socks", f"127.0.0.1:{port}", "--intervals", "1m,5m", "--retries", "1"]
        words += ["--grace", str(GRACE_MS)]
        options = ("--tls", "--socks", str(port), "--run", shlex.join(words))
        # Its timeouts are as much shorter on the wall: at 60 a busy machine is too slow for them.
        with serving(folder, 5, *options, speed="20") as server:
            said = server.said()
        # One that the machine was too slow for has ended with a timeout, and says nothing.
        summed = [json.loads(one) for one in said if one.startswith('{"trades"')]
        failed = any('"start_failed"' in one or '"backfill_failed"' in one for one in said)
        assert summed or failed, said
        return judged(folder), GRACE_MS if failed else summed[0]["late_ms"]

    ran = valid_in_time(tmp_path, attempt)
    streams = {one["stream"]: one["messages"] for one in ran.run["served"]["subscriptions"]}
    assert streams["alfausdt@aggTrade"] > 0
    assert ran.check("comparison")["counts"]["identical"] >= 8


def test_an_auditor_beside_the_writer_takes_half_of_a_queue(tmp_path: Path) -> None:
    with serving(tmp_path, 6) as server:
        words = ("--finals", "mpsc", "--auditor")
        _, counts, _ = summary(service(server.port, tmp_path / "k.db", *words))
        server.ended()
    ran = judged(tmp_path)
    assert ran.exit_code == 1
    assert counts["audited"] > 0
    # Of the finals that the auditor took, the table has what the snapshots of a minute before
    # said, or nothing: each is named.
    left = ran.check("left_bars")["counts"]
    lost = ran.check("comparison")["counts"]
    assert lost["missing"] + lost["unexplained"] > 0
    assert left["phantom"] + left["left_forming"] + left["otherwise"] == left["differing"]
    assert left["otherwise"] == 0
    assert ran.check("silent_stream")["verdict"] == "valid"


def test_retired_routes_are_named_within_two_minutes(tmp_path: Path) -> None:
    with serving(tmp_path, 4, "--routes", "retired") as server:
        _, counts, _ = summary(service(server.port, tmp_path / "k.db"))
        server.ended()
    assert counts["trades"] == 0
    ran = judged(tmp_path, "--as-of", "2024-05-15T00:32:00Z", "--settle", "0s")
    assert ran.exit_code == 1
    silent = [one for one in ran.findings() if one["kind"] == "silent_stream"]
    assert {one["symbol"] for one in silent} == {"ALFAUSDT", "BRAVOUSDT", None}
    assert all(one["at_ns"] < START_NS + 2 * MINUTE for one in silent)
    assert kinds(ran, "left_bars")["phantom"] > 0


def test_a_service_that_is_killed_is_named_and_judged_up_to_there(tmp_path: Path) -> None:
    with serving(tmp_path, 6) as server:
        process = service(server.port, tmp_path / "k.db")
        wait_for_rows(tmp_path / "k.db", 3)
        kill(process)
        process.communicate()
        server.ended()
    ran = judged(tmp_path)
    assert ran.exit_code == 1
    assert kinds(ran, "connections")["client_left"] == 1
    assert ran.check("comparison")["counts"]["missing"] > 0


def test_a_server_that_is_killed_ends_the_service_and_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, 12) as server:
        process = service(server.port, tmp_path / "k.db")
        wait_for_rows(tmp_path / "k.db", 2)
        kill(server.process)
        code, counts, log = summary(process)
    assert code == 1
    assert any(one["event"] == "stopped_by" for one in log)
    assert counts["not_written"] == 0
    assert not listens(server.port)
    ran = judged(tmp_path)
    assert ran.exit_code == 2
    assert "served.json" in ran.output


def test_a_server_that_is_stopped_says_how_far_it_came(tmp_path: Path) -> None:
    def attempt(folder: Path) -> tuple[Ran, int | None]:
        with serving(folder, 12) as server:
            process = service(server.port, folder / "k.db")
            wait_for_rows(folder / "k.db", 3)
            server.process.send_signal(signal.SIGTERM)
            server.ended()
            _, counts, _ = summary(process)
        return judged(folder), counts["late_ms"]

    assert "not_complete" in kinds(valid_in_time(tmp_path, attempt), "connections")


def test_a_service_that_is_stopped_has_stored_all_it_had(tmp_path: Path) -> None:
    with serving(tmp_path, 6) as server:
        process = service(server.port, tmp_path / "k.db")
        wait_for_rows(tmp_path / "k.db", 3)
        process.send_signal(signal.SIGTERM)
        code, counts, _ = summary(process)
        assert (code, counts["not_written"]) == (0, 0)
        server.ended()
    assert kinds(judged(tmp_path), "connections")["client_left"] == 1


def test_a_disk_that_is_full_ends_the_service_and_is_said(tmp_path: Path) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (24 << 10, 24 << 10))

    with serving(tmp_path, 6) as server:
        more: dict[str, Any] = {"preexec_fn": small_files}
        code, _, log = summary(service(server.port, tmp_path / "k.db", **more))
        server.process.send_signal(signal.SIGTERM)
        server.ended()
    assert code == 1
    said = " ".join(str(one) for one in log)
    assert "full" in said or "I/O error" in said


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")
def test_a_service_with_the_machines_clock_runs_at_sixty_under_faketime(tmp_path: Path) -> None:
    def attempt(folder: Path) -> tuple[Ran, int | None]:
        with serving(folder, 6, "--hold", "0") as server:
            before = ("env", "TZ=UTC", "faketime", "-f", "@2024-05-15 00:30:00 x60")
            _, counts, _ = summary(service(server.port, folder / "k.db", clock="1", before=before))
            server.ended()
        return judged(folder), counts.get("late_ms", GRACE_MS)

    valid_in_time(tmp_path, attempt)
