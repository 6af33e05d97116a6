"""One replay from files to run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from kline_harness.background import InBackground
from kline_harness.checks.channels import channel_row
from kline_harness.checks.check_list import CheckList, question
from kline_harness.checks.faults import Effect, FaultOutcome, faults_verdict
from kline_harness.checks.life_table import TRANSITIONS
from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.comparison.compare import Comparison
from kline_harness.comparison.row_numbers import of_rows
from kline_harness.compiled.memory import trim
from kline_harness.errors import UsageError
from kline_harness.expectations import (
    Expectations,
    ExpectationsWorker,
    MakeExpectations,
    installed,
    verdict_of,
)
from kline_harness.interfaces import Consumer, Observer
from kline_harness.replay.assembly import NONE, Run, Storage, Substitutions
from kline_harness.replay.channel_notice import channel_notices
from kline_harness.replay.control_runs import fault_effects, fault_outcomes
from kline_harness.replay.finished_run import FinishedRun, Inputs
from kline_harness.replay.folder import run_folder, write_lines, write_record
from kline_harness.replay.observations import Fed, ObservedRun
from kline_harness.replay.place import RunPlace
from kline_harness.replay.scenario import Audit, Scenario
from kline_harness.replay.sentence import sentence
from kline_harness.replay.shadow import ExactShadow
from kline_harness.replay.sources import Disorder, Sources
from kline_harness.replay.tables import series_sums, write_differences, write_series, write_timeline
from kline_harness.replay.timings import Timings
from kline_harness.report import build_report, prepare
from kline_harness.run_record import (
    LEDGER_FILE,
    SERIES_FILE,
    RunRecord,
    ledger_sums,
    write_ledger,
)
from kline_harness.run_rows import TransitionRow
from kline_harness.simulation.work import Work
from kline_harness.verdict import Validity, Verdict, worst
from kline_harness.versions import versions_of
from kline_harness.whole_file import write_json

OpenSources: TypeAlias = Callable[[Sequence[Path], Sequence[Path], Scenario], Sources]

_PACKAGES = ("numpy", "pyarrow", "simpy", "great-expectations", "pandas")


_LACKING = "Great Expectations is not installed, so that its suite was not run."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay came to; `directory` is its run folder, `work` what the simulation took.

    `consumers` are those of the caller's own, as the run left them.
    """

    validity: Validity
    sentence: str
    checks: tuple[Verdict, ...]
    comparison: Comparison | None
    klines: int
    trades: int
    directory: Path
    seconds: float
    work: Work
    consumers: tuple[Consumer, ...] = ()


def replay(
    scenario: Scenario,
    trades: Sequence[Path],
    klines: Sequence[Path],
    out: Path | RunPlace,
    *,
    command: str,
    progress: Callable[[Fed], None] | None = None,
    notice: Callable[[str], None] | None = None,
    report: bool = True,
    expectations: MakeExpectations = ExpectationsWorker,
    substitutions: Substitutions = NONE,
    open_sources: OpenSources = Sources.open,
    watch: Callable[[Run, Sources], Observer] | None = None,
) -> Outcome:
    """Replay files of trades and write the run folder `out`.

    `progress` is told what was fed so far, `notice` what is known before any is.
    Without `report` the page is left out. `expectations` makes who holds the stored klines to the
    suite. `substitutions` are a caller's own aggregator and consumers, or broken parts.
    `open_sources` opens the files; `watch` makes an observer of the run, again where the files
    are in disorder. Raises UserError for what the user can mend; nothing is left half-written.
    """
    timings = Timings()
    scenario.check()
    with ExitStack() as stack:
        sources = open_sources(trades, klines, scenario)
        # Klines to compare with ask for their interval, or they would all seem to be missing.
        scenario = scenario.with_intervals(one.interval for one in sources.klines)
        out = out if isinstance(out, Path) else out.folder(sources, scenario)
        folder = stack.enter_context(run_folder(out))
        expects = scenario.audit is Audit.FULL and scenario.expectations
        lacking = expects and not installed()
        if lacking:
            expects, scenario = False, replace(scenario, expectations=False)
        asked = stack.enter_context(expectations()) if expects else None
        with timings.stage("simulate"):
            of_caller = (substitutions, progress, notice, watch)
            observed, whole = _simulate(scenario, sources, folder, *of_caller)
        run, effects = _finished(observed, sources, timings, whole=whole)
        last = _Last(run, effects, folder, timings, report=report)
        outcome = _outcome(run, last.verdicts(asked), out, timings, lacking=lacking)
        with timings.stage("write"):
            _write(folder, sources, run, outcome, command, last.faults)
        if report:
            with timings.stage("report"):
                build_report(folder)
        write_json(folder / "timings.json", timings.to_dict())
        return replace(outcome, seconds=timings.total())


class _Last:
    """Every check of a run, with those that come last: they look at the others, or take long."""

    def __init__(
        self,
        run: FinishedRun,
        effects: Sequence[Effect],
        folder: Path,
        timings: Timings,
        *,
        report: bool,
    ) -> None:
        self.faults: list[FaultOutcome] = []
        self._run, self._effects = run, effects
        self._folder, self._timings, self._report = folder, timings, report
        self._found: list[Verdict] = []

    def verdicts(self, asked: Expectations | None) -> tuple[Verdict, ...]:
        """Ask every check; `asked` holds the stored klines to the suite of expectations."""
        checks = self._run.checks()
        if self._run.scenario.faults:
            checks.append(question("faults", self._struck))
        if asked is not None:
            checks.append(question("expectations", lambda: self._expected(asked)))
        for verdict in CheckList(checks).verdicts():
            self._found.append(verdict)
        trim()
        return tuple(map(self._told, self._found))

    def _told(self, verdict: Verdict) -> Verdict:
        """Return a verdict in which no number that a reader gave to a trade passes for an id."""
        unnumbered = self._run.inputs.unnumbered
        findings = [of_rows(f) if f.symbol in unnumbered else f for f in verdict.findings]
        return replace(verdict, findings=tuple(findings))

    def _struck(self) -> Verdict:
        """Say what each fault did, and which findings of the other checks name it."""
        run, findings = self._run, [one for check in self._found for one in check.findings]
        of_run = (run.observed.run, self._effects)
        self.faults = fault_outcomes(*of_run, findings, run.accounts)
        return faults_verdict(self.faults, run.uncompared())

    def _expected(self, asked: Expectations) -> Verdict:
        """Ask who holds the stored klines to the suite."""
        if self._report:
            # Who was asked is still importing.
            with self._timings.stage("prepare report"):
                prepare()
        with self._timings.stage("expectations"):
            expected = asked.result(self._folder / "klines", self._run.scenario.contract_size)
        write_json(self._folder / "expectations.json", expected)
        return self._run.after.reconciled_expectations(verdict_of(expected))


def _simulate(
    scenario: Scenario,
    sources: Sources,
    folder: Path,
    substitutions: Substitutions,
    progress: Callable[[Fed], None] | None,
    notice: Callable[[str], None] | None,
    watch: Callable[[Run, Sources], Observer] | None,
) -> tuple[ObservedRun, bool]:
    """Run the scenario over the files; tell whether they had to be read whole and sorted.

    `progress`, `notice` and `watch` are those of `replay`.
    """
    storage = Storage.on_disk(folder / "klines")
    if notice:
        for text in channel_notices(scenario, len(sources.symbols())):
            notice(text)

    def simulated(*, whole: bool) -> ObservedRun:
        source = sources.source(whole=whole)
        compares = bool(sources.klines)
        observed = ObservedRun(
            scenario, source, storage, substitutions, progress, compares=compares
        )
        if watch is not None:
            observed.run.observers.append(watch(observed.run, sources))
        observed.run.simulate()
        # What the writer encoded with is not needed again.
        pa.default_memory_pool().release_unused()
        if observed.run.feed.trades == 0:
            raise UsageError("the files given hold no trades")
        return observed

    try:
        return simulated(whole=False), False
    except Disorder:
        # Nothing was committed that a second pass would not replace: start over, sorted.
        for part in storage.directory.iterdir():
            part.unlink()
        return simulated(whole=True), True


def _finished(
    observed: ObservedRun, sources: Sources, timings: Timings, *, whole: bool
) -> tuple[FinishedRun, list[Effect]]:
    """Return the finished run, and what each fault changed.

    That is measured before anything is explained: both take much memory.
    """
    inputs, effects = _inputs(sources, observed.shadow), list[Effect]()
    if observed.run.scenario.faults:
        with timings.stage("faults"):
            source = sources.trade_set(whole=whole).source()
            effects = fault_effects(observed.run, observed.results(), source)
    with timings.stage("compare"):
        return FinishedRun(observed, inputs), effects


def _inputs(sources: Sources, shadow: ExactShadow | None) -> Inputs:
    """Return what the files say of themselves, once all of them were read.

    Where an aggregator failed, `shadow` knows up to when its klines were due.
    """
    rows = sum(file.info.rows for file in sources.trades)
    references, coverage = sources.references(), sources.coverage()
    if shadow is not None:
        coverage = {name: one.until(shadow.due_ns(name)) for name, one in coverage.items()}
    return Inputs(
        rows,
        references,
        coverage,
        sources.receptions,
        sources.unnumbered(),
        tuple(sources.numbering.touching),
        sources.id_rules(),
        sources.watches(),
        sources.claimed(),
        sources.equations(),
        sources.left_out,
        sources.closed_klines(),
        sources.misnamed(),
        sources.unsided(),
    )


def _outcome(
    run: FinishedRun, checks: tuple[Verdict, ...], out: Path, timings: Timings, *, lacking: bool
) -> Outcome:
    validity = worst(check.validity for check in checks)
    symbols = len(run.accounts) or len(run.observed.given.symbols())
    comparison = run.after.comparison
    text = sentence(validity, run.trades, symbols, run.published, checks, comparison)
    if lacking:
        text = f"{text.removesuffix('.')}; {_LACKING}"
    return Outcome(
        validity,
        text,
        checks,
        comparison=comparison,
        klines=run.published,
        trades=run.trades,
        directory=out,
        seconds=timings.total(),
        work=run.observed.run.work,
        consumers=tuple(own.consumer for own in run.observed.run.own_consumers),
    )


def _write(
    folder: Path,
    sources: Sources,
    run: FinishedRun,
    outcome: Outcome,
    command: str,
    faults: Sequence[FaultOutcome],
) -> None:
    scenario, channels = run.scenario, run.observed.run.channels
    writer = run.observed.run.writer
    write_lines(
        folder / "findings.ndjson",
        (finding.to_dict() for check in outcome.checks for finding in check.findings),
    )
    differences = outcome.comparison.differences if outcome.comparison else []
    write_differences(folder / "differences.parquet", differences)
    flushes = {writer.name: writer.flush_log}
    # The second core has nothing else to do.
    writing = InBackground()
    writing.run(partial(write_timeline, folder / "timeline.parquet", channels, flushes))
    write_ledger(folder / LEDGER_FILE, run.equations)
    completeness, lifecycle = run.observed.run.completeness, run.observed.run.lifecycle
    series = None if completeness is None else completeness.series()
    write_series(folder / SERIES_FILE, series)
    record = RunRecord(
        verdict=outcome.validity.value,
        exit_code=outcome.validity.exit_code,
        sentence=outcome.sentence,
        command=command,
        scenario=scenario.to_dict(),
        changed_options=scenario.changed(),
        seed=scenario.seed,
        versions=versions_of(*_PACKAGES),
        inputs=sources.rows(),
        receptions=[reception.to_dict() for reception in sources.receptions],
        checks=[check.to_dict() for check in outcome.checks],
        ledger=ledger_sums(run.equations),
        comparison=None if outcome.comparison is None else outcome.comparison.to_dict(),
        channels=[channel_row(channel) for channel in channels],
        series=series_sums(series),
        lateness=[] if lifecycle is None else [one.to_dict() for one in lifecycle.lateness()],
        transitions=[] if lifecycle is None else transition_rows(lifecycle),
        stretches=[one.to_dict() for one in run.stretches],
        faults=[fault.to_dict() for fault in faults],
    )
    # The folder takes its place when this returns: what is not in it by then is nowhere.
    writing.wait()
    write_record(folder, record)


def transition_rows(lifecycle: LifecycleChecker) -> list[TransitionRow]:
    """Return every legal transition and how often it happened."""
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
