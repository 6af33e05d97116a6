"""Faults of the disk under the writer, as plain data for the file system that plays them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kline_harness.faults.fault import Fault

STEPS = ("create", "write", "sync", "close", "rename", "sync_directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFault(Fault):
    """A fault of the commits number `from_commit` to `until_commit` (exclusive), from 0.

    `ERROR` names the operating system's error; without one the writer dies at the step and is
    started again.
    """

    ERROR: ClassVar[str | None] = None

    from_commit: int = 0
    until_commit: int | None = None
    step: str = "write"

    def __post_init__(self) -> None:
        if self.step not in STEPS:
            raise ValueError(f"expected one of the steps {', '.join(STEPS)}")

    def strikes(self, commit: int, step: str) -> bool:
        """Tell whether it strikes a step of a commit."""
        until = self.until_commit
        return (
            step == self.step and commit >= self.from_commit and (until is None or commit < until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFull(DiskFault):
    """A disk without room: ENOSPC, after half of the data where the step is a write."""

    KIND: ClassVar[str] = "disk_full"
    ERROR: ClassVar[str | None] = "ENOSPC"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("writer.write_failed", "writer.durability_unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteError(DiskFault):
    """A medium that fails: EIO."""

    KIND: ClassVar[str] = "write_error"
    ERROR: ClassVar[str | None] = "EIO"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("writer.write_failed", "writer.durability_unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class KillDuringWrite(DiskFault):
    """A writer killed at a step of a commit, half of a write done, and started again at once.

    With `power_cut` what was not synced is lost too: torn content, renames undone.
    """

    KIND: ClassVar[str] = "kill_during_write"
    TOLD_BY: ClassVar[tuple[str, ...]] = ("writer.klines_lost_in_crash",)

    power_cut: bool = False
