"""The tasks of a campaign on a Dask cluster: a local one, or any scheduler's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kline_harness.campaign.campaign_file import Campaign
from kline_harness.campaign.rates import Rates, is_ready, mean_of, measured
from kline_harness.campaign.shards import Plan, PlannedRun, Shard, SymbolPlan
from kline_harness.campaign.summary import TradeSummary, fold
from kline_harness.campaign.symbol_run import takes_digests
from kline_harness.campaign.tasks import (
    CampaignFolder,
    RunAnswer,
    ShardAnswer,
    digest_shard,
    run_symbol,
)
from kline_harness.errors import UsageError, UserError
from kline_harness.replay.timings import Timings

# Results are files and answers are small: nothing that a worker holds is worth spilling, and one
# that needs too much memory is ended by the operating system or its limit, and its task repeated.
_SETTINGS = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.admin.tick.limit": "30s",
    "distributed.comm.timeouts.connect": "30s",
}


class Lost(UserError):
    """The scheduler went away: what is done stands in files."""


@contextmanager
def connected(scheduler: str | None, workers: int, retries: int) -> Iterator[Any]:
    """Yield a client of a scheduler that runs, or of a local cluster of one-thread workers.

    Raises UsageError where Dask is not installed or the scheduler does not answer.
    """
    if find_spec("distributed") is None:
        raise UsageError("Dask is not installed: expected kline-harness[campaign]")
    import dask
    from distributed import Client, LocalCluster

    # What goes wrong is said in one sentence here.
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    settings = {**_SETTINGS, "distributed.scheduler.allowed-failures": retries}
    with dask.config.set(settings):
        if scheduler is not None:
            try:
                client = Client(scheduler, timeout="10s", set_as_default=False)
            except (OSError, ValueError) as error:
                raise UsageError(f"{scheduler}: expected a Dask scheduler: {error}") from error
            with client:
                yield client
            return
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )
        try:
            # The client goes first: else it complains that its scheduler is gone.
            with Client(cluster, set_as_default=False) as client:
                yield client
        finally:
            # A worker that is too slow to end in time ends with this process: results are files.
            with suppress(TimeoutError):
                cluster.close()


def worker_count(client: Any) -> int:
    """Return how many workers there are now.

    Raises UsageError where there are none.
    """
    client.wait_for_workers(1, timeout="60s")
    return len(client.scheduler_info(n_workers=-1)["workers"])


def rates_of(client: Any, campaign: Campaign, out: Path) -> Rates:
    """Measure on every worker at the same time, as the campaign will use them.

    A worker's first task waits for what it imports.
    """
    workers = list(client.scheduler_info(n_workers=-1)["workers"])
    timings = Timings()
    client.gather([client.submit(is_ready, workers=[one], pure=False) for one in workers])
    imports = timings.total()
    futures = [
        client.submit(
            measured, campaign, out / f"sample{n}", workers=[address], pure=False, key=f"rates-{n}"
        )
        for n, address in enumerate(workers)
    ]
    rates = mean_of(client.gather(futures))
    return replace(rates, start_seconds=rates.start_seconds + imports)


@dataclass(slots=True)
class CampaignProgress:
    """What is done: work in seconds as planned, tasks and trades."""

    work_seconds: float
    tasks: int
    done_seconds: float = 0.0
    done_tasks: int = 0
    trades: int = 0
    busy_seconds: float = 0.0

    def line(self, seconds: float, workers: int) -> str:
        """Say how far it is after so many seconds: tasks, trades a second, time to go."""
        left = self.work_seconds - self.done_seconds
        # The rate so far, once there is one, corrects what was planned.
        ahead = seconds / self.done_seconds * left if self.done_seconds else left / workers
        return (
            f"{self.done_tasks:,} of {self.tasks:,} tasks, {self.trades:,} trades, "
            f"{self.trades / seconds if seconds else 0:,.0f} a second, about {ahead:,.0f} s to go"
        )


@dataclass(slots=True)
class _Symbol:
    """A symbol under way: the summaries of its shards by their place, and what is to follow."""

    plan: SymbolPlan
    summaries: dict[int, TradeSummary] = field(default_factory=dict)

    def folded(self) -> TradeSummary | None:
        """Return the summary of all its days once every shard is done."""
        if len(self.summaries) < len(self.plan.shards):
            return None
        return fold(self.summaries[n] for n in range(len(self.plan.shards)))


class CampaignRun:
    """Submits a plan's tasks, folds the summaries as they arrive, and collects what the runs say.

    A symbol whose shard failed is not run.
    """

    def __init__(self, client: Any, campaign: Campaign, plan: Plan, places: CampaignFolder) -> None:
        self._client, self._campaign, self._places = client, campaign, places
        self._plan = plan
        self._futures: dict[Any, tuple[int, int, Shard | PlannedRun]] = {}
        self._symbols = [_Symbol(one) for one in plan.symbols]
        self.answers: list[RunAnswer] = []
        tasks = sum(len(one.shards) + len(one.runs) for one in plan.symbols)
        self.progress = CampaignProgress(plan.work_seconds, tasks)

    def run(self, tell: Callable[[CampaignProgress], None]) -> list[RunAnswer]:
        """Run to the end; `tell` is called after each task.

        Raises Lost where the scheduler goes away.
        """
        from distributed import as_completed

        waiting = as_completed(loop=self._client.loop)
        for number, symbol in enumerate(self._symbols):
            for place, shard in enumerate(symbol.plan.shards):
                args = (digest_shard, self._places, shard.paths, symbol.plan.reading)
                waiting.add(self._submit(number, place, shard, *args))
            for run in symbol.plan.runs:
                if not (symbol.plan.shards and takes_digests(run.variant.scenario)):
                    waiting.add(self._submit_run(number, run))
        for future in waiting:
            number, place, task = self._futures.pop(future)
            for run in self._answered(future, self._symbols[number], place, task):
                waiting.add(self._submit_run(number, run))
            tell(self.progress)
        return self.answers

    def _submit(
        self, number: int, place: int, task: Shard | PlannedRun, *call: Any, **more: Any
    ) -> Any:
        options = {"pure": False, "priority": -number, "retries": self._campaign.options.retries}
        future = self._client.submit(*call, **more, **options)
        self._futures[future] = (number, place, task)
        return future

    def _submit_run(self, number: int, run: PlannedRun) -> Any:
        reading, report = self._symbols[number].plan.reading, self._campaign.options.report
        call = (run_symbol, self._places, run.symbol, run.variant, reading)
        return self._submit(number, -1, run, *call, report=report)

    def _answered(
        self, future: Any, symbol: _Symbol, place: int, task: Shard | PlannedRun
    ) -> Sequence[PlannedRun]:
        """Take a task's answer; return the runs that may start now."""
        answer = _result_of(future)
        progress = self.progress
        progress.done_tasks += 1
        progress.done_seconds += task.seconds
        if isinstance(task, PlannedRun):
            name = f"{task.symbol.name}-{task.variant.name}"
            if isinstance(answer, str):
                answer = RunAnswer(name, {}, 0.0, True, answer)
            progress.busy_seconds += answer.seconds
            self.answers.append(answer)
            return ()
        if isinstance(answer, str):
            answer = ShardAnswer(TradeSummary(), 0.0, answer)
        progress.busy_seconds += answer.seconds
        progress.trades += answer.summary.trades
        symbol.summaries[place] = answer.summary
        digested = [one for one in symbol.plan.runs if takes_digests(one.variant.scenario)]
        if answer.error is not None:
            if not any(one.error == answer.error for one in self.answers):
                self.answers += [_failed(one, answer.error) for one in digested]
            symbol.summaries[place] = answer.summary.oddly("failed")
        folded = symbol.folded()
        if folded is None or "failed" in folded.odd:
            return ()
        return digested


def _failed(run: PlannedRun, error: str) -> RunAnswer:
    return RunAnswer(f"{run.symbol.name}-{run.variant.name}", {}, 0.0, True, error)


def _result_of(future: Any) -> Any:
    """Return a task's answer, or the sentence of a task that killed its workers.

    Raises Lost where the scheduler went away, and what the task raised.
    """
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise Lost("the scheduler went away: the same command goes on from what is done")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return "every worker that took the task died: of memory, most often (docs/scale.md)"
    if error is not None:
        raise error
    return future.result()
