"""Frozen report data, plots and the page: one self-contained file from a run folder alone."""

from harness.report.index import build_index
from harness.report.page import build_report

__all__ = ["build_index", "build_report"]
