"""The defects of klagg's aggregator, as switches.

Numbers and severity letters are those of docs/defects.md: A wrong data, B data late or
missing from a feed, D crash or stall. Numbers that are missing here live in channels, writers,
clock or gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class DefectEntry:
    """The entry of a quirk in docs/defects.md."""

    number: int
    severity: str
    sentence: str


class Quirk(Enum):
    """A defect of klagg; the model has it when its switch is on."""

    LATE_UNCOUNTED = DefectEntry(
        1, "A", "A trade older than the open bar vanishes for that period without being counted."
    )
    FUTURE_UNCHECKED = DefectEntry(
        2, "A", "A trade or tick far in the future is believed and rolls every bar forward."
    )
    POINT_IN_TIME_PRUNING = DefectEntry(
        3,
        "B",
        "A tick looks at a longer period only when its own minute is that period's boundary.",
    )
    FILLERS_UNMARKED = DefectEntry(
        4, "A", "Records carry no trade ids, so a bar filled over an outage looks like a quiet one."
    )
    UNINITIALIZED_FILLED = DefectEntry(
        5, "A", "The first trade into an uninitialized slot fills every bar since 1970."
    )
    SEEDING_SKIPS_FIRST = DefectEntry(
        6, "A", "A new symbol's seeding starts at the second period, wherever genesis is."
    )
    GENESIS_FROM_TICKER = DefectEntry(
        7, "A", "A new symbol's first bar holds the ticker's 24-hour numbers and counts one trade."
    )
    AGGREGATES_COUNTED = DefectEntry(
        8, "A", "The trade count counts aggregate trades, the exchange counts raw ones."
    )
    STARTUP_HOLE = DefectEntry(
        9, "A", "The database's bar is continued although the trades since then were not seen."
    )
    IDS_IGNORED = DefectEntry(
        10, "A", "Trade ids are not read: duplicates count again, arrival decides open and close."
    )
    MONTH_IS_MINUTE = DefectEntry(
        11, "A", "A unit other than m, h, d or w means minutes: a 1M bar closes every minute."
    )
    SEED_UNALIGNED = DefectEntry(
        12, "A", "A new symbol's bar of a period such as 3d opens at the raw time of the ticker."
    )
    COUNT_ZERO_IS_PHANTOM = DefectEntry(
        13, "A", "A bar with count 0 is rewritten by its next trade; values are not checked."
    )
    FLOAT_SUMS = DefectEntry(
        14, "A", "Prices and sums are 64-bit floats, added in order of arrival."
    )
    STALE_DIRTY_FLAGS = DefectEntry(
        15, "B", "A removed symbol's dirty flags stay set and mute the next symbol's deltas."
    )
    GHOST_SLOTS = DefectEntry(
        16, "A", "Slots left behind by a removal stay alive in full snapshots, without a name."
    )
    NAMES_SHRINK = DefectEntry(
        17, "D", "Each removal shortens the list of names: adding at full capacity crashes."
    )
    MISROUTED_IN_FLIGHT = DefectEntry(
        18, "A", "A trade received before a removal took effect goes to the shifted neighbour."
    )
    REMOVAL_DISCARDS = DefectEntry(19, "A", "A removed symbol's open bars are thrown away.")
    DUPLICATE_SYMBOL = DefectEntry(
        20, "A", "A symbol can be added twice and is then aggregated in two slots."
    )
    FAILED_ADD_KEPT = DefectEntry(
        21, "D", "An add that fails leaves its slot behind, and no later symbol gets trades."
    )
    SEEDS_UNANNOUNCED = DefectEntry(
        22, "B", "Of a new symbol's bars only the first is announced in the deltas."
    )
    DELTAS_LOSE_CLOSES = DefectEntry(
        24, "B", "The state in which a bar closed never shows in the deltas."
    )
    PHANTOMS_IN_SNAPSHOT = DefectEntry(
        25, "A", "A full snapshot shows bars that no trade has touched like any other."
    )
    OPEN_BARS_LEFT = DefectEntry(30, "B", "Shutdown leaves the open bars unpublished.")

    @property
    def number(self) -> int:
        """Return the number in docs/defects.md."""
        return self.value.number

    @property
    def slug(self) -> str:
        """Return the name on the command line."""
        return self.name.lower()

    @property
    def severity(self) -> str:
        """Return the severity letter."""
        return self.value.severity

    @property
    def sentence(self) -> str:
        """Return what happens, in one sentence."""
        return self.value.sentence


FAITHFUL: frozenset[Quirk] = frozenset(Quirk)
FIXED: frozenset[Quirk] = frozenset()
