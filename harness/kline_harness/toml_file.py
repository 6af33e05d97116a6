"""TOML files, read in one way wherever one is given."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from kline_harness.errors import InputError, UsageError


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises UsageError when it cannot be read, InputError when it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, "TOML", str(error)) from error
