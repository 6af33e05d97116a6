"""Lines of a file, counted where its bytes are read, against what a reader made of them."""

from __future__ import annotations

from dataclasses import dataclass

from kline_harness.ledger import Equation


@dataclass(slots=True)
class LinesRead:
    """What a reader says became of the lines that gave no row.

    `header` and `blank` lines, `foreign` rows of symbols that were not asked for.
    """

    header: int = 0
    blank: int = 0
    foreign: int = 0

    def equation(self, name: str, lines: int, rows: int) -> Equation:
        """Return the law that every line of the file is a row read, or one of these."""
        parts = {"rows read": rows, "header": self.header, "blank": self.blank}
        if self.foreign:
            parts["of other symbols"] = self.foreign
        return Equation("lines of a file", name, lines, parts)
