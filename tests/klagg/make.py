"""Writes fixtures/klagg and docs/defects.md, having replayed every defect; or checks them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.klagg.made import FOLDER, every_file
from tests.klagg.page import PAGE, page


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 if written or the same, 1 if different, 2 on a wrong argument."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: make_defects [--check]", file=sys.stderr)
        return 2
    made = {FOLDER / name: text for name, text in every_file().items()}
    if not arguments:
        FOLDER.mkdir(parents=True, exist_ok=True)
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        made[PAGE] = page(Path(folder))
    if not arguments:
        PAGE.write_text(made[PAGE], encoding="utf-8")
        return 0
    differing = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    for path in differing:
        print(f"{path.name}: differs; run scripts/make_defects")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
