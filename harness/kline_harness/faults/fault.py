"""What every fault is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as plain data: `KIND` names it in scenarios, `TOLD_BY` the findings that name it.

    `kline_harness.faults.catalogue` lists them all.
    """

    KIND: ClassVar[str] = ""
    TOLD_BY: ClassVar[tuple[str, ...]] = ()
