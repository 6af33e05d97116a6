"""Finds the compiled library."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

# Raised with every change of a signature: an older library left lying about is not taken.
VERSION = 10
SWITCH = "KLINE_HARNESS_COMPILED"
_PATH = Path(__file__).with_name("_loops.so")


def load(path: Path = _PATH) -> Any | None:
    """Return the compiled library, None where there is none of this version.

    The environment's KLINE_HARNESS_COMPILED=0 leaves it out; results are the same.
    """
    # The loops read eight digits as one word, low byte first.
    if os.environ.get(SWITCH) == "0" or sys.byteorder != "little":
        return None
    try:
        library = ctypes.CDLL(str(path))
        version = library.kline_version
    except (OSError, AttributeError):
        return None
    return library if version() == VERSION else None


LIBRARY: Any | None = load()
