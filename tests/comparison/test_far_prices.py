"""Prices of trades that nobody saw, far beyond all that were seen: in doubt, not believed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.comparison.worlds import (
    OPEN,
    exchange_files,
    in_minute,
    judged,
    plain_world,
    put,
    without,
)


@pytest.mark.parametrize(("field", "times"), [("high", 10), ("low", "0.1")])
def test_at_the_edge_of_a_recording(tmp_path: Path, field: str, times: float | str) -> None:
    world = plain_world(2, ("1m",), "recording")
    kept = [fill for fill in world.happened if fill.time >= OPEN + 30_500]
    cut, files = replace(world, recorded=kept), exchange_files(world)
    right = judged(tmp_path / "right", cut, files)
    assert right.run["verdict"] == "valid", right.output
    far = getattr(files["1m"][0], field) * Decimal(times)
    ran = judged(tmp_path / "far", cut, put(files, "1m", 0, **{field: far}))
    assert (ran.exit_code, ran.run["verdict"]) == (3, "unknown"), ran.output
    (doubt,) = (one for one in ran.findings() if one["severity"] == "doubt")
    assert doubt["kind"] == "consistent_edge"
    assert "all prices seen are from" in doubt["evidence"]["doubt"]


def test_over_missing_ids(tmp_path: Path) -> None:
    """Of one missing trade the quote quantity states the price, of two it does not."""
    whole = plain_world(3, ("5m",))
    gone = [in_minute(whole, minute)[2].id for minute in (10, 12)]
    world, files = without(whole, gone), exchange_files(whole)
    right = judged(tmp_path / "right", world, files)
    assert right.run["verdict"] == "valid", right.output
    far = files["5m"][2].high * 2
    ran = judged(tmp_path / "far", world, put(files, "5m", 2, high=far))
    assert (ran.exit_code, ran.run["verdict"]) == (3, "unknown"), ran.output
