"""How long tasks take on some workers, each begun when one is free and what it needs is done."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task of so many seconds; `needs` are the places of tasks that have to be done before."""

    seconds: float
    needs: tuple[int, ...] = ()


def makespan(tasks: Sequence[PlannedTask], workers: int, start_seconds: float = 0.0) -> float:
    """Return after how many seconds the last task is done.

    Of tasks that wait for a worker the first in the list goes first, as a scheduler with
    priorities has it; each worker is ready after `start_seconds`.
    """
    env = simpy.Environment(start_seconds)
    free = simpy.PriorityResource(env, capacity=workers)
    done: list[simpy.Process] = []

    def run(place: int, task: PlannedTask) -> Generator[simpy.Event, Any, None]:
        yield env.all_of([done[need] for need in task.needs])
        with free.request(priority=place) as worker:
            yield worker
            yield env.timeout(task.seconds)

    for place, task in enumerate(tasks):
        done.append(env.process(run(place, task)))
    env.run()
    return float(env.now)
