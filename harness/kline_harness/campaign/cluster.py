"""The workers of a campaign: a local Dask cluster of processes, or any scheduler's."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from multiprocessing import forkserver
from typing import Any

from kline_harness.errors import UsageError

# Results are files and answers are small: nothing that a worker holds is worth spilling, and one
# that needs too much memory is ended by the operating system or its limit, and its task repeated.
_SETTINGS = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.admin.tick.limit": "30s",
    "distributed.comm.timeouts.connect": "30s",
}
# Imported once, by the process of which every worker is a fork.
_PRELOADED = [
    *("distributed", "distributed.nanny", "distributed.worker", "numpy"),
    "kline_harness.campaign.rates",
]


def start_workers() -> None:
    """Begin to import what workers need, while this process reads what is to be done.

    Raises UsageError where Dask is not installed.
    """
    if find_spec("distributed") is None:
        raise UsageError("Dask is not installed: expected kline-harness[campaign]")
    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    forkserver.ensure_running()


@contextmanager
def connected(scheduler: str | None, workers: int, retries: int) -> Iterator[Any]:
    """Yield a client of a scheduler that runs, or of a local cluster of one-thread workers.

    Raises UsageError where the scheduler does not answer.
    """
    import dask
    from distributed import Client, LocalCluster, utils

    # What is forked from has been given its imports: else Dask imports pandas here, for nothing.
    utils._forkserver_preload_set = True
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


def workers_of(client: Any) -> list[str]:
    """Return the addresses of the workers that there are, once there is one.

    Raises UsageError where none comes.
    """
    try:
        client.wait_for_workers(1, timeout="60s")
    except TimeoutError:
        raise UsageError("expected a worker within a minute, found none") from None
    return list(client.scheduler_info(n_workers=-1)["workers"])


def on_each(
    client: Any, workers: Sequence[str], call: Any, *args: Any, each: Sequence[Any] = ()
) -> Any:
    """Return what a call gives on every worker at the same time, each with its own of `each`."""
    own: list[tuple[Any, ...]] = [(one,) for one in each] or [()] * len(workers)
    return client.gather(
        [
            client.submit(call, *args, *more, workers=[address], pure=False)
            for address, more in zip(workers, own, strict=True)
        ]
    )
