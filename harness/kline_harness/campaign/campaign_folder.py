"""Where a campaign's files are, and who may write them."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kline_harness.campaign.day_cache import DayCache
from kline_harness.campaign.program import program_key
from kline_harness.errors import UsageError, writing


@dataclass(frozen=True, slots=True)
class CampaignFolder:
    """The folders of a campaign: digests, run folders, and what is known of finished runs.

    `program` is that of the client: another one's results are not of this campaign.
    """

    out: Path
    program: str = field(default_factory=program_key)

    @property
    def cache(self) -> DayCache:
        """The digests."""
        return DayCache(self.out / "cache")

    def run(self, name: str) -> Path:
        """Return the run folder of a symbol and variant: ``runs/SYMBOL-VARIANT``."""
        return self.out / "runs" / name

    def dataset(self, variant: str) -> Path:
        """Return the folder of a variant's klines as a table."""
        return self.out / "dataset" / variant

    def done(self, name: str) -> Path:
        """Return the file that says that a run is finished, and what it came to."""
        return self.out / "done" / f"{name}.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: two campaigns in one would remove each other's klines.

        Raises UsageError where another campaign is at work, OutputError where nothing can be
        written.
        """
        with writing(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
            lock = (self.out / ".lock").open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{self.out}: another campaign is at work there") from None
            # What an earlier campaign's workers died of is not counted against this one's.
            shutil.rmtree(self.out / "attempts", ignore_errors=True)
            yield

    @contextmanager
    def counted(self, task: str) -> Iterator[None]:
        """Count a task as begun until it has ended, well or not: only a death leaves it so."""
        place = self._attempts(task)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab") as file:
            file.write(b".")
        yield
        place.unlink(missing_ok=True)

    def deaths(self, task: str) -> int:
        """Return how many workers died while they ran a task, one that ran it to its end aside."""
        try:
            return self._attempts(task).stat().st_size
        except OSError:
            return 0

    def _attempts(self, task: str) -> Path:
        return self.out / "attempts" / hashlib.sha256(task.encode()).hexdigest()
