"""A campaign cut into tasks: shards of each symbol's days, then the symbol's runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kline_harness.campaign.campaign_file import Campaign, SymbolFiles, Variant, bytes_of
from kline_harness.campaign.day_cache import DayCache, Reading
from kline_harness.campaign.rates import DIGEST, Rates, Sample
from kline_harness.campaign.symbol_run import takes_digests
from kline_harness.nouns import counted
from kline_harness.simulation.task_schedule import PlannedTask, makespan

# From an answer until its worker begins the next task, as measured (docs/scale.md).
SCHEDULING_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Shard:
    """Some neighbouring days of a symbol: one task."""

    symbol: SymbolFiles
    paths: tuple[Path, ...]
    seconds: float

    @property
    def name(self) -> str:
        """Name the symbol and the files."""
        last = f" to {self.paths[-1].name}" if len(self.paths) > 1 else ""
        return f"{self.symbol.name}: {self.paths[0].name}{last}"

    def sample(self, seconds: float) -> Sample:
        """Return the shard as one that took so long."""
        return Sample(DIGEST, len(self.paths), bytes_of(self.paths), seconds)


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A symbol through one variant: one task, after the symbol's shards."""

    symbol: SymbolFiles
    variant: Variant
    seconds: float

    @property
    def name(self) -> str:
        """Name the run, as its folder is named."""
        return f"{self.symbol.name}-{self.variant.name}"

    def sample(self, seconds: float) -> Sample:
        """Return the run as one that took so long."""
        return Sample(self.variant.name, len(self.symbol.trades), self.symbol.size, seconds)


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """A symbol's tasks; no shards where no variant takes digests."""

    symbol: SymbolFiles
    reading: Reading
    shards: tuple[Shard, ...]
    runs: tuple[PlannedRun, ...]

    @property
    def seconds(self) -> float:
        """The work of all of them."""
        return sum(one.seconds for one in self.shards) + sum(one.seconds for one in self.runs)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every task of a campaign: of most work first, so that no long symbol is left for the end."""

    symbols: tuple[SymbolPlan, ...]
    rates: Rates

    @staticmethod
    def of(campaign: Campaign, cache: DayCache, rates: Rates) -> Plan:
        """Cut a campaign; files that are digested already take no time."""
        plans = [_symbol_plan(campaign, one, cache, rates) for one in campaign.symbols]
        return Plan(tuple(sorted(plans, key=lambda plan: -plan.seconds)), rates)

    def tasks(self) -> list[PlannedTask]:
        """Return the tasks in the order in which they are submitted."""
        tasks: list[PlannedTask] = []
        for plan in self.symbols:
            first = len(tasks)
            tasks += [PlannedTask(one.seconds + SCHEDULING_SECONDS) for one in plan.shards]
            needs = tuple(range(first, len(tasks)))
            for run in plan.runs:
                own = needs if takes_digests(run.variant.scenario) else ()
                tasks.append(PlannedTask(run.seconds + SCHEDULING_SECONDS, own))
        return tasks

    def seconds(self, workers: int) -> float:
        """Return how long the campaign takes on so many workers, by simulating its schedule.

        From the command's start to its last page.
        """
        begin = self.rates.start_seconds + self.rates.first_seconds
        return makespan(self.tasks(), workers, begin) + self.rates.end_seconds * len(self.symbols)

    def lines(self, workers: int) -> list[str]:
        """Return what is said before anything runs."""
        shards = sum(len(plan.shards) for plan in self.symbols)
        runs = sum(len(plan.runs) for plan in self.symbols)
        files = [(len(plan.symbol.trades), plan.symbol.size) for plan in self.symbols]
        days, size = sum(count for count, _ in files), sum(size for _, size in files)
        tasks = shards + runs
        work, scheduling = self.work_seconds, tasks * SCHEDULING_SECONDS
        memory = max(self.rates.memory_bytes(*one) for one in files)
        return [
            f"symbols {len(self.symbols):,}, files {days:,}, {size / 1e9:,.2f} GB",
            f"tasks {tasks:,}: {shards:,} shards of days, {counted(runs, 'run')} of a symbol",
            f"work {work:,.1f} s, scheduling {scheduling / (work + scheduling or 1):.1%} of it",
            f"expected {self.seconds(workers):,.1f} s on {workers} workers, by simulation",
            f"memory {memory / 1e6:,.0f} MB a worker, {memory * workers / 1e9:,.2f} GB in all",
        ]

    @property
    def work_seconds(self) -> float:
        """The work of all tasks, one after the other."""
        return sum(plan.seconds for plan in self.symbols)


def _symbol_plan(
    campaign: Campaign, symbol: SymbolFiles, cache: DayCache, rates: Rates
) -> SymbolPlan:
    reading = campaign.reading()
    size, files = symbol.size, len(symbol.trades)
    runs = tuple(
        PlannedRun(symbol, one, rates.of_run(one.name, files, size)) for one in campaign.variants
    )
    shards: tuple[Shard, ...] = ()
    if any(takes_digests(one.scenario) for one in campaign.variants):
        new = [path for path in symbol.trades if not cache.holds(path, reading)]
        shards = tuple(_cut(symbol, new, rates, campaign.options.task_seconds))
    return SymbolPlan(symbol, reading, shards, runs)


def _cut(
    symbol: SymbolFiles, paths: Sequence[Path], rates: Rates, least_seconds: float
) -> Iterator[Shard]:
    """Yield neighbouring days until they are enough work for a task."""
    waiting: list[Path] = []
    size = 0
    for path in paths:
        waiting.append(path)
        size += path.stat().st_size
        seconds = rates.of_digest(len(waiting), size)
        if seconds >= least_seconds:
            yield Shard(symbol, tuple(waiting), seconds)
            waiting, size = [], 0
    if waiting:
        yield Shard(symbol, tuple(waiting), seconds)
