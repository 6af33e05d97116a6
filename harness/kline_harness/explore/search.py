"""Many seeds, on several cores, with one result whatever their number."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from kline_harness.explore.bundle import write_bundle
from kline_harness.explore.judge import Judge, Violation
from kline_harness.explore.metamorphic import metamorphic
from kline_harness.explore.sampler import draw_scenario
from kline_harness.explore.shrink import Shrinker
from kline_harness.explore.subjects import Explored
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.timings import Timings
from kline_harness.replay.trade_set import TradeSet
from kline_harness.verdict import Verdict
from kline_harness.whole_file import write_json

SCHEMA = "kline-harness/explore/1"
SEEDS_AT_A_TIME = 20
# One bundle of each sort of violation says enough; shrinking more of them takes long.
BUNDLES_MAX = 8


@dataclass(frozen=True, slots=True)
class SeedResult:
    """One seed's run: its faults, and what was wrong."""

    seed: int
    faults: tuple[str, ...]
    findings: tuple[tuple[str, int], ...]
    violations: tuple[Violation, ...]


@dataclass(slots=True)
class Exploration:
    """What many seeds came to; `first` is the smallest seed of each sort of violation."""

    subject: str
    laws: Verdict
    seeds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[int, Violation]] = field(default_factory=dict)
    bundles: dict[str, dict[str, int | str]] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Tell whether nothing was violated."""
        return not self.violations and not self.laws.findings

    def add(self, result: SeedResult) -> None:
        """Count one seed."""
        self.seeds += 1
        self.faults.update(result.faults)
        self.findings.update(dict(result.findings))
        for violation in result.violations:
            self.violations[violation.name] += 1
            self.first.setdefault(violation.name, (result.seed, violation))

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain data for JSON."""
        return {
            "schema": SCHEMA,
            "subject": self.subject,
            "seeds": self.seeds,
            "sound": self.sound,
            "metamorphic": self.laws.to_dict(),
            "faults": dict(sorted(self.faults.items())),
            "findings": dict(sorted(self.findings.items())),
            "violations": {
                name: {"seeds": count, "first_seed": self.first[name][0]}
                | {"evidence": self.first[name][1].evidence}
                for name, count in sorted(self.violations.items())
            },
            "bundles": dict(sorted(self.bundles.items())),
        }


def explore(
    subject: Explored,
    base: Scenario,
    trade_set: TradeSet,
    *,
    seeds: int,
    first_seed: int = 0,
    workers: int = 1,
    seconds_max: float | None = None,
    out: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Exploration:
    """Run seeds of a subject on some trades, shrink what is found, and write it to `out`.

    The result does not depend on `workers`. With `seconds_max` it stops after the seeds begun
    by then, all of which count.
    """
    laws = metamorphic(subject.scenario(base), trade_set, subject.substitutions)
    found = Exploration(subject.name, laws)
    timings = Timings()
    numbers = range(first_seed, first_seed + seeds)
    shares = [numbers[k : k + SEEDS_AT_A_TIME] for k in range(0, seeds, SEEDS_AT_A_TIME)]
    for share in _runs(subject, base, trade_set, shares, workers):
        for result in share:
            found.add(result)
        if progress is not None:
            progress(found.seeds)
        if seconds_max is not None and timings.total() > seconds_max:
            break
    _shrink(found, subject, base, trade_set, out)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "explore.json", found.to_dict())
    return found


def _shrink(
    found: Exploration,
    subject: Explored,
    base: Scenario,
    trade_set: TradeSet,
    out: Path | None,
) -> None:
    """Shrink the first violation of each sort, those of one seed by their first only."""
    scenario = subject.scenario(base)
    done: set[int] = set()
    for kind, (seed, violation) in sorted(found.first.items(), key=lambda item: item[1][0]):
        if seed in done or len(done) >= BUNDLES_MAX:
            continue
        done.add(seed)
        drawn = draw_scenario(seed, scenario, trade_set)
        shrunk = Shrinker(drawn, trade_set, violation, subject.substitutions).shrink()
        place = f"seed-{seed}"
        found.bundles[kind] = {
            "bundle": place,
            "faults": len(shrunk.scenario.faults),
            "trades": len(shrunk.trade_set.tape),
            "runs": shrunk.runs,
        }
        if out is not None:
            write_bundle(out / place, subject.name, shrunk)


def _runs(
    subject: Explored,
    base: Scenario,
    trade_set: TradeSet,
    shares: Sequence[range],
    workers: int,
) -> Iterator[list[SeedResult]]:
    """Yield the results of each share in the order of the seeds."""
    if workers <= 1:
        _Worker.begin(subject, base, trade_set)
        yield from map(_Worker.run, shares)
        return
    # A fresh process each, not a fork: Arrow's threads do not survive one.
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _Worker.begin_process, (subject, base, trade_set)) as pool:
        yield from pool.imap(_Worker.run, shares)


class _Worker:
    """What a process keeps between its shares."""

    scenario: Scenario
    trade_set: TradeSet
    judge: Judge

    @classmethod
    def begin_process(cls, subject: Explored, base: Scenario, trade_set: TradeSet) -> None:
        """Take the trades in a process of its own."""
        # Ctrl-C reaches every process of the terminal; the one that asked ends the others.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        cls.begin(subject, base, trade_set)

    @classmethod
    def begin(cls, subject: Explored, base: Scenario, trade_set: TradeSet) -> None:
        """Take the trades and make the judge of them, once a process."""
        pa.set_cpu_count(1)
        cls.scenario = subject.scenario(base)
        cls.trade_set, cls.judge = trade_set, Judge(trade_set, subject.substitutions)

    @classmethod
    def run(cls, share: range) -> list[SeedResult]:
        """Run a share of the seeds."""
        return [cls.one(seed) for seed in share]

    @classmethod
    def one(cls, seed: int) -> SeedResult:
        """Run one seed."""
        scenario = draw_scenario(seed, cls.scenario, cls.trade_set)
        judged = cls.judge.judge(scenario)
        counted = Counter(
            f"{finding.check}.{finding.kind}"
            for finding in (judged.memory_run.findings if judged.memory_run else ())
        )
        kinds = tuple(fault.KIND for fault in scenario.faults)
        return SeedResult(seed, kinds, tuple(sorted(counted.items())), judged.violations)
