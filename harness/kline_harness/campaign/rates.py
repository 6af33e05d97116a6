"""How fast the work goes: measured on some of the campaign's own files, and by its own tasks."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from kline_harness.campaign.campaign_file import Campaign, SymbolFiles, bytes_of
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.tasks import Failure, digest_shard, run_symbol
from kline_harness.errors import UsageError
from kline_harness.replay.timings import Timings
from kline_harness.whole_file import write_json

RATES_FILE = "rates.json"
# The kinds of samples that are no variant's runs.
DIGEST, MEMORY = "digest of days", "memory of a worker"
# Samples grow, a day, two, four, until they have taken so long.
_SAMPLE_SECONDS = 2.0
_KEPT = 1_000
_LEAST_SECONDS = 1e-6
# Of the end of the cluster, the pages and the lists of files, where no campaign has ended yet.
_END_SECONDS = 0.04


@dataclass(frozen=True, slots=True)
class Sample:
    """Work of a kind on so many files of so many bytes: its seconds, or its bytes of memory."""

    kind: str
    files: int
    size: int
    value: float


@dataclass(frozen=True, slots=True)
class Cost:
    """So much for each of a task's files, for each of their bytes, and for the task itself."""

    file: float = 0.0
    byte: float = 0.0
    task: float = 0.0

    def at(self, files: int, size: int) -> float:
        """Return the cost of a task."""
        return self.task + self.file * files + self.byte * size

    @staticmethod
    def through(samples: Sequence[Sample]) -> Cost:
        """Return the cost, no part of it negative, that is least wrong of the samples' parts.

        Of samples that do not tell two parts apart the cost has one of them.
        """
        rows = np.array([[one.files, one.size, 1.0] for one in samples])
        values = np.maximum([one.value for one in samples], _LEAST_SECONDS)
        scale = rows.max(axis=0)
        weighted, ones = rows / scale / values[:, None], np.ones(len(values))
        best, least = np.zeros(3), np.inf
        for count in (1, 2, 3):
            for chosen in map(list, combinations(range(3), count)):
                part, _, rank, _ = np.linalg.lstsq(weighted[:, chosen], ones, rcond=1e-3)
                wrong = float(np.sum((weighted[:, chosen] @ part - ones) ** 2))
                # One part more has to be worth it.
                if rank == count and (part >= 0).all() and wrong < 0.9 * least:
                    best, least = np.zeros(3), wrong
                    best[chosen] = part
        return Cost(*(best / scale).tolist())


@dataclass(frozen=True, slots=True)
class Rates:
    """What tasks cost, by samples of each kind of work.

    `start_seconds` go by before the workers are ready, `first_seconds` more before a worker's
    first task is done, and `end_seconds` for each symbol after the last task.
    """

    samples: tuple[Sample, ...] = ()
    start_seconds: float = 0.0
    first_seconds: float = 0.0
    end_seconds: float = _END_SECONDS
    costs: dict[str, Cost] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kinds = dict.fromkeys(one.kind for one in self.samples)
        costs = {k: Cost.through([one for one in self.samples if one.kind == k]) for k in kinds}
        object.__setattr__(self, "costs", costs)

    def of_digest(self, files: int, size: int) -> float:
        """Return the seconds of digesting so many files of so many bytes."""
        return self.costs.get(DIGEST, Cost(0.005, 7e-9)).at(files, size)

    def of_run(self, variant: str, files: int, size: int) -> float:
        """Return the seconds of a symbol's run over so many files."""
        return self.costs.get(variant, Cost(0.1, 0.0, 0.5)).at(files, size)

    def memory_bytes(self, files: int, size: int) -> float:
        """Return the most that a worker needs for a symbol of so many files."""
        return self.costs.get(MEMORY, Cost()).at(files, size)

    def with_tasks(self, samples: Sequence[Sample]) -> Rates:
        """Return the rates with what a campaign's tasks took, in place of as many older samples."""
        return replace(self, samples=(*self.samples, *samples)[-_KEPT:])

    def store(self, place: Path) -> None:
        """Keep the rates for the next plan."""
        plain = {name: value for name, value in asdict(self).items() if name != "costs"}
        write_json(place, plain)

    @staticmethod
    def load(place: Path, variants: Sequence[str]) -> Rates | None:
        """Return the rates that were kept, None where some variant was not measured."""
        try:
            plain: dict[str, Any] = json.loads(place.read_text("utf-8"))
            samples = tuple(Sample(**one) for one in plain["samples"])
            rates = Rates(**{**plain, "samples": samples})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return rates if set(variants) <= rates.costs.keys() else None


@dataclass(frozen=True, slots=True)
class Measured:
    """What one worker measured; its first run took `first_seconds` more than the same again."""

    samples: tuple[Sample, ...]
    first_seconds: float


def is_ready() -> bool:
    """Answer once all that a task needs is imported."""
    return True


def measured(campaign: Campaign, folder: Path) -> Measured:
    """Digest and run some days of the symbols with most and with fewest bytes, in a folder.

    Raises UsageError where the sample cannot be run.
    """
    symbols = sorted(campaign.symbols, key=lambda one: one.size)
    try:
        first = _seconds(campaign, symbols[-1], CampaignFolder(folder / "first"))
        again = _seconds(campaign, symbols[-1], CampaignFolder(folder / "again"))
        samples: list[Sample] = []
        for symbol in dict.fromkeys((symbols[-1], symbols[0])):
            samples += _growing(campaign, symbol, CampaignFolder(folder / "samples"))
        return Measured(tuple(samples), max(0.0, first - again))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _seconds(campaign: Campaign, symbol: SymbolFiles, places: CampaignFolder) -> float:
    timings = Timings()
    list(_sampled(campaign, symbol, 0, 1, places))
    return timings.total()


def _growing(campaign: Campaign, symbol: SymbolFiles, places: CampaignFolder) -> Iterator[Sample]:
    timings, done, days = Timings(), 0, 1
    while done < len(symbol.trades) and timings.total() < _SAMPLE_SECONDS:
        days = min(days, len(symbol.trades))
        yield from _sampled(campaign, symbol, done, days, places)
        done, days = days, days * 2


def _sampled(
    campaign: Campaign, symbol: SymbolFiles, done: int, days: int, places: CampaignFolder
) -> Iterator[Sample]:
    """Digest the days that are not done yet and run all of them through every variant."""
    reading, report = campaign.reading(), campaign.options.report
    part = SymbolFiles(symbol.symbol, symbol.market, symbol.trades[:days], symbol.klines[:days])
    new, every = part.trades[done:], part.size
    shard = digest_shard(places, symbol.name, new, reading)
    _refuse(shard.failure)
    yield Sample(DIGEST, len(new), bytes_of(new), shard.seconds)
    for variant in campaign.variants:
        answer = run_symbol(places, part, variant, reading, report=report)
        _refuse(answer.failure)
        yield Sample(variant.name, days, every, answer.seconds)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    yield Sample(MEMORY, days, every, float(most))


def _refuse(failure: Failure | None) -> None:
    if failure is not None:
        raise UsageError(failure.sentence)


def together(found: Iterable[Measured]) -> Rates:
    """Return the rates of what several workers measured at the same time."""
    every = list(found)
    samples = tuple(sample for one in every for sample in one.samples)
    return Rates(samples, first_seconds=max(one.first_seconds for one in every))
