"""klagg's flat arrays: the slots of every symbol index, their names, and what changed."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

import numpy as np

from kline_harness.klagg.periods import Period
from kline_harness.klagg.quirks import Quirk
from kline_harness.klagg.slots import BarRules, Slot, SymbolSlots
from kline_harness.ledger import SeriesAccount


class Changes:
    """Numbers of slots in the order of their first change since the last pull.

    `count` of them are in the array `numbers`, so that a compiled loop can add to them.
    """

    __slots__ = ("count", "numbers")

    def __init__(self, size: int) -> None:
        self.count = 0
        self.numbers = np.empty(size, dtype=np.int64)

    def append(self, number: int) -> None:
        """Add a number."""
        if self.count == len(self.numbers):
            self.numbers = np.append(self.numbers, np.empty_like(self.numbers))
        self.numbers[self.count] = number
        self.count += 1

    def replace(self, numbers: Sequence[int]) -> None:
        """Hold other numbers instead, no more than before."""
        self.count = len(numbers)
        self.numbers[: self.count] = numbers

    def tolist(self) -> list[int]:
        """Return the numbers."""
        numbers: list[int] = self.numbers[: self.count].tolist()
        return numbers


class Board:
    """Slots by symbol index, the index-to-name list, and the list of changed slots.

    Only the first `managed` indices belong to a symbol; those from `used` on never did. A slot is
    named by its index in one flat array, symbol after symbol, as in klagg; `changed` holds
    such numbers in the order of the first change since the last pull.
    """

    def __init__(
        self,
        capacity: int,
        periods: Sequence[Period],
        rules: BarRules,
        quirks: Container[Quirk],
    ) -> None:
        self.periods = tuple(periods)
        self.quirks = quirks
        self.managed = 0
        self.used = 0
        self.names = [""] * capacity
        self.index_of: dict[str, int] = {}
        self.changed = Changes(max(1, capacity * len(periods)))
        self.rows = [SymbolSlots([Slot() for _ in periods], rules) for _ in range(capacity)]

    @property
    def capacity(self) -> int:
        """Return how many symbols fit."""
        return len(self.rows)

    def name_of(self, index: int) -> str:
        """Return a symbol index's name in snapshots and deltas."""
        return self.names[index] if index < len(self.names) else f"UNKNOWN_{index}"

    def slots(self) -> Iterator[tuple[int, int, Slot]]:
        """Yield the slots of managed symbols with symbol and period index."""
        for index in range(self.managed):
            for place, slot in enumerate(self.rows[index].slots):
                yield index, place, slot

    def settle(self) -> None:
        """Add every trade that waits to its bars, and look at the next ones anew."""
        for index in range(self.managed):
            self.rows[index].settle()
            self.rows[index].close_window()

    def touch(self, index: int, place: int) -> None:
        """Note that a slot has changed since the last pull."""
        slot = self.rows[index].slots[place]
        if not slot.dirty:
            slot.dirty = True
            self.changed.append(index * len(self.periods) + place)

    def touch_all(self, index: int) -> None:
        """Note that every slot of a symbol has changed since the last pull."""
        for place in range(len(self.periods)):
            self.touch(index, place)
        self.rows[index].is_noted = True

    def drain(self) -> list[tuple[int, int]]:
        """Return the changed slots and forget that they changed."""
        drained = []
        for number in self.changed.tolist():
            index, place = divmod(number, len(self.periods))
            row = self.rows[index]
            row.settle()
            row.slots[place].dirty = row.is_noted = False
            drained.append((index, place))
        self.changed.replace([])
        return drained

    def assign(self, symbol: str, accounts: Sequence[SeriesAccount]) -> int:
        """Give a symbol the next index; its slots keep what is in them."""
        index = self.managed
        self.names[index] = symbol
        self.index_of[symbol] = index
        self.managed += 1
        self.used = max(self.used, self.managed)
        row = self.rows[index]
        row.close_window()
        for slot, account in zip(row.slots, accounts, strict=True):
            slot.account, slot.rows, slot.foreign = account, 0, 0
        return index

    def remove(self, index: int) -> dict[str, int]:
        """Take a symbol off and shift the later ones down; return their new indices."""
        del self.index_of[self.names[index]]
        self.managed -= 1
        for later in range(index, self.managed):
            self.rows[later].slots = self.rows[later + 1].slots
            self.rows[later].close_window()
        self._vacate(self.managed)
        del self.names[index]
        if Quirk.NAMES_SHRINK not in self.quirks:
            self.names.append("")
        self._forget_changes(index)
        moved = {self.names[later]: later for later in range(index, self.managed)}
        self.index_of.update(moved)
        return moved

    def _vacate(self, index: int) -> None:
        """Leave the slots behind the last symbol: as they are, or as new."""
        row = self.rows[index]
        row.close_window()
        left = []
        for slot in row.slots:
            ghost = replace(slot, account=SeriesAccount(), rows=0, foreign=0)
            if Quirk.GHOST_SLOTS not in self.quirks:
                ghost = Slot(dirty=slot.dirty)
            if Quirk.STALE_DIRTY_FLAGS not in self.quirks:
                ghost.dirty = False
            left.append(ghost)
        row.slots = left

    def _forget_changes(self, index: int) -> None:
        first, after = index * len(self.periods), (index + 1) * len(self.periods)
        kept = [number for number in self.changed.tolist() if not first <= number < after]
        self.changed.replace([n - len(self.periods) if n >= after else n for n in kept])
