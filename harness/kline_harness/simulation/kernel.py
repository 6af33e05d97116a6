"""What the harness adds to SimPy: events at an instant, in a fixed order within it.

SimPy orders events by (time, priority, creation). Creation order would differ between running
trade by trade and in batches, so everything here has a priority of its own: within an instant
the producer runs first, then the consumers, then timers.
"""

from __future__ import annotations

import simpy
from simpy.events import EventPriority

# Who goes first within an instant.
PRODUCER = EventPriority(1)
CONSUMER = EventPriority(2)
TIMER = EventPriority(3)


class Kernel(simpy.Environment):
    """An environment that counts the events it has processed."""

    def __init__(self, initial_time: int = 0) -> None:
        super().__init__(initial_time)
        self.events = 0

    def step(self) -> None:
        """Process the next event."""
        super().step()
        self.events += 1


class Due(simpy.Event):
    """An event that happens `delay_ns` from now (an int: SimPy turns numpy integers to floats)."""

    def __init__(self, env: simpy.Environment, delay_ns: int, order: EventPriority) -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        env.schedule(self, priority=order, delay=delay_ns)


class Wake(simpy.Event):
    """An event that happens within the instant in which it is fired."""

    def fire(self) -> None:
        """Let it happen now, in the consumers' turn."""
        self._ok = True
        self._value = None
        self.env.schedule(self, priority=CONSUMER)
