"""Compiles compiled/*.c while the package is built; without a C compiler, does without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FLAGS = ("-O3", "-std=c11", "-fPIC", "-shared", "-fvisibility=hidden")
# Every sum and product of floats is rounded by itself, as Python rounds it, on any processor.
FLAGS += ("-ffp-contract=off",)


class LoopsHook(BuildHookInterface[Any]):
    """Adds the compiled library to the wheel, or to the tree of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say so if it cannot be done: the package works without."""
        folder = Path(self.root) / "harness" / "kline_harness" / "compiled"
        library = folder / "_loops.so"
        library.unlink(missing_ok=True)
        reason = compile_to(library, sorted(folder.glob("*.c")))
        if reason:
            self.app.display_warning(f"kline-harness is built without compiled loops: {reason}")
            return
        build_data["artifacts"].append("harness/kline_harness/compiled/_loops.so")
        build_data["pure_python"] = False
        # Bound to no Python: the library is loaded with ctypes.
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def compile_to(library: Path, sources: list[Path]) -> str:
    """Compile to a new file and put it in place; return why not, nothing if it went well."""
    wanted = os.environ.get("CC", "").split() or [
        next(filter(shutil.which, ("cc", "gcc", "clang")), "")
    ]
    if sys.platform == "win32" or not wanted[0]:
        return "no C compiler (cc, gcc or clang)"
    with tempfile.TemporaryDirectory(dir=library.parent) as place:
        made = Path(place) / library.name
        command = [*wanted, *FLAGS, "-o", str(made), *map(str, sources)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return (
                f"{' '.join(command[:1])} failed: {getattr(error, 'stderr', '') or error}".strip()
            )
        os.replace(made, library)
    return ""
