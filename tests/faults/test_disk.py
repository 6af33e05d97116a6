"""The writer on a disk that fails: old or new, never torn, no row twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from kline_harness.columns import Rows
from kline_harness.kline import KlineBatch
from kline_harness.ledger import judge
from kline_harness.storage.dataset import KlineDataset
from kline_harness.storage.faulty_filesystem import FaultyFileSystem, Trouble
from kline_harness.storage.memory_filesystem import MemoryFileSystem
from kline_harness.storage.parquet_writer import WriterOptions
from kline_harness.storage.restarting_writer import RestartingWriter
from kline_harness.verdict import Validity

from tests.checks.tables import opening, series, table

NOW_NS = opening("1m", 0)
DIRECTORY = Path("klines")
STEPS = ("create", "write", "sync", "close", "rename", "sync_directory")
PARTS, ROWS = 5, 4


def opens(dataset: KlineDataset) -> list[int]:
    return [value.value for value in dataset.read()["open_time"]]


@pytest.mark.parametrize("power_cut", [False, True])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("commit", range(PARTS))
def test_after_any_death_the_dataset_is_whole(commit: int, step: str, power_cut: bool) -> None:
    """Every part is there as committed, or not at all; the writer admits what is missing."""
    batch = table(series(" ".join(map(str, range(PARTS * ROWS)))))
    for seed in range(8):

        def plan(number: int, at: str) -> Trouble | None:
            return Trouble(None, power_cut) if (number, at) == (commit, step) else None

        files = FaultyFileSystem(MemoryFileSystem(), plan, Random(seed))
        writer = RestartingWriter(DIRECTORY, WriterOptions(buffer_rows=1, part_rows=ROWS), files)
        for part in range(PARTS):
            writer.on_rows(NOW_NS, Rows(batch, part * ROWS, (part + 1) * ROWS))
        writer.on_close(NOW_NS)
        stored = opens(writer.dataset)
        assert len(set(stored)) == len(stored)
        given = opens_of(batch)
        missing = [one for one in given if one not in stored]
        assert stored == [one for one in given if one in stored]
        old = given[commit * ROWS : (commit + 1) * ROWS]
        assert missing in ([], old)
        assert writer.dropped == len(missing)
        assert judge(writer.equations()).validity is Validity.VALID
        # Before the rename nothing of the part can be seen; after its sync nothing can be lost.
        if step not in ("rename", "sync_directory"):
            assert missing == old
        if step == "sync_directory" and not power_cut:
            assert missing == []
        assert writer.dataset.clear_leftovers() == 0


def opens_of(batch: KlineBatch) -> list[int]:
    return [int(one) // 1_000 for one in batch.open_time_ns]


def test_the_disk_loses_what_was_not_synced() -> None:
    """The model itself: unsynced content is torn, an unsynced rename may be undone."""
    torn = undone = 0
    for seed in range(200):
        files = MemoryFileSystem()
        handle = files.create(DIRECTORY / "a")
        files.write(handle, memoryview(b"0123456789"))
        files.close(handle)
        files.rename(DIRECTORY / "a", DIRECTORY / "b")
        files.cut_power(Random(seed))
        seen = files.find(DIRECTORY, "*")
        assert len(seen) <= 1, "a rename is one act"
        undone += seen != [DIRECTORY / "b"]
        torn += seen == [DIRECTORY / "b"] and files.source(seen[0]).size() < 10
    assert torn > 10
    assert undone > 10


def test_the_disk_keeps_what_was_synced() -> None:
    for seed in range(50):
        files = MemoryFileSystem()
        handle = files.create(DIRECTORY / "a")
        files.write(handle, memoryview(b"0123456789"))
        files.sync(handle)
        files.close(handle)
        files.rename(DIRECTORY / "a", DIRECTORY / "b")
        files.sync_directory(DIRECTORY)
        files.cut_power(Random(seed))
        assert files.find(DIRECTORY, "*") == [DIRECTORY / "b"]
        assert files.source(DIRECTORY / "b").size() == 10


WRITING = """
import sys
from pathlib import Path
from kline_harness.storage.dataset import KlineDataset
from tests.checks.tables import series, table
import os
rows = table(series("0 1 2 3 4 5 6")).to_arrow()
dataset = KlineDataset(Path(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    # One child per kill: a fork is cheaper than a new interpreter.
    child = os.fork()
    if child == 0:
        dataset.clear_leftovers()
        while True:
            dataset.commit([rows])
    print(child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.mark.slow
def test_two_hundred_kills_leave_whole_datasets(tmp_path: Path) -> None:
    """A writing process dies by SIGKILL at random moments; what it leaves can always be read."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    moments = Random(20240515)
    dataset = KlineDataset(tmp_path)
    whole = committed = 0
    for _ in range(200):
        process.stdin.write("go\n")
        process.stdin.flush()
        child = int(process.stdout.readline())
        time.sleep(moments.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        assert process.stdout.readline() == "dead\n"
        parts = dataset.parts()
        assert [part.name for part in parts] == [f"part-{n:05d}.parquet" for n in range(len(parts))]
        assert dataset.rows() == 7 * len(parts) == dataset.read().num_rows
        whole += 1
        committed += len(parts)
        # Start over now and then, so that reading all of it stays cheap.
        if len(parts) > 20:
            for part in parts:
                part.unlink()
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()
    assert whole == 200
    assert committed > 0
