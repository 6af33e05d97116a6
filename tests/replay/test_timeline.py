"""The timeline of a run: wake-ups, lags, refusals and flushes, each at its instant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kline_harness.columns import Rows
from kline_harness.storage.parquet_writer import ParquetWriter, WriterOptions
from kline_harness.storage.restarting_writer import RestartingWriter

from tests.checks.tables import opening, series, table
from tests.replays import UM_DAY, UM_STREAM, Ran, replay

DAY = sorted(UM_DAY.glob("*-aggTrades-*.zip"))
STREAM = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
NOW_NS = opening("1m", 0)
STALLED = """
expectations = false
[channels]
klines = 16
[[faults]]
kind = "consumer_stalled"
from = 2024-05-15T06:00:00Z
until = 2024-05-15T07:00:00Z
[[faults]]
kind = "consumer_crashed"
at = 2024-05-15T12:00:00Z
restart = 2024-05-15T12:30:00Z
"""
QUEUE = """
aggregator = "klagg"
expectations = false
[klagg]
quirks = "fixed"
[channels]
klines = 2
design = "mpsc"
[listeners.writer]
stalls = [{ from = 2024-05-15T11:57:00Z, until = 2024-05-15T12:01:30Z }]
"""


def ran(folder: Path, scenario: str, *words: str | Path) -> Ran:
    file = folder / "scenario.toml"
    file.write_text(scenario)
    return replay(folder / "run", *words, "--scenario", file)


def events(run: Ran, event: str, consumer: str = "writer") -> list[dict[str, Any]]:
    rows = pq.read_table(run.folder / "timeline.parquet").to_pylist()
    return [row for row in rows if (row["event"], row["consumer"]) == (event, consumer)]


def channel(run: Ran, consumer: str = "writer") -> dict[str, Any]:
    (found,) = (c for c in run.run["channels"][0]["consumers"] if c["name"] == consumer)
    assert isinstance(found, dict)
    return found


def test_a_writer_logs_each_flush_with_its_instant(tmp_path: Path) -> None:
    batch = table(series(" ".join(map(str, range(9)))))
    writer = ParquetWriter(tmp_path, WriterOptions(buffer_rows=4))
    writer.on_rows(NOW_NS, Rows.all(batch))
    writer.on_timer(NOW_NS + 1)
    writer.on_timer(NOW_NS + 2)
    writer.on_close(NOW_NS + 3)
    assert writer.flush_log == [(NOW_NS, 4), (NOW_NS, 4), (NOW_NS + 1, 1)]
    assert sum(rows for _, rows in writer.flush_log) == writer.counters.flushed


def test_a_restarted_writer_keeps_the_flushes_of_its_lives(tmp_path: Path) -> None:
    batch = table(series(" ".join(map(str, range(9)))))
    writer = RestartingWriter(tmp_path, WriterOptions(buffer_rows=2))
    writer.on_rows(NOW_NS, Rows(batch, 0, 5))
    writer.restart(NOW_NS + 1)
    writer.on_rows(NOW_NS + 2, Rows(batch, 5, 9))
    writer.on_close(NOW_NS + 3)
    assert writer.flush_log == [(NOW_NS, 2), (NOW_NS, 2), (NOW_NS + 2, 2), (NOW_NS + 2, 2)]


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("stalled"), STALLED, *DAY, "--intervals", "1m,5m")


def test_lags_and_flushes_add_up_to_what_the_run_counts(stalled: Ran) -> None:
    run = stalled
    lags, flushes, told = events(run, "lag"), events(run, "flush"), channel(run)
    assert told["lag_events"] == len(lags) > 0
    assert told["lagged"] == sum(row["count"] for row in lags)
    hour_ns, seven_ns = 3_600 * 10**9, 1_715_756_400 * 10**9
    assert lags[0]["at_ns"] == seven_ns
    # While it was stalled, what waited rose beyond the capacity; that much was missed.
    stalls = events(run, "stalled")
    waited = [row["count"] for row in stalls]
    assert waited == sorted(waited)
    assert waited[-1] - 16 == lags[0]["count"]
    assert all(seven_ns - hour_ns <= row["at_ns"] <= seven_ns for row in stalls)
    flushed = sum(row["count"] for row in flushes)
    # What is flushed and not committed at the crash is lost; what was buffered is not flushed.
    assert run.check("writer")["counts"]["committed"] <= flushed <= told["delivered"]
    assert not events(run, "flush", "completeness")
    assert not events(run, "refused")


def test_a_queue_s_refusals_stand_at_the_instants_of_publication(tmp_path: Path) -> None:
    run = ran(tmp_path, QUEUE, STREAM, "--intervals", "1m,3m,5m")
    refused = events(run, "refused")
    assert sum(row["count"] for row in refused) == run.run["channels"][0]["refused"] > 0
    stall_ns, end_ns = ((1_715_774_220 + seconds) * 10**9 for seconds in (0, 270))
    assert [row["count"] for row in refused] == [1, 1, 3, 1, 1]
    # The last of them is a burst of three klines, more than ever fit.
    assert all(stall_ns < row["at_ns"] < end_ns for row in refused[:-1])
