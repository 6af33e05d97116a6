"""The verb `collect`: from a store and what a server did to a run folder with its report."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from kline_harness.comparison.summary import summary
from kline_harness.exchange.judged import CollectOptions, JudgedStore
from kline_harness.exchange.served import Served
from kline_harness.nouns import counted
from kline_harness.replay import Outcome
from kline_harness.replay.folder import run_folder, write_lines, write_record
from kline_harness.replay.tables import write_differences
from kline_harness.replay.timings import Timings
from kline_harness.report import build_report
from kline_harness.run_record import LEDGER_FILE, RunRecord, ledger_sums, write_ledger
from kline_harness.simulation.work import Work
from kline_harness.units import utc_text
from kline_harness.verdict import Validity, Verdict, worst
from kline_harness.versions import versions_of
from kline_harness.whole_file import write_json

_PACKAGES = ("numpy", "pyarrow")


def collect(
    store: str,
    run: Path,
    out: Path,
    options: CollectOptions,
    *,
    command: str,
    report: bool = True,
) -> Outcome:
    """Judge what a service stored against the trades that it was served, and write a run folder.

    `store` is an SQLite database, ``postgresql://...``, a Parquet or Arrow table, a CSV file or
    a captured stream; `run` is what the server left, a folder or its served.json.

    Raises UserError for anything the user can mend; nothing is left half-written then.
    """
    timings = Timings()
    served = Served.read(run)
    with run_folder(out) as folder:
        with timings.stage("compare"):
            judged = JudgedStore(store, served, options)
            checks = judged.checks()
        outcome = _outcome(judged, checks, out, timings)
        with timings.stage("write"):
            _write(folder, judged, outcome, command)
        if report:
            with timings.stage("report"):
                build_report(folder)
        write_json(folder / "timings.json", timings.to_dict())
        return outcome


def _outcome(
    judged: JudgedStore, checks: tuple[Verdict, ...], out: Path, timings: Timings
) -> Outcome:
    validity = worst(check.validity for check in checks)
    trades = sum(judged.truth.trades.values())
    return Outcome(
        validity,
        _sentence(validity, judged, trades, checks),
        checks,
        comparison=judged.comparison,
        klines=judged.content.rows,
        trades=trades,
        directory=out,
        seconds=timings.total(),
        work=Work(0, 0, 0, 0),
    )


def _sentence(
    validity: Validity, judged: JudgedStore, trades: int, checks: tuple[Verdict, ...]
) -> str:
    symbols = len(judged.truth.trades)
    rows = f"{judged.content.name} holds {counted(judged.content.rows, 'row')}"
    as_of = f"as of {utc_text(judged.as_of_ns)}"
    served = f"{counted(trades, 'trade')} of {counted(symbols, 'symbol')} were served"
    failed = [check.check for check in checks if check.validity is not Validity.VALID]
    end = f"see {', '.join(failed)}" if failed else "every check is valid"
    text = summary(judged.comparison).replace("the exchange's", "the exact ones", 1)
    return f"{validity.value.capitalize()}: {served}; {rows}, {as_of}; {text}; {end}."


def _write(folder: Path, judged: JudgedStore, outcome: Outcome, command: str) -> None:
    (folder / "klines").mkdir()
    table = judged.table()
    if table.num_rows:
        pq.write_table(table, folder / "klines" / "part-00000.parquet", compression="zstd")
    write_lines(
        folder / "findings.ndjson",
        (finding.to_dict() for check in outcome.checks for finding in check.findings),
    )
    write_differences(folder / "differences.parquet", judged.comparison.differences)
    write_ledger(folder / LEDGER_FILE, judged.equations)
    write_record(folder, _record(judged, outcome, command))


def _record(judged: JudgedStore, outcome: Outcome, command: str) -> RunRecord:
    served = judged.served
    return RunRecord(
        verdict=outcome.validity.value,
        exit_code=outcome.validity.exit_code,
        sentence=outcome.sentence,
        command=command,
        scenario={
            "aggregator": f"a service; its store is {judged.content.name}",
            "market": served.market,
            "intervals": [interval.text for interval in judged.intervals],
            "as_of": utc_text(judged.as_of_ns),
            "settle_ns": judged.options.settle_ns,
            "rebase_days_undone": judged.rebase_days,
        },
        versions=versions_of(*_PACKAGES),
        inputs=judged.trades.sources.rows(),
        checks=[check.to_dict() for check in outcome.checks],
        ledger=ledger_sums(judged.equations),
        comparison=judged.comparison.to_dict(),
        served={k: v for k, v in served.to_dict().items() if k != "archives"},
    )
