"""A server that is an archive, and an empty catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kline_harness.history.catalogue import Catalogue

from tests.history.archive_server import Archive, serving


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving() as found:
        yield found


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalogue:
    monkeypatch.setenv("KLINE_HARNESS_HOME", str(tmp_path / "home"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return Catalogue(tmp_path / "home")
