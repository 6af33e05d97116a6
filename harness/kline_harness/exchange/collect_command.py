"""The verb `collect` of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kline_harness.arguments import Parser
from kline_harness.errors import UsageError, UserError


def collect_arguments(parser: Parser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "store",
        help="An SQLite database, postgresql://..., a Parquet, Arrow or CSV table, or a capture.",
        metavar="STORE",
    )
    parser.option("--run", "What `serve --out` left: the folder, or its served.json.", Path)
    parser.option("--table", "The table of a database.")
    parser.option("--query", "A query of a PostgreSQL database, in place of a table.")
    parser.option("--map", "A TOML map of the store's columns, such as open_time = 'ts'.", Path)
    parser.symbol()
    parser.option("--interval", "The interval of rows that do not say it.")
    parser.option(
        "--intervals", "Intervals that are due beside those of the store, comma-separated."
    )
    parser.files("--snapshot", "Copies of the store made earlier, in order of time.")
    parser.option("--settle", "What storing a kline may take after its close. [default: 10s]")
    parser.option("--as-of", "Judge as of this instant, such as 2024-05-15T00:10:00Z.")
    parser.option("--out", "The run folder. [default: reports/NAME OF STORE]", Path)
    parser.flag("--no-report", "Leave the page out.")


def collect(given: argparse.Namespace, command: str, show: Callable[[Any], None]) -> int:
    """Judge a store, show what it comes to, and return the exit code."""
    from kline_harness.exchange.collect import collect as judge

    if given.run is None:
        raise UserError("collect: expected what the server left after --run, found none")
    out = given.out or Path("reports") / (Path(given.store).stem or "collect")
    outcome = judge(
        given.store, given.run, out, _options(given), command=command, report=not given.no_report
    )
    show(outcome)
    return outcome.validity.exit_code


def _options(given: argparse.Namespace) -> Any:
    """Return the options of a command line.

    Raises UsageError for an interval, a duration or an instant that is none.
    """
    from kline_harness.archives.iso_times import instant_ns
    from kline_harness.exchange.judged import CollectOptions
    from kline_harness.exchange.stores import StoreOptions
    from kline_harness.interval import parse_interval, parse_intervals
    from kline_harness.replay.decode import decode

    store = StoreOptions(
        table=given.table,
        query=given.query,
        symbol=given.symbol,
        interval=parse_interval(given.interval) if given.interval else None,
        columns=given.map,
    )
    settle_ns, as_of_ns = CollectOptions().settle_ns, None
    if given.settle is not None:
        settle_ns = decode(int, given.settle, "--settle", unit_ns=True)
    if given.as_of is not None:
        as_of_ns = instant_ns(given.as_of)
        if as_of_ns is None:
            raise UsageError(f"--as-of: expected 2024-05-15T00:10:00Z, found {given.as_of!r}")
    return CollectOptions(
        store=store,
        snapshots=tuple(map(str, given.snapshot)),
        intervals=parse_intervals(given.intervals) if given.intervals else (),
        settle_ns=settle_ns,
        as_of_ns=as_of_ns,
    )
