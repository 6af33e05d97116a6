"""Without its defects the klagg model equals the exact aggregator, on the fixtures and for real."""

from __future__ import annotations

from pathlib import Path

import pytest
from kline_harness.klagg.options import KlaggOptions, ModelOptions
from kline_harness.replay import Scenario
from kline_harness.replay import replay as run
from kline_harness.verdict import Severity

from tests.klagg.made import FOLDER
from tests.real_data import DATA, needs_real_data

FIXTURES = FOLDER.parent
DAY = sorted((FIXTURES / "um-day").glob("*rades-2024-05-15.zip"))
STREAMS = sorted(DATA.glob("*/*-trade-stream.txt.gz")) if DATA.is_dir() else []


def check_exactness(trades: list[Path], folder: Path) -> None:
    options = Scenario(
        aggregator="klagg",
        subject=KlaggOptions(ModelOptions(quirks="fixed")),
        expectations=False,
    )
    outcome = run(options, trades, [], folder / "run", command="", report=False)
    checks = {check.check: check for check in outcome.checks}
    counts = checks["exactness"].counts
    assert counts["klines"] == counts["exact"] == counts["identical"] > 0
    told = [one for check in outcome.checks for one in check.findings]
    assert {one.kind for one in told if one.severity is not Severity.NOTICE} <= {"lost_stretch"}


@pytest.mark.parametrize("trades", DAY, ids=lambda path: path.stem)
def test_on_the_fixture_day(trades: Path, tmp_path: Path) -> None:
    check_exactness([trades], tmp_path)


def test_on_two_symbols_at_once(tmp_path: Path) -> None:
    check_exactness([path for path in DAY if "aggTrades" in path.name], tmp_path)


def test_on_the_fixture_stream(tmp_path: Path) -> None:
    check_exactness([FIXTURES / "um-stream" / "ALFAUSDT-trade-stream.txt.gz"], tmp_path)


@needs_real_data
@pytest.mark.parametrize("trades", STREAMS, ids=lambda path: path.parent.name)
def test_on_real_recordings(trades: Path, tmp_path: Path) -> None:
    check_exactness([trades], tmp_path)
