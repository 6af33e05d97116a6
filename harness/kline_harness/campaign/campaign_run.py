"""A campaign under way: its tasks are submitted, their answers folded, symbol after symbol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Any

from kline_harness.campaign.campaign_file import Campaign
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.rates import Sample
from kline_harness.campaign.shards import Plan, PlannedRun, Shard, SymbolPlan
from kline_harness.campaign.summary import TradeSummary
from kline_harness.campaign.symbol_run import takes_digests
from kline_harness.campaign.tasks import (
    Failure,
    RunAnswer,
    ShardAnswer,
    digest_shard,
    run_symbol,
)
from kline_harness.errors import UserError
from kline_harness.nouns import counted
from kline_harness.verdict import Validity

# So much of the work is done before what it took counts as much as the plan.
_TRUSTED_SECONDS = 5.0
# How often a task is submitted again of which no worker died that ran it.
_SUBMITTED_MAX = 20


class Lost(UserError):
    """The scheduler went away: what is done stands in files."""


@dataclass(slots=True)
class CampaignProgress:
    """What is done: work in seconds as planned, tasks and trades; what each new task took."""

    work_seconds: float
    tasks: int
    done_seconds: float = 0.0
    done_tasks: int = 0
    trades: int = 0
    busy_seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list)

    def line(self, seconds: float, workers: int) -> str:
        """Say how far it is after so many seconds: tasks, trades a second, time to go."""
        left = max(0.0, self.work_seconds - self.done_seconds)
        # What tasks took corrects what was planned, the more of them are done.
        slower = (self.busy_seconds + _TRUSTED_SECONDS) / (self.done_seconds + _TRUSTED_SECONDS)
        ahead = slower * left / workers
        return (
            f"{self.done_tasks:,} of {counted(self.tasks, 'task')}, "
            f"{counted(self.trades, 'trade')}, "
            f"{self.trades / seconds if seconds else 0:,.0f} a second, about {ahead:,.0f} s to go"
        )


@dataclass(slots=True)
class _Symbol:
    """A symbol under way: how many of its shards are done, and whether one failed."""

    plan: SymbolPlan
    done: int = 0
    has_failed: bool = False

    def is_digested(self) -> bool:
        """Tell whether every shard is done, and well."""
        return not self.has_failed and self.done == len(self.plan.shards)


@dataclass(frozen=True, slots=True, order=True)
class _Task:
    """One of a symbol's shards or runs; the symbol by its place in the plan.

    Tasks start in this order, which is the plan's: of a symbol the shards, then the runs.
    """

    symbol: int
    place: int
    work: Shard | PlannedRun = field(compare=False)


class CampaignRun:
    """Submits a plan's tasks, folds the summaries as they arrive, and collects what the runs say.

    A task of which a worker died is submitted again, up to the campaign's `retries`: a scheduler
    blames every task that a lost worker was to do, so that what counts is which one it had begun.
    A symbol whose shard failed is not run.
    """

    def __init__(self, client: Any, campaign: Campaign, plan: Plan, places: CampaignFolder) -> None:
        self._client, self._campaign, self._places = client, campaign, places
        self._tasks: dict[Any, _Task] = {}
        self._submitted: Counter[str] = Counter()
        self._symbols = [_Symbol(one) for one in plan.symbols]
        self.answers: list[RunAnswer] = []
        tasks = sum(len(one.shards) + len(one.runs) for one in plan.symbols)
        self.progress = CampaignProgress(plan.work_seconds, tasks)

    def run(self, show: Callable[[CampaignProgress], None]) -> list[RunAnswer]:
        """Run to the end; `show` is called after each task.

        Raises Lost where the scheduler goes away.
        """
        from distributed import as_completed

        waiting = as_completed(loop=self._client.loop)
        ready = list(self._first())
        heapify(ready)
        self._start(ready, waiting)
        for future in waiting:
            task = self._tasks.pop(future)
            for following in self._after(task, _answer_of(future)):
                heappush(ready, following)
            self._start(ready, waiting)
            show(self.progress)
        return self.answers

    def _start(self, ready: list[_Task], waiting: Any) -> None:
        """Submit what is first of what may start, as much as there are workers.

        A task that a busy worker was to do next would be in the wrong place when another one is
        free, and would go down with it.
        """
        slots = max(1, sum(self._client.nthreads().values())) if ready else 0
        while ready and len(self._tasks) < slots:
            waiting.add(self._submit(heappop(ready)))

    def _first(self) -> Iterator[_Task]:
        for number, symbol in enumerate(self._symbols):
            every = _tasks(number, symbol.plan)
            is_waiting = bool(symbol.plan.shards)
            yield from (one for one in every if not (is_waiting and _takes_digests(one.work)))

    def _submit(self, task: _Task) -> Any:
        work, reading = task.work, self._symbols[task.symbol].plan.reading
        call: tuple[Any, ...] = (run_symbol, self._places)
        more = {"report": self._campaign.options.report}
        if isinstance(work, Shard):
            call, more = (digest_shard, self._places, work.name, work.paths, reading), {}
        else:
            call = (*call, work.symbol, work.variant, reading)
        future = self._client.submit(*call, **more, pure=False)
        self._tasks[future] = task
        self._submitted[work.name] += 1
        return future

    def _after(self, task: _Task, answer: ShardAnswer | RunAnswer | None) -> Iterator[_Task]:
        """Take a task's answer, None of one that workers died of; yield what may start now."""
        if answer is None:
            name = task.work.name
            deaths, submitted = self._places.deaths(name), self._submitted[name]
            if deaths <= self._campaign.options.retries and submitted < _SUBMITTED_MAX:
                yield task
                return
            answer = _failed(task.work, _death(name, deaths))
        progress, symbol = self.progress, self._symbols[task.symbol]
        progress.done_tasks += 1
        progress.done_seconds += task.work.seconds
        progress.busy_seconds += answer.seconds
        if isinstance(answer, RunAnswer):
            self.answers.append(answer)
            if not _takes_digests(task.work):
                progress.trades += answer.plain.get("trades", 0)
            if answer.failure is None and answer.is_new:
                progress.samples.append(task.work.sample(answer.seconds))
            return
        progress.trades += answer.summary.trades
        symbol.done += 1
        if answer.failure is None:
            progress.samples.append(task.work.sample(answer.seconds))
        elif not symbol.has_failed:
            symbol.has_failed = True
            digested = _of_digests(task.symbol, symbol.plan)
            progress.done_tasks += len(digested)
            progress.done_seconds += sum(one.work.seconds for one in digested)
            failed = answer.failure
            self.answers += [RunAnswer(one.work.name, {}, 0.0, True, failed) for one in digested]
        if symbol.is_digested():
            yield from _of_digests(task.symbol, symbol.plan)


def _tasks(symbol: int, plan: SymbolPlan) -> list[_Task]:
    works: tuple[Shard | PlannedRun, ...] = (*plan.shards, *plan.runs)
    return [_Task(symbol, place, one) for place, one in enumerate(works)]


def _of_digests(symbol: int, plan: SymbolPlan) -> list[_Task]:
    return [one for one in _tasks(symbol, plan) if _takes_digests(one.work)]


def _takes_digests(work: Shard | PlannedRun) -> bool:
    return isinstance(work, PlannedRun) and takes_digests(work.variant.scenario)


def _failed(work: Shard | PlannedRun, failure: Failure) -> ShardAnswer | RunAnswer:
    if isinstance(work, Shard):
        return ShardAnswer(TradeSummary(), 0.0, failure)
    return RunAnswer(work.name, {}, 0.0, True, failure)


def _death(name: str, deaths: int) -> Failure:
    """Say of what a task failed: nothing is known of its trades, right or wrong."""
    died = f"each of {deaths} workers that ran it" if deaths else "every worker that was to run it"
    sentence = f"{name}: {died} died: of memory, most often (docs/scale.md)"
    return Failure(sentence, Validity.UNKNOWN.exit_code)


def _answer_of(future: Any) -> Any:
    """Return a task's answer, None where the workers that were to do it died.

    Raises Lost where the scheduler went away, and what the task raised.
    """
    from distributed import CancelledError, KilledWorker

    try:
        # An answer that its worker took with it is made again, and waited for.
        return future.result()
    except CancelledError:
        lost = "the scheduler went away: the same command goes on from what is done"
        raise Lost(lost) from None
    except KilledWorker:
        return None
