"""Frozen report data, plots and the page: one self-contained file from a run folder alone."""

from __future__ import annotations

from pathlib import Path

from kline_harness.errors import InputError, UserError

__all__ = ["build_index", "build_report", "prepare", "rebuild_report"]


def build_report(folder: Path) -> Path:
    """Write the report of a run folder and return its path; see `kline_harness.report.page`."""
    # Late, as in a replay without a report nothing of this room is needed.
    from kline_harness.report import page

    return page.build_report(folder)


def rebuild_report(folder: Path) -> Path:
    """Write the report of a run folder that anybody may have changed since it was written.

    Raises what `build_report` raises, and InputError where parts of the folder are not what a
    replay writes.
    """
    try:
        return build_report(folder)
    except UserError:
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            folder, "a run folder as a replay writes it", f"parts of another shape ({what})"
        ) from error


def build_index(folder: Path) -> Path:
    """Write the history of the runs in a folder and return its path; see `report/index.py`."""
    from kline_harness.report import index

    return index.build_index(folder)


def prepare() -> None:
    """Do what takes time and needs no data, for who has to wait for something else anyway."""
    from kline_harness.report import page

    page.prepare()
