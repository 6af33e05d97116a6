"""How many files of the package an archive passes through before its trades are there."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType

import kline_harness
import pytest
from kline_harness.compiled import library
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.sources import Sources

PACKAGE = Path(kline_harness.__file__).parent
ARCHIVE = (
    Path(__file__).resolve().parents[2]
    / "fixtures"
    / "um-day"
    / "ALFAUSDT-aggTrades-2024-05-15.zip"
)
FILES_MAX = 24


@pytest.mark.skipif(library.LIBRARY is None, reason="without the compiled loop there are more")
def test_an_archive_passes_through_few_files() -> None:
    entered: set[Path] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            entered.add(Path(frame.f_code.co_filename))

    scenario = Scenario()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        tapes = Sources.open([ARCHIVE], [], scenario).tapes(whole=False)
        rows = len(next(tapes))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    names = sorted(str(path.relative_to(PACKAGE)) for path in entered if PACKAGE in path.parents)
    assert rows == 10_423
    assert "archives/exchanges/binance/trade_files.py" in names
    assert len(names) <= FILES_MAX, "\n".join(names)
