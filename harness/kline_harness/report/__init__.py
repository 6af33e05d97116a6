"""Frozen report data, plots and the page: one self-contained file from a run folder alone."""

from __future__ import annotations

from pathlib import Path

__all__ = ["build_index", "build_report", "prepare"]


def build_report(folder: Path) -> Path:
    """Write the report of a run folder and return its path; see `kline_harness.report.page`."""
    # Late, as in a replay without a report nothing of this room is needed.
    from kline_harness.report import page

    return page.build_report(folder)


def build_index(folder: Path) -> Path:
    """Write the history of the runs in a folder and return its path; see `report/index.py`."""
    from kline_harness.report import index

    return index.build_index(folder)


def prepare() -> None:
    """Do what takes time and needs no data, for who has to wait for something else anyway."""
    from kline_harness.report import page

    page.prepare()
