"""The verb ``explore``: from files to a summary."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kline_harness.errors import UsageError
from kline_harness.explore.search import Exploration, explore
from kline_harness.explore.subjects import Explored
from kline_harness.interval import parse_intervals
from kline_harness.nouns import counted
from kline_harness.replay.decode import decode
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.sources import Disorder, Sources
from kline_harness.replay.trade_set import TradeSet
from kline_harness.units import NS_PER_MINUTE, NS_PER_SECOND


def explore_files(
    trades: Sequence[Path],
    name: str,
    intervals: str,
    *,
    minutes: int,
    seeds: int,
    first_seed: int,
    workers: int,
    time_limit: str | None,
    out: Path | None,
    progress: Callable[[int], None] | None,
) -> tuple[bool, str]:
    """Explore a subject on the busiest minutes of some files; tell if something was found.

    Raises UserError for anything the user can mend.
    """
    if not trades:
        raise UsageError("explore: expected files of trades, found none")
    if min(seeds, workers) < 1 or minutes < 0:
        raise UsageError("explore: expected seeds and workers above zero, and minutes not below")
    seconds_max = None
    if time_limit is not None:
        seconds_max = decode(int, time_limit, "--time-limit", unit_ns=True) / NS_PER_SECOND
    base = Scenario(intervals=parse_intervals(intervals))
    sources = Sources.open(trades, [], base)
    try:
        trade_set = sources.trade_set(whole=False)
    except Disorder:
        trade_set = sources.trade_set(whole=True)
    found = explore(
        Explored(name),
        base,
        busiest(trade_set, minutes) if minutes else trade_set,
        seeds=seeds,
        first_seed=first_seed,
        workers=workers,
        seconds_max=seconds_max,
        out=out,
        progress=progress,
    )
    return not found.sound, summary(found, out)


def busiest(trade_set: TradeSet, minutes: int) -> TradeSet:
    """Return the whole minutes, that many, with the most trades; the first of equal ones."""
    arrival_ns = trade_set.tape.arrival_ns
    starts = np.unique(arrival_ns // NS_PER_MINUTE) * NS_PER_MINUTE
    stops = starts + minutes * NS_PER_MINUTE
    counts = np.searchsorted(arrival_ns, stops) - np.searchsorted(arrival_ns, starts)
    best = int(np.argmax(counts))
    inside = (arrival_ns >= starts[best]) & (arrival_ns < stops[best])
    return replace(trade_set, tape=trade_set.tape.take(inside), until_ns=int(stops[best]))


def summary(found: Exploration, out: Path | None) -> str:
    """Return what a person wants to know of an exploration, and how each violation is replayed."""
    seeds, struck = counted(found.seeds, "seed"), counted(sum(found.faults.values()), "fault")
    lines = [f"{found.subject}: {seeds}, {struck}"]
    lines += [f"law broken: {finding.kind}" for finding in found.laws.findings]
    for kind, count in sorted(found.violations.items()):
        seed = found.first[kind][0]
        line = f"violation: {kind} in {counted(count, 'seed')}, first in seed {seed}"
        bundle = found.bundles.get(kind)
        if bundle is not None:
            faults, trades = int(bundle["faults"]), int(bundle["trades"])
            line += f"; shrunk to {counted(faults, 'fault')}, {counted(trades, 'trade')}"
        lines.append(line)
        if bundle is not None and out is not None:
            place = shlex.quote(str(out / str(bundle["bundle"])))
            lines.append(f"  reproduce it: kline-harness reproduce {place}")
    if out is not None:
        lines.append(f"{out / 'explore.json'}: every result")
    elif found.violations:
        lines.append("--out DIR writes a bundle for each violation, which one command replays")
    if found.sound:
        lines.append("no violation")
    return "\n".join(lines) + "\n"
