"""Programs that speak kline-subject/1, in whole processes: ``scripts/bench subjects``.

The same archives of raw trades are replayed into 1m klines with ``--audit off``, once by the exact
aggregator and once by a program; beside a program the exact aggregator runs too, and compares
every kline. What a program adds is the difference of the two, start-up of both programs included;
with a longer archive beside the short one, the start-up of both falls out. CPU time is that of
both processes together: on a machine with other work it is the steadier number.

Then the pipe alone: a day's trades, already in memory, with a tick a minute, from the first slice
that is sent to the last answer; the program has started before.

``BENCH_TRADES`` is the size of a day, ``BENCH_DAYS`` how many days the longer archive has,
``BENCH_ROUNDS`` how often each is run, in turn; the least of each counts. Archives are made once
and kept in ``BENCH_DIR``. Every run has to end valid.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from kline_harness import read_trades
from kline_harness.aggregators.process import ProcessAggregator
from kline_harness.interfaces import FeedSlice, Tick
from kline_harness.interval import parse_interval
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_MINUTE
from kline_harness.verdict import Validity

from tests.benchmarks.processes import ROOT, Timed, archives, run

TRADES = int(os.environ.get("BENCH_TRADES", "3000000"))
DAYS = int(os.environ.get("BENCH_DAYS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SLICE = 262_144
SUBJECTS = ROOT / "tests" / "subjects"


def aggregators() -> Mapping[str, str]:
    """Return what is run, by its name in the table; Node where it is installed."""
    found = {
        "exact": "exact",
        "Python, Arrow": f"process:{sys.executable} {SUBJECTS / 'arrow_subject.py'}",
    }
    if shutil.which("node") is not None:
        found["Node, JSON columns"] = f"process:node {SUBJECTS / 'fast_subject.js'}"
    return found


def replayed(files: Sequence[Path], aggregator: str, out: Path) -> Timed:
    """Replay archives in one process, which fails unless the run is valid."""
    command = [str(Path(sys.executable).parent / "kline-harness"), "replay", *map(str, files)]
    options = ["--intervals", "1m", "--audit", "off", "--no-report", "--force"]
    return run([*command, *options, "--aggregator", aggregator, "--out", str(out / "run")])


def piped(tape: Tape, command: str) -> float:
    """Return how many seconds a program takes for trades in memory."""
    first_ns, last_ns = (int(tape.event_time_ns[row]) for row in (0, -1))
    minute = NS_PER_MINUTE
    times = range((first_ns // minute + 1) * minute, (last_ns // minute + 2) * minute, minute)
    ticks = [Tick(time_ns, time_ns) for time_ns in times]
    places = np.searchsorted(tape.event_time_ns, times).tolist()
    subject = ProcessAggregator(command, [parse_interval("1m")])
    subject.advance(FeedSlice(tape[:1]))
    begin = time.perf_counter()
    done = 1
    for start in range(1, len(tape), SLICE):
        stop = min(len(tape), start + SLICE)
        due = [place for place in places[done - 1 :] if place <= stop]
        mine = tuple(ticks[done - 1 : done - 1 + len(due)])
        done += len(due)
        subject.advance(FeedSlice(tape[start:stop], mine, tuple(place - start for place in due)))
    subject.finish(ticks[-1].at_ns)
    seconds = time.perf_counter() - begin
    verdict = subject.verdict()
    if verdict.validity is not Validity.VALID or verdict.counts["finals"] != len(ticks):
        raise SystemExit(f"{command}: {verdict}")
    return seconds


def main() -> None:
    """Print what each took, what it added to `exact`, and how many trades a second that is."""
    days = archives(TRADES, "--raw", "--days", str(DAYS))
    found = aggregators()
    taken: dict[tuple[str, int], list[Timed]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for name, aggregator in found.items():
                for count in (1, DAYS):
                    timed = replayed(days[:count], aggregator, Path(folder))
                    taken.setdefault((name, count), []).append(timed)
    walls = {key: min(one.wall_s for one in several) for key, several in taken.items()}
    cpus = {key: min(one.cpu_s for one in several) for key, several in taken.items()}
    print("| | trades | wall s | cpu s | added wall s | trades a second of that |")
    print("|---|---|---|---|---|---|")
    for (name, count), wall in walls.items():
        added = wall - walls["exact", count]
        rate = "" if name == "exact" else f"{count * TRADES / added:,.0f}"
        shown = "" if name == "exact" else f"{added:.2f}"
        cpu = cpus[name, count]
        print(f"| {name} | {count * TRADES:,} | {wall:.2f} | {cpu:.2f} | {shown} | {rate} |")
    print("\nwithout the start of either program, from the difference of the two sizes:")
    trades = (DAYS - 1) * TRADES
    more = {
        name: (walls[name, DAYS] - walls[name, 1], cpus[name, DAYS] - cpus[name, 1])
        for name in found
    }
    for name, (wall, cpu) in more.items():
        added_s, cpu_s = wall - more["exact"][0], cpu - more["exact"][1]
        if name != "exact":
            print(f"* {name}: {trades / added_s:,.0f} trades a second added to exact,")
            print(f"  {trades / wall:,.0f} a second in all; {cpu_s / trades * 1e9:.0f} ns of CPU")
            print("  a trade in both processes added to exact")
    print("\nthe pipe alone, trades in memory:")
    tape = read_trades(days[0])
    for name, aggregator in found.items():
        if name != "exact":
            least = min(piped(tape, aggregator.removeprefix("process:")) for _ in range(ROUNDS))
            print(f"* {name}: {len(tape) / least:,.0f} trades a second")


if __name__ == "__main__":
    main()
