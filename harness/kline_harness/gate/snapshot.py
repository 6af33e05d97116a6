"""What a case comes to, read from its run folder: figures line by line, klines day by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from kline_harness.comparison.compare import Difference, text_of
from kline_harness.gate.canonical import (
    COLUMNS,
    DIGEST_DIGITS,
    days_of,
    digest,
    escape,
    time_text,
)
from kline_harness.gate.counters import counters_of
from kline_harness.gate.days import Days
from kline_harness.kline import FIELDS
from kline_harness.replay import Outcome
from kline_harness.run_record import LEDGER_FILE, RECORD_FILE, RunRecord, read_ledger, read_record
from kline_harness.storage.dataset import KlineDataset

# "day ALFAUSDT 1m 2024-05-15" to {"klines": "1440", ...}; neither side holds a space.
Figures: TypeAlias = Mapping[str, Mapping[str, str]]

CASE = "case"
COUNTERS = "counters"
DAY = "day"
DIFFERENCE = "difference"
INPUT = "input"
SERIES = "series"
DIGEST = "sha256"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a baseline keeps of a case.

    `figures` are lines by kind: the case's verdict, the counters of its work, each input, each
    series' ledger, each day's klines, trades, quiet klines, differences by class and cause and
    digest, and each kline that differs from the exchange's. `klines` are the finals themselves.
    """

    figures: Figures
    klines: Days

    def words(self, kind: str) -> dict[tuple[str, ...], Mapping[str, str]]:
        """Return the lines of a kind by the words after it."""
        split = ((tuple(key.split(" ")), pairs) for key, pairs in self.figures.items())
        return {key[1:]: pairs for key, pairs in split if key[0] == kind}


def take(outcome: Outcome) -> Snapshot:
    """Return the snapshot of a finished run."""
    folder = outcome.directory
    run = read_record(folder / RECORD_FILE)
    readers = KlineDataset(folder / "klines").readers()
    klines = days_of(read(COLUMNS) for read in readers)
    differences = [] if outcome.comparison is None else outcome.comparison.differences
    figures: dict[str, Mapping[str, str]] = {CASE: {"verdict": run.verdict}}
    counters = counters_of(outcome, run)
    figures[COUNTERS] = {name: str(count) for name, count in counters.items()}
    for given in run.inputs:
        pairs = {"role": given["role"], "rows": str(given["rows"])}
        pairs[DIGEST] = str(given["sha256"])[:DIGEST_DIGITS]
        _add(figures, f"{INPUT} {escape(given['path'])}", pairs)
    _add_series(figures, run, read_ledger(folder / LEDGER_FILE))
    _add_days(figures, klines, differences)
    for difference in differences:
        _add(figures, difference_key(difference), _difference(difference))
    return Snapshot(figures, klines)


def difference_key(difference: Difference) -> str:
    """Return the line's key of a kline that differs from the exchange's."""
    name, interval = escape(difference.symbol), difference.interval.text
    return f"{DIFFERENCE} {name} {interval} {time_text(difference.open_time_ns)}"


def _add(figures: dict[str, Mapping[str, str]], key: str, pairs: Mapping[str, str]) -> None:
    """Add a line; a second one of the same key (files of one name) gets a number."""
    number, free = 2, key
    while free in figures:
        number, free = number + 1, f"{key} {number}"
    figures[free] = pairs


def _add_series(
    figures: dict[str, Mapping[str, str]],
    run: RunRecord,
    ledger: Iterable[Mapping[str, Any]],
) -> None:
    """Add what became of each series' trades, and how many of its klines are the exchange's."""
    for equation in ledger:
        if equation["law"] == "trades received":
            symbol, _, interval = equation["subject"].rpartition(" ")
            parts = {"received": equation["total"], **equation["parts"]}
            key = f"{SERIES} {escape(symbol)} {interval}"
            figures[key] = {name: str(count) for name, count in parts.items()}
    for series in run.compared:
        key = f"{SERIES} {escape(series['symbol'])} {series['interval']}"
        counts = {"identical": series["identical"], "outside": series["outside"]}
        counts["uncompared"] = series["uncompared"]
        known = figures.get(key, {})
        sums = {name: str(int(known.get(name, 0)) + count) for name, count in counts.items()}
        figures[key] = {**known, **sums}


def _add_days(
    figures: dict[str, Mapping[str, str]], klines: Days, differences: list[Difference]
) -> None:
    """Add each day's counts and digest; a day without klines of ours has its differences."""
    classes: dict[str, Counter[str]] = {}
    for difference in differences:
        words = difference_key(difference).split(" ")[1:]
        day = " ".join([*words[:2], words[2][:10]])
        name = difference.category.value
        if difference.proof is not None:
            name += f":{escape(difference.proof.cause)}"
        classes.setdefault(day, Counter())[name] += 1
    places = {key.replace(",", " "): key for key in klines}
    for day in sorted(places.keys() | classes.keys()):
        found = klines[places[day]] if day in places else ()
        counts = [int(line.split(",")[3 + FIELDS.index("count")]) for line in found]
        figures[f"{DAY} {day}"] = {
            "klines": str(len(found)),
            "trades": str(sum(counts)),
            "quiet": str(counts.count(0)),
            **{name: str(n) for name, n in sorted(classes.get(day, Counter()).items())},
            DIGEST: digest(found),
        }


def _difference(difference: Difference) -> dict[str, str]:
    """Return class, cause, and the exchange's values where they are not ours."""
    pairs = {"class": difference.category.value}
    if difference.proof is not None:
        pairs["cause"] = escape(difference.proof.cause)
    if difference.theirs is not None:
        shown = difference.fields or tuple(difference.theirs)
        pairs |= {name: text_of(name, difference.theirs[name]) for name in shown}
    return pairs
