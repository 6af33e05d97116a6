"""A comparison of files as a run folder with a page, as a replay has one."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from kline_harness.comparison.summary import sentence_of
from kline_harness.replay.file_comparison import FilesCompared
from kline_harness.replay.folder import run_folder, write_lines, write_record
from kline_harness.replay.tables import write_differences
from kline_harness.report import build_report
from kline_harness.run_record import RunRecord
from kline_harness.versions import versions_of


def write_comparison(target: Path, compared: FilesCompared, command: str) -> None:
    """Write the folder of a comparison, which takes the place of an earlier one.

    Raises OutputError when the place is taken by something else, or cannot be written.
    """
    verdict = compared.comparison.verdict()
    with run_folder(target) as folder:
        (folder / "klines").mkdir()
        if len(compared.ours):
            path = folder / "klines" / "part-00000.parquet"
            pq.write_table(compared.ours.table, path, compression="zstd")
        write_lines(folder / "findings.ndjson", (one.to_dict() for one in verdict.findings))
        write_differences(folder / "differences.parquet", compared.comparison.differences)
        record = RunRecord(
            verdict=verdict.validity.value,
            exit_code=verdict.validity.exit_code,
            sentence=sentence_of(compared.comparison),
            command=command,
            scenario={"aggregator": "klines of files, nothing was replayed"},
            versions=versions_of(),
            inputs=compared.inputs,
            checks=[verdict.to_dict()],
            comparison=compared.comparison.to_dict(),
        )
        write_record(folder, record)
        build_report(folder)
