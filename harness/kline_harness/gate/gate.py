"""The one place that runs a suite: every case replayed, judged, and its baseline kept."""

from __future__ import annotations

import json
import multiprocessing
import shlex
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from kline_harness.comparison.summary import summary
from kline_harness.errors import ContractError, UserError
from kline_harness.expectations import InProcessExpectations
from kline_harness.gate import baseline
from kline_harness.gate.canonical import escape
from kline_harness.gate.judge import (
    Earlier,
    changed_inputs,
    judge_baseline,
    judge_expectations,
)
from kline_harness.gate.machine_speed import timed, yardstick_s
from kline_harness.gate.results import (
    CaseResult,
    GateResult,
    GateStatus,
    Problem,
    ProblemKind,
    Problems,
)
from kline_harness.gate.snapshot import COUNTERS, DIGEST, INPUT, Snapshot, take
from kline_harness.gate.suite import Suite, SuiteCase
from kline_harness.history.held_files import is_catalogued, version
from kline_harness.nouns import counted
from kline_harness.replay import Outcome, replay
from kline_harness.replay.file_comparison import compare_files
from kline_harness.report import build_report

# Where a problem is: whether it is the verdict, symbol, interval, open time.
_Place: TypeAlias = tuple[bool, str | None, str | None, str | None]


class Gate:
    """Runs cases of one suite in this process, one after the other.

    `work` holds the run folders, one a case, replaced by the next run.
    """

    def __init__(self, suite: Suite, work: Path, *, update: bool = False) -> None:
        self.suite = suite
        self._work = work
        self._update = update
        self._yardstick_s = 0.0

    def run(self, case: SuiteCase) -> CaseResult:
        """Replay a case and hold it to its expectations and its baseline.

        With `update` the baseline is written, unless the case does not meet its expectations.
        What goes wrong is part of the result, so that the other cases run.
        """
        judge = self._compared if case.ours else self._replayed
        result, seconds = timed(partial(judge, case))
        return replace(result, seconds=seconds)

    def _compared(self, case: SuiteCase) -> CaseResult:
        """Hold klines that a service made against the exchange's; there is no baseline to keep."""
        try:
            comparison = compare_files(case.ours, case.klines, case.scenario.symbol)
        except UserError as error:
            return _failed(case, ProblemKind.BROKEN, str(error))
        validity, found = comparison.verdict().validity, summary(comparison)
        problems = Problems(judge_expectations(case, validity, found, comparison))
        said = problems.sentence or f"{validity.value}, {found}"
        listed = tuple(problems.listed)
        return CaseResult(case, problems.status, said, validity, listed, problems.more)

    def _replayed(self, case: SuiteCase) -> CaseResult:
        try:
            outcome = self._replay(case)
            stored = baseline.read(self.suite.baseline, case.name)
            now = take(outcome)
            earlier = self._earlier(case, stored, now)
        except UserError as error:
            return _failed(case, ProblemKind.BROKEN, str(error))
        except ContractError as error:
            return _failed(case, ProblemKind.VERDICT, f"the contract is broken: {error}")
        except Exception as error:  # an aggregator under test may raise anything
            return _failed(case, ProblemKind.CRASH, self._crash(case, error))
        ratio = self._in_yardsticks(_work_s(outcome))
        known: set[_Place] = set()
        expectations = Problems(
            _noted(
                judge_expectations(case, outcome.validity, outcome.sentence, outcome.comparison),
                known,
            ),
            _too_slow(ratio, self.suite.max_ratio),
        )
        changes = Problems(_changes(stored, now, outcome, known, earlier))
        try:
            result = self._result(case, outcome, stored, now, expectations, changes, ratio)
            if result.status is not GateStatus.GREEN:
                build_report(outcome.directory)
        except UserError as error:
            return _failed(case, ProblemKind.BROKEN, str(error))
        return result

    def _earlier(self, case: SuiteCase, stored: Snapshot | None, now: Snapshot) -> Earlier:
        """Replay the versions of the baseline, where only other ones may be why klines changed.

        The catalogue keeps them; a file that it does not know cannot be had again.
        """
        names = changed_inputs(stored, now) if stored is not None else ()
        files = {escape(path.name): path for path in case.trades}
        if stored is None or not all(is_catalogued(p) for p in files.values()):
            return Earlier()
        if not names:
            return Earlier(catalogued=all(is_catalogued(path) for path in case.klines))
        digests = {" ".join(key): pairs[DIGEST] for key, pairs in stored.words(INPUT).items()}
        if stored.klines == now.klines or not set(files) <= set(digests):
            return Earlier(catalogued=True)
        found = [version(path, digests[name]) for name, path in files.items()]
        trades = [path for path in found if path is not None]
        if len(trades) < len(found):
            return Earlier(catalogued=True)
        folder = self._work / f"{case.name}.earlier"
        again = replay(
            case.scenario,
            trades,
            [],
            folder,
            command=_command(case),
            report=False,
            expectations=InProcessExpectations,
        )
        return Earlier(catalogued=True, klines=take(again).klines)

    def _crash(self, case: SuiteCase, error: Exception) -> str:
        """Say what was raised; the traceback goes to a file of the case's name."""
        details = self._work / f"{case.name}.crash.txt"
        self._work.mkdir(parents=True, exist_ok=True)
        text = "".join(traceback.format_exception(error))
        details.write_text(text, encoding="utf-8", errors="replace")
        return f"the run crashed: {_where(error)}; details are in {details}"

    def _in_yardsticks(self, seconds: float) -> float:
        # Measured when first asked for: collecting tests is not running them.
        self._yardstick_s = self._yardstick_s or yardstick_s()
        return seconds / self._yardstick_s

    def _replay(self, case: SuiteCase) -> Outcome:
        return replay(
            case.scenario,
            case.trades,
            case.klines,
            self._work / case.name,
            command=_command(case),
            report=False,
            # Great Expectations is imported once for all cases.
            expectations=InProcessExpectations,
        )

    def _result(
        self,
        case: SuiteCase,
        outcome: Outcome,
        stored: Snapshot | None,
        now: Snapshot,
        expectations: Problems,
        changes: Problems,
        ratio: float,
    ) -> CaseResult:
        updated = self._update and not expectations.total and changes.total > 0
        if updated:
            baseline.write(self.suite.baseline, case.name, now, stored)
        problems = expectations if updated else expectations + changes
        written = changes if updated else Problems()
        return CaseResult(
            case,
            problems.status,
            problems.sentence or _sentence(outcome, written.total),
            outcome.validity,
            tuple(problems.listed),
            problems.more,
            tuple(written.listed),
            written.more,
            updated,
            {name: int(count) for name, count in now.figures[COUNTERS].items()},
            ratio,
            folder=outcome.directory,
        )


def run_suite(
    suite: Suite,
    update: bool = False,
    *,
    work: Path | None = None,
    workers: int = 1,
    progress: Callable[[str], None] | None = None,
) -> GateResult:
    """Run every case of a suite; run folders go to `work` (default: reports/gate-SUITE).

    With `update` baselines are written where a case meets its expectations, and those of cases
    that the suite no longer has are deleted. `workers` processes share the cases; the result is
    the same. `progress` is told each case before it runs, or once it is done by several workers.
    """
    folder = Path("reports") / f"gate-{suite.path.stem}" if work is None else work
    results = list(_results(suite, folder, update, workers, progress))
    orphans = _orphans(suite) if suite.whole else ()
    removed: tuple[str, ...] = ()
    if update:
        for name in orphans:
            baseline.remove(suite.baseline, name)
        orphans, removed = (), orphans
    return GateResult(suite, tuple(results), orphans, removed)


def _results(
    suite: Suite,
    folder: Path,
    update: bool,
    workers: int,
    progress: Callable[[str], None] | None,
) -> Iterator[CaseResult]:
    """Yield the result of each case in the order of the suite."""
    say = progress or (lambda name: None)
    if workers == 1 or len(suite.cases) == 1:
        gate = Gate(suite, folder, update=update)
        for case in suite.cases:
            say(case.name)
            yield gate.run(case)
        return
    # A fresh process each, not a fork: Arrow's threads do not survive one.
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(suite.cases)), _begin, (suite, folder, update)) as pool:
        for result in pool.imap(_run, suite.cases):
            say(result.case.name)
            yield result
        # A worker that ends by itself gives back its semaphores; one that is stopped warns of them.
        pool.close()
        pool.join()


_gates: list[Gate] = []


def _begin(suite: Suite, folder: Path, update: bool) -> None:
    _gates[:] = [Gate(suite, folder, update=update)]


def _run(case: SuiteCase) -> CaseResult:
    return _gates[0].run(case)


def _orphans(suite: Suite) -> tuple[str, ...]:
    known = {case.name for case in suite.cases}
    return tuple(name for name in baseline.names(suite.baseline) if name not in known)


def _changes(
    stored: Snapshot | None,
    now: Snapshot,
    outcome: Outcome,
    known: Collection[_Place],
    earlier: Earlier,
) -> Iterator[Problem]:
    """Yield what is not as in the baseline, but for the verdict and differences known already."""
    if stored is None:
        what = f"{counted(now.klines.klines, 'kline')} of {len(now.klines)} series and days"
        yield Problem(ProblemKind.NO_BASELINE, f"no baseline; this run has {what}")
        return
    for problem in judge_baseline(stored, now, outcome, earlier):
        is_its = problem.kind in (ProblemKind.DIFFERENCE, ProblemKind.VERDICT)
        if not is_its or _place(problem) not in known:
            yield problem


def _noted(problems: Iterable[Problem], places: set[_Place]) -> Iterator[Problem]:
    """Yield problems, and note where they are."""
    for problem in problems:
        places.add(_place(problem))
        yield problem


def _place(problem: Problem) -> _Place:
    is_verdict = problem.kind is ProblemKind.VERDICT
    return is_verdict, problem.symbol, problem.interval, problem.open_time


def _work_s(outcome: Outcome) -> float:
    """Return a run's seconds without Great Expectations, whose import only the first run pays."""
    timings = json.loads((outcome.directory / "timings.json").read_text(encoding="utf-8"))
    seconds: float = timings["total"] - timings.get("expectations", 0.0)
    return seconds


def _too_slow(ratio: float, max_ratio: float | None) -> list[Problem]:
    if max_ratio is None or ratio <= max_ratio:
        return []
    limit, found = f"{max_ratio:g}", f"{ratio:.1f}"
    message = f"took {found} times the yardstick, max_ratio is {limit}"
    return [Problem(ProblemKind.TIME, message, before=limit, now=found)]


def _failed(case: SuiteCase, kind: ProblemKind, message: str) -> CaseResult:
    problem = Problem(kind, message)
    return CaseResult(case, problem.status, message, problems=(problem,))


def _where(error: Exception) -> str:
    """Say what was raised, and where, without a page of frames."""
    first: BaseException = error
    while first.__cause__ is not None:  # the simulation raises anew what a process raised
        first = first.__cause__
    frame = traceback.extract_tb(first.__traceback__)[-1]
    place = f"{Path(frame.filename).name}, line {frame.lineno}"
    return f"{type(error).__name__}: {error} ({place})"


def _sentence(outcome: Outcome, written: int) -> str:
    shown = f"{outcome.validity.value}, {counted(outcome.klines, 'kline')}"
    if written:
        return f"{shown}; baseline written, {counted(written, 'change')}"
    return f"{shown}, as in the baseline"


def _command(case: SuiteCase) -> str:
    """Return the command that replays the case alone; files by name, as every run says them."""
    words = ["kline-harness", "replay", *(path.name for path in case.trades)]
    for path in case.klines:
        words += ["--klines", path.name]
    return shlex.join([*words, *case.options])
