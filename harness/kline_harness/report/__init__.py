"""Frozen report data, plots and the page: one self-contained file from a run folder alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["build_campaign", "build_index", "build_report", "prepare"]


def build_report(folder: Path) -> Path:
    """Write the report of a run folder and return its path; see `kline_harness.report.page`."""
    # Late, as in a replay without a report nothing of this room is needed.
    from kline_harness.report import page

    return page.build_report(folder)


def build_index(folder: Path) -> Path:
    """Write the history of the runs in a folder and return its path; see `report/index.py`."""
    from kline_harness.report import index

    return index.build_index(folder)


def build_campaign(folder: Path, results: Mapping[str, Any]) -> Path:
    """Write the pages of a campaign and return the first; see `report/campaign_page.py`."""
    from kline_harness.report import campaign_page

    return campaign_page.build_campaign(folder, results)


def prepare() -> None:
    """Do what takes time and needs no data, for who has to wait for something else anyway."""
    from kline_harness.report import page

    page.prepare()
