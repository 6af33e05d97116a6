"""How much work a run was, counted: the same on every machine, so a gate can hold it exactly."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from kline_harness.arrow import texts_of
from kline_harness.replay import Outcome
from kline_harness.run_record import RunRecord


def counters_of(outcome: Outcome, run: RunRecord) -> dict[str, int]:
    """Return the counters of a run from its outcome and the content of its run.json.

    None of them depends on how files were cut into chunks, and so on who read them.

    * `bytes_read` of the files as they are on disk, `rows_read` of all of them
    * `rows_fed` trades given to the aggregator, `klines` and `events` it published
    * `batches` published to a channel at one instant, `simpy_events` that the kernel processed
    * `bytes_fed` to the aggregator and `bytes_emitted` by it: the columns of its trades, and of
      its klines and events
    * `deliveries` to consumers of both broadcasts, `wake_ups` instants at which the simulation
      woke one, `depth_peak` the most values that waited for one
    * `flushes`, `rows_written` and `parts` of the writer
    * `compared` klines that the audit held to the ones they are made of
    """
    channels = {channel["name"]: channel for channel in run.channels}
    consumers = [consumer for channel in run.channels for consumer in channel["consumers"]]
    checks = run.counts
    writer = checks.get("writer", {})
    return {
        "bytes_read": sum(file["bytes"] for file in run.inputs),
        "rows_read": sum(file["rows"] for file in run.inputs),
        "rows_fed": sum(file["rows"] for file in run.inputs if file["role"] == "trades"),
        "klines": channels["klines"]["published"],
        "events": channels["lifecycle"]["published"],
        **asdict(outcome.work),
        "deliveries": sum(consumer["delivered"] for consumer in consumers),
        "wake_ups": _wake_ups(outcome.directory / "timeline.parquet"),
        "depth_peak": max((consumer["depth_peak"] for consumer in consumers), default=0),
        "flushes": writer.get("flushes", 0),
        "rows_written": writer.get("committed", 0),
        "parts": writer.get("parts", 0),
        "compared": checks.get("completeness", {}).get("compared", 0),
    }


def _wake_ups(path: Path) -> int:
    """Count the rows of the timeline that are wake-ups."""
    events, codes = texts_of(pq.read_table(path, columns=["event"])["event"])
    return int(np.count_nonzero(codes == events.index("depth"))) if "depth" in events else 0
