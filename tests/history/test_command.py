"""What a person sees of a fetch: its lines, the bar on a terminal, proxies, what proves nothing."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from kline_harness.cli import run as command
from kline_harness.errors import UsageError
from kline_harness.history.catalogue import Catalogue
from kline_harness.history.fetch import fetch
from kline_harness.history.selection import items_of, parse_selection

from tests.history.archive_server import Archive, proxying

WORDS = ["fetch", "--market", "um", "--symbol", "BTCUSDT", "--from", "2024-07-18"]


def test_a_fetch_goes_through_a_proxy(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades("2024-07-18")
    wanted = items_of(parse_selection("um:BTCUSDT:2024-07-18"), ["aggTrades"], "", ["daily"])
    with proxying() as (proxy, asked):
        result = fetch(catalogue, wanted, archive.settings(proxy=proxy))
    assert [one.state for one in result.files] == ["proved"]
    assert f"{archive.url}/{path}" in asked
    assert len(asked) == len(archive.log) == result.requests


def test_the_environment_names_a_proxy_and_exceptions(
    archive: Archive, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.put_trades("2024-07-18")
    archive.put_trades("2024-07-19")
    with proxying() as (proxy, asked):
        monkeypatch.setenv("http_proxy", proxy)
        assert command([*WORDS, "--mirror", archive.url]) == 0
        assert len(asked) == len(archive.log) == 3
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert command([*WORDS[:-1], "2024-07-19", "--mirror", archive.url]) == 0
        assert len(asked) == 3


def test_a_proxy_that_is_not_there_is_not_gone_around(
    archive: Archive, catalogue: Catalogue
) -> None:
    archive.put_trades("2024-07-18")
    wanted = items_of(parse_selection("um:BTCUSDT:2024-07-18"), ["aggTrades"], "", ["daily"])
    settings = archive.settings(proxy="http://127.0.0.1:1", tries=1)
    assert [one.state for one in fetch(catalogue, wanted, settings).files] == ["failed"]
    assert archive.log == []


def test_without_a_terminal_there_are_lines_alone(
    archive: Archive, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.put_trades("2024-07-18")
    assert command([*WORDS, "--mirror", archive.url]) == 0
    shown = capsys.readouterr()
    assert shown.err.startswith("[1/1] BTCUSDT-aggTrades-2024-07-18.zip: proved; ")
    assert shown.err.count("\n") == 1
    assert "\x1b" not in shown.err + shown.out


def test_a_terminal_shows_files_bytes_and_rate(archive: Archive, catalogue: Catalogue) -> None:
    path = archive.put_trades("2024-07-18")
    archive.put_trades("2024-07-19")
    seen, error = pty.openpty()
    words = [*WORDS, "--to", "2024-07-19", "--mirror", archive.url]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [sys.executable, "-m", "kline_harness", *words], stderr=error, env=environment
    )
    os.close(error)
    shown = b""
    try:
        while piece := os.read(seen, 4096):
            shown += piece
    except OSError:
        pass  # what the end of a terminal is on this system
    os.close(seen)
    assert process.wait() == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "[2/2] BTCUSDT-aggTrades-2024-07-19.zip: proved" in text
    assert "2 of 2 files" in text
    both = sum(len(archive.files[p].body) for p in (path, path.replace("-18", "-19")))
    assert f"{both / 1000:.1f} kB" in text
    assert "/s" in text


def test_what_is_not_proved_names_the_option(
    archive: Archive, catalogue: Catalogue, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    archive.put_trades("2024-07-18", checksum=False)
    assert command([*WORDS, "--mirror", archive.url]) == 1
    assert "unproven; " in (shown := capsys.readouterr().err)
    assert "not replayed: --accept-unproven takes it" in shown
    with pytest.raises(UsageError, match=r"--to 2024-07-18 --accept-unproven`"):
        command(["replay", "um:BTCUSDT:2024-07-18", "--out", str(tmp_path / "run")])
    assert command([*WORDS, "--mirror", archive.url, "--accept-unproven"]) == 0
    assert "not replayed" not in capsys.readouterr().err
