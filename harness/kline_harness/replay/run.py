"""One replay from files to run folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kline_harness
from kline_harness.checks.completeness import CompletenessAuditor
from kline_harness.checks.life_table import TRANSITIONS
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.comparison.compare import Comparison, Stored
from kline_harness.comparison.continuity import ContinuityWatch
from kline_harness.comparison.stretches import Stretch
from kline_harness.errors import UsageError
from kline_harness.expectations import (
    Answer,
    Expectations,
    ExpectationsWorker,
    MakeExpectations,
    verdict_of,
)
from kline_harness.ledger import Equation, judge, trade_equations
from kline_harness.replay.beside import Beside
from kline_harness.replay.channels import channel_dict, channel_equations, channels_verdict
from kline_harness.replay.checks import reception_verdict, trades_verdict, unnumbered
from kline_harness.replay.explaining import MISMATCH, Aftermath
from kline_harness.replay.faultless import Faultless, faults_of
from kline_harness.replay.feeding import make_feed, rows_equation
from kline_harness.replay.folder import RUN_FILE, run_folder, write_json, write_lines
from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.replay.sentence import sentence
from kline_harness.replay.sources import Disorder, Sources
from kline_harness.replay.tables import write_differences, write_timeline
from kline_harness.replay.tallies import Tallied, taken_equations, value_equations
from kline_harness.replay.timings import Timings
from kline_harness.report import build_report, prepare
from kline_harness.simulation.feed import Feed
from kline_harness.simulation.records import ChannelRecord
from kline_harness.simulation.simulation import Simulation
from kline_harness.simulation.work import Work
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.storage.restarting_writer import RestartingWriter
from kline_harness.tape import Tape
from kline_harness.verdict import Validity, Verdict, worst

SCHEMA = "kline-harness/run/1"
# How an auditor counts what it was given.
_TAKEN = {"completeness": "klines", "lifecycle": "events"}
_PACKAGES = ("numpy", "pyarrow", "simpy", "great-expectations", "pandas")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay came to; `directory` is its run folder, `work` what the simulation took."""

    validity: Validity
    sentence: str
    checks: tuple[Verdict, ...]
    comparison: Comparison | None
    klines: int
    trades: int
    directory: Path
    seconds: float
    work: Work


@dataclass(slots=True)
class _Run:
    """One pass through the simulation: who took part, and what it left behind."""

    aggregator: Tallied
    feed: Feed
    beside: Beside
    continuity: ContinuityWatch
    whole: bool
    writer: ParquetWriter | RestartingWriter
    completeness: CompletenessAuditor | None
    lifecycle: LifecycleChecker | None
    channels: list[ChannelRecord]
    injected: Faultless
    work: Work
    stretches: list[Stretch] = field(default_factory=list)


def replay(
    scenario: Scenario,
    trades: Sequence[Path],
    klines: Sequence[Path],
    out: Path,
    *,
    command: str,
    progress: Callable[[int], None] | None = None,
    report: bool = True,
    expectations: MakeExpectations = ExpectationsWorker,
) -> Outcome:
    """Replay files of trades and write the run folder `out`.

    `progress` is told the number of trades fed so far. Without `report` the page is left out.
    `expectations` makes who holds the stored klines to the suite, at the start of the run.

    Raises UserError for anything the user can mend; nothing is left half-written then.
    """
    timings = Timings()
    scenario.check()
    with ExitStack() as stack:
        sources = Sources.open(trades, klines, scenario)
        # Klines to compare with ask for their interval, or they would all seem to be missing.
        scenario = scenario.with_intervals(one.interval for one in sources.klines)
        folder = stack.enter_context(run_folder(out))
        expects = scenario.audit is Audit.FULL and scenario.expectations
        asked = stack.enter_context(expectations()) if expects else None
        with timings.stage("simulate"):
            run = _simulate(scenario, sources, folder / "klines", progress)
        with timings.stage("compare"):
            audits = _audits(run)
            after = _explain(run, sources, scenario, audits)
        ledger = _equations(run, sources, after, audits)
        checks = _checks(run, sources, after, audits, scenario, judge(ledger))
        with timings.stage("faults"):
            told, faults = run.injected.outcomes(lambda: sources.market(whole=run.whole))
            checks += told
        if asked is not None:
            expected = _answer(asked, folder / "klines", report, timings)
            checks.append(after.reconciled_expectations(verdict_of(expected)))
            write_json(folder / "expectations.json", expected)
        with timings.stage("write"):
            outcome = _outcome(run, tuple(checks), after.comparison, out, timings)
            _write(folder, scenario, sources, run, outcome, ledger, command, faults)
        if report:
            with timings.stage("report"):
                build_report(folder)
        write_json(folder / "timings.json", timings.to_dict())
        return replace(outcome, seconds=timings.total())


def _answer(asked: Expectations, klines: Path, report: bool, timings: Timings) -> Answer:
    """Ask who holds the stored klines to the suite."""
    if report:
        # Who was asked is still importing.
        with timings.stage("prepare report"):
            prepare()
    with timings.stage("expectations"):
        return asked.result(klines)


def _simulate(
    scenario: Scenario, sources: Sources, klines: Path, progress: Callable[[int], None] | None
) -> _Run:
    try:
        return _pass(scenario, sources, klines, progress, whole=False)
    except Disorder:
        # Nothing was committed that a second pass would not replace: start over, sorted.
        for part in klines.iterdir():
            part.unlink()
        return _pass(scenario, sources, klines, progress, whole=True)


def _pass(
    scenario: Scenario,
    sources: Sources,
    klines: Path,
    progress: Callable[[int], None] | None,
    *,
    whole: bool,
) -> _Run:
    tapes, continuity = sources.tapes(whole=whole), ContinuityWatch()
    beside = Beside(scenario, sources.symbols() if scenario.aggregator == "klagg" else [])
    injected = faults_of(scenario)
    feed = make_feed(scenario, sources, injected.trades(tapes), beside, progress)
    aggregator = Tallied(beside.aggregator, continuity.add)
    simulation = Simulation(aggregator, injected.feed(feed), scenario.channels, scenario.fidelity)
    writer = injected.writer(klines)
    injected.listen(simulation.listen_to_klines, writer, writer.on_klines)
    completeness, lifecycle = None, None
    if scenario.audit is Audit.FULL:
        completeness, lifecycle = CompletenessAuditor(), LifecycleChecker()
        injected.listen(simulation.listen_to_klines, completeness, completeness.on_klines)
        injected.listen(simulation.listen_to_life, lifecycle, lifecycle.on_events)
    channels = simulation.run(lambda: injected.end_ns(feed.end_ns))
    if feed.trades == 0:
        raise UsageError("the files given hold no trades")
    took_part = (writer, completeness, lifecycle, channels, injected, simulation.work)
    return _Run(aggregator, feed, beside, continuity, whole, *took_part)


def _audits(run: _Run) -> list[Verdict]:
    """Return what the auditors of the channels found."""
    verdicts = []
    for checker in (run.completeness, run.lifecycle):
        if checker is not None:
            try:
                verdicts.append(checker.verdict())
            except Exception as error:  # a checker that crashes is unknown, not a dead run
                verdicts.append(Verdict.crashed(checker.name, error))
    return verdicts


def _explain(
    run: _Run, sources: Sources, scenario: Scenario, audits: Sequence[Verdict]
) -> Aftermath:
    """Compare what was stored with the exchange's klines, and explain what differs."""
    found = (finding for audit in audits for finding in audit.findings)
    return Aftermath.of(
        Stored.of(run.writer.dataset.read()),
        run.aggregator.accounts(),
        sources.references(),
        sources.coverage(),
        [finding for finding in found if finding.kind == MISMATCH],
        lambda: _again(run, sources, scenario),
        faulty=bool(run.feed.delivery.lost) or run.injected.strikes_trades,
        unnumbered=unnumbered(sources),
    )


def _again(run: _Run, sources: Sources, scenario: Scenario) -> Iterator[tuple[Tape, Tape]]:
    """Yield the trades a second time: as given to the aggregator, and with those kept from it."""
    yield from faults_of(scenario).again(
        sources.tapes(whole=run.whole),
        lambda tapes: make_feed(scenario, sources, tapes, run.beside, None),
    )


def _equations(
    run: _Run, sources: Sources, after: Aftermath, audits: Sequence[Verdict]
) -> list[Equation]:
    """Return every conservation law of the run."""
    accounts = run.aggregator.accounts()
    received = {symbol: account.received for symbol, account in accounts.items()}
    rows = sum(file.info.rows for file in sources.trades)
    equations = [rows_equation(rows, received | run.injected.rows(), run.feed)]
    equations += trade_equations(accounts)
    missed = run.injected.missed
    counted = {run.writer.name: run.writer.counters.lag_missed - missed(run.writer.name)}
    equations += channel_equations(run.channels, counted)
    taken = {audit.check: audit.counts.get(_TAKEN[audit.check]) for audit in audits}
    taken[run.writer.name] = run.writer.counters.received
    taken = {name: count and count + missed(name) for name, count in taken.items()}
    equations += taken_equations(run.channels, taken)
    written = run.writer.equations()
    # Where klines were lost on the way, the laws above say so, and the sums are the published.
    stored = after.stored if after.stored.table.num_rows == run.channels[0].published else None
    equations += value_equations(run.aggregator, stored, after.evidence)
    return equations + written


def _checks(
    run: _Run,
    sources: Sources,
    after: Aftermath,
    audits: Sequence[Verdict],
    scenario: Scenario,
    ledger: Verdict,
) -> list[Verdict]:
    accounts = run.aggregator.accounts()
    checks = [ledger, trades_verdict(accounts, after)]
    klines, sourced = (after.stored, scenario.intervals), (after.references, unnumbered(sources))
    checks.append(run.continuity.verdict(*klines, after.comparison, *sourced))
    run.stretches = run.continuity.stretches(checks[-1], *klines, *sourced)
    if sources.receptions:
        checks.append(reception_verdict(sources.receptions))
    checks.append(run.writer.verdict())
    checks += [after.reconciled(audit) for audit in audits]
    if after.comparison is not None:
        checks.append(after.comparison.verdict())
    return [*checks, channels_verdict(run.channels), *run.beside.verdicts(run.feed)]


def _outcome(
    run: _Run,
    checks: tuple[Verdict, ...],
    comparison: Comparison | None,
    out: Path,
    timings: Timings,
) -> Outcome:
    validity = worst(check.validity for check in checks)
    klines = run.channels[0].published
    fed, symbols = run.feed.trades, len(run.aggregator.accounts())
    text = sentence(validity, fed, symbols, klines, checks, comparison)
    counted = (klines, run.feed.trades, out, timings.total(), run.work)
    return Outcome(validity, text, checks, comparison, *counted)


def _write(
    folder: Path,
    scenario: Scenario,
    sources: Sources,
    run: _Run,
    outcome: Outcome,
    ledger: Sequence[Equation],
    command: str,
    faults: Sequence[dict[str, Any]],
) -> None:
    write_lines(
        folder / "findings.ndjson",
        (finding.to_dict() for check in outcome.checks for finding in check.findings),
    )
    differences = outcome.comparison.differences if outcome.comparison else []
    write_differences(folder / "differences.parquet", differences)
    flushes = {run.writer.name: run.writer.flush_log}
    write_timeline(folder / "timeline.parquet", run.channels, flushes)
    content = {
        "schema": SCHEMA,
        "verdict": outcome.validity.value,
        "exit_code": outcome.validity.exit_code,
        "sentence": outcome.sentence,
        "command": command,
        "scenario": scenario.to_dict(),
        "seed": scenario.seed,
        "versions": {
            "kline-harness": kline_harness.__version__,
            "python": ".".join(map(str, sys.version_info[:3])),
            **{name: version(name) for name in _PACKAGES},
        },
        "inputs": sources.to_list(),
        "receptions": [reception.to_dict() for reception in sources.receptions],
        "checks": [check.to_dict() for check in outcome.checks],
        "ledger": [equation.to_dict() for equation in ledger],
        "comparison": None if outcome.comparison is None else outcome.comparison.to_dict(),
        "channels": [channel_dict(channel) for channel in run.channels],
        **_statistics(run),
        "faults": faults,
    }
    write_json(folder / RUN_FILE, content)


def _statistics(run: _Run) -> dict[str, Any]:
    series = [] if run.completeness is None else run.completeness.series()
    return {
        "series": [
            {
                "symbol": one.symbol,
                "interval": one.interval,
                "klines": one.rows,
                "quiet": one.quiet,
                "first_open_time_ns": one.first_open_ns,
                "last_open_time_ns": one.last_open_ns,
            }
            for one in series
        ],
        "lateness": [
            {
                "interval": one.interval,
                "count": one.finals,
                "min_ns": one.min_ns,
                "p50_ns": one.p50_ns,
                "p90_ns": one.p90_ns,
                "p99_ns": one.p99_ns,
                "max_ns": one.max_ns,
            }
            for one in ([] if run.lifecycle is None else run.lifecycle.lateness())
        ],
        "transitions": [] if run.lifecycle is None else _transitions(run.lifecycle),
        "stretches": [one.to_dict() for one in run.stretches],
    }


def _transitions(lifecycle: LifecycleChecker) -> list[dict[str, Any]]:
    return [
        {
            "state": state.name.lower(),
            "life": life.name.lower(),
            "trigger": trigger.name.lower(),
            "next": TRANSITIONS[state, life, trigger].name.lower(),
            "count": count,
            "legal": True,
        }
        for (state, life, trigger), count in lifecycle.transitions().items()
    ]
