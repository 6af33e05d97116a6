"""The verb ``replay``, and what every verb that replays files for a person does."""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from kline_harness.arguments import Parser, command_line, without
from kline_harness.errors import UsageError, with_extra
from kline_harness.history import command as history

SUBJECTS = (
    "exact, the name of a registered one (a wrong name lists them), module:Class, file.py:Class "
    "or process:COMMAND. [default: exact]"
)
# Options of `watch` that are none of `replay`'s: those that take a value, and flags.
_VALUED, _FLAGS = ("--speed", "--port", "--linger", "--follow", "--store"), ("--held", "--no-open")


def replay_arguments(parser: Parser) -> None:
    """Add the arguments of ``replay``."""
    parser.files("trades", "Trade archives or recordings, or days as um:BTCUSDT:2024-07-18.")
    parser.files("--klines", "The exchange's kline files to compare with.")
    parser.about_trades()
    parser.option("--intervals", "Comma-separated, such as 1m,5m,1h. [default: 1m to 1d]")
    parser.option("--aggregator", SUBJECTS)
    parser.option(
        "--scenario", "A TOML file of options; those given here come before its own.", Path
    )
    parser.option("--seed", "Everything random is drawn from it. [default: 0]", int)
    parser.choice("--audit", "off: the writer alone. [default: full]", "full", "off")
    parser.choice(
        "--fidelity", "trade: one event per trade, same bytes. [default: batch]", "batch", "trade"
    )
    parser.option(
        "--out", "The run folder. [default: reports/MARKET-SYMBOLS-DAYS-AGGREGATOR-SCENARIO]", Path
    )
    parser.flag("--force", "Take the place of another run's folder.")
    parser.flag("--no-report", "Leave the page out.")
    parser.flag("--open", "Open the page in a browser at the end.")
    parser.flag("--json", "Print a summary as JSON, and nothing else, on stdout.")
    parser.flag("--quiet", "Print the verdict's sentence alone.")


def replay(given: argparse.Namespace) -> int:
    """Replay trades, check and compare every kline, and write a run folder with a report.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from kline_harness.expectations import ExpectationsWorker, installed

    # Before anything else is imported, for it takes longest; where a scenario might do without,
    # the replay starts it.
    if given.audit == "off" or given.scenario or not installed():
        return _replay(given, ExpectationsWorker)
    with ExpectationsWorker() as worker:
        return _replay(given, lambda: worker)


def watch_arguments(parser: Parser) -> None:
    """Add the arguments of ``watch``: those of ``replay``, and how it is watched."""
    replay_arguments(parser)
    parser.option("--speed", "Virtual seconds a second, or max. [default: 60]", default="60")
    parser.option("--port", "[default: any that is free]", int, default=0)
    parser.option("--follow", "The address of a `serve` of the same files, whose pace is taken.")
    parser.option("--store", "What a service that is served there stores, as for collect.")
    parser.flag("--held", "Begin held: the page lets time pass.")
    parser.flag("--no-open", "Open no browser; the address is printed.")
    parser.option(
        "--linger", "Seconds that the page is served to nobody at the end. [default: 10]", int
    )


def watch(given: argparse.Namespace) -> int:
    """Replay as `replay` does, and show it in a browser while it happens.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown, 130 interrupted.
    """
    with with_extra("watch", "live", "aiohttp"):
        from kline_harness.live.watched import Watched
    from kline_harness.expectations import ExpectationsWorker

    how = {"held": given.held, "opens": not given.no_open}
    with Watched(given.speed, given.port, **how, follow=given.follow, store=given.store) as watched:
        code = _replay(given, ExpectationsWorker, watched)
        watched.linger(given.linger)
    return code


def _replay(given: argparse.Namespace, expectations: Any, watched: Any = None) -> int:
    gc.disable()
    from kline_harness.archives.early_trades import EarlyTrades
    from kline_harness.compiled.memory import keep_freed_memory

    if given.open and given.no_report:
        raise UsageError("--open shows the page that --no-report leaves out")
    keep_freed_memory()
    trades, klines = history.files_of(given.trades, given.klines)
    with ExitStack() as stack:
        early = None
        if len(trades) == 1 and given.columns is None:
            asked = (trades[0], given.symbol, given.market, given.contract_size)
            early = stack.enter_context(EarlyTrades(*asked))
        from kline_harness.replay import replay as run
        from kline_harness.replay.assembly import Substitutions
        from kline_harness.replay.place import RunPlace
        from kline_harness.replay.sources import Sources
        from kline_harness.terminal_progress import progress_of_trades

        options = _options(given)
        gc.freeze()
        gc.enable()
        name = given.scenario.stem if given.scenario else None
        progress = stack.enter_context(progress_of_trades())
        outcome = run(
            options,
            trades,
            klines,
            RunPlace(given.out, name, given.force),
            command=command_line(_as_replayed(given.words)),
            progress=progress,
            notice=lambda text: print(f"notice: {text}", file=sys.stderr),
            report=not given.no_report,
            expectations=expectations,
            substitutions=Substitutions(feed=watched and watched.pace.pieces),
            open_sources=partial(Sources.open, early=early),
            watch=watched and watched.observer,
        )
    if watched is not None:
        watched.model.finished(outcome)
    _show(given, outcome)
    return outcome.validity.exit_code


def _as_replayed(words: Sequence[str]) -> list[str]:
    """Return the words of `watch` as those of the replay that it is: the run is the same."""
    if words[0] != "watch":
        return list(words)
    return ["replay", *without(words[1:], _VALUED, _FLAGS)]


def _options(given: argparse.Namespace) -> Any:
    """Return the scenario that the arguments ask for."""
    from kline_harness.archives import ColumnMap
    from kline_harness.interval import parse_intervals
    from kline_harness.replay.scenario import Audit
    from kline_harness.replay.scenario_file import scenario_of
    from kline_harness.simulation.simulation import Fidelity

    return scenario_of(
        given.scenario,
        intervals=parse_intervals(given.intervals) if given.intervals else None,
        aggregator=given.aggregator,
        symbol=given.symbol,
        market=given.market,
        contract_size=given.contract_size,
        columns=ColumnMap.read(given.columns) if given.columns else None,
        seed=given.seed,
        audit=Audit(given.audit) if given.audit else None,
        fidelity=Fidelity(given.fidelity) if given.fidelity else None,
    )


def _show(given: argparse.Namespace, outcome: Any) -> None:
    """Print what a replay came to, and build or open the pages that were asked for."""
    from kline_harness.replay.place import REPORTS
    from kline_harness.report import build_index
    from kline_harness.terminal import show_json, show_outcome, show_sentence

    show = show_json if given.json else show_sentence if given.quiet else show_outcome
    show(outcome)
    reports = outcome.directory.parent
    if reports.name == REPORTS.name and not given.no_report:
        index = build_index(reports)
        if show is show_outcome:
            print(f"{index}: every run here")
    if given.open:
        # Late: only who asks for it pays for it.
        import webbrowser

        page = (outcome.directory / "report.html").resolve()
        if not webbrowser.open(page.as_uri()):
            print(f"notice: no browser was found that could open {page}", file=sys.stderr)
