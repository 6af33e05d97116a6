"""Which program makes results: its version, its own files, and the libraries that encode them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import kline_harness
from kline_harness.versions import installed

# Where one of these changes, the same klines may become other bytes.
_LIBRARIES = ("numpy", "pyarrow", "great-expectations", "matplotlib", "jinja2")


@cache
def program_key() -> str:
    """Return the sha256 of the package's version and files, and of its libraries' versions.

    A working copy has one version for many programs: its files tell them apart.
    """
    root = Path(kline_harness.__file__).parent
    made_by = (kline_harness.__version__, installed(*_LIBRARIES))
    digest = hashlib.sha256(repr(made_by).encode())
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"\n{path.relative_to(root)}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
