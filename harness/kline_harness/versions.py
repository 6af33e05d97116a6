"""The versions of what makes a result."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

import kline_harness


def versions_of(*packages: str) -> dict[str, str | None]:
    """Return this package's version, Python's, and those of other packages."""
    python = ".".join(map(str, sys.version_info[:3]))
    return {"kline-harness": kline_harness.__version__, "python": python, **installed(*packages)}


def installed(*packages: str) -> dict[str, str | None]:
    """Return the versions of packages, None of one that is not there."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
