"""The command line: arguments in, exit code out.

Each verb imports what it runs, so that ``--help`` does not pay for numpy and Arrow.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kline_harness import gate_command as gating
from kline_harness.arguments import Parser, Verb, command_line, meant
from kline_harness.errors import UserError
from kline_harness.exchange import collect_command as collected
from kline_harness.exchange.command import serve, serve_arguments
from kline_harness.exit_codes import EXIT_USAGE, run_to_exit
from kline_harness.history import command as history
from kline_harness.replay_command import (
    SUBJECTS,
    replay,
    replay_arguments,
    watch,
    watch_arguments,
)

GC_THRESHOLD = 50_000
ABOUT = "Replay recorded trades through a kline aggregator and prove what it published."


def fetch(given: argparse.Namespace) -> int:
    """Bring historical days into the catalogue: whole, proved, resumed where they were cut.

    Exit code: 0 every file proved, 1 one wrong or unproven, 2 usage, 3 one is not there.
    """
    from kline_harness.terminal_progress import progress_of_files

    return history.fetch(given, progress_of_files)


def _report_arguments(parser: Parser) -> None:
    parser.files("folders", "Run folders, or folders of run folders.")


def report(given: argparse.Namespace) -> int:
    """Build pages again from data alone: a run's report, or the index of many runs."""
    from kline_harness.report import build_index, build_report

    for folder in given.folders:
        if (folder / "run.json").is_file():
            print(build_report(folder))
        elif any(folder.glob("*/run.json")):
            for run in sorted(folder.glob("*/run.json")):
                print(build_report(run.parent))
            print(build_index(folder))
        else:
            raise UserError(f"{folder}: expected a run folder or a folder of them, found neither")
    return 0


def _compare_arguments(parser: Parser) -> None:
    parser.files("ours", "Our klines: kline files or run folders.")
    parser.files("--klines", "The exchange's kline files.")
    parser.symbol()
    parser.contract_size()
    parser.option("--out", "Write every finding as a line of JSON.", Path)
    parser.option("--page", "Write a run folder with a page.", Path)


def compare(given: argparse.Namespace) -> int:
    """Compare klines with the exchange's, exactly; longer intervals are rolled up from ours.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from kline_harness.replay.comparison_folder import write_comparison
    from kline_harness.replay.file_comparison import files_compared, write_findings
    from kline_harness.terminal import show_comparison

    if not given.klines:
        raise UserError("compare: expected the exchange's files after --klines, found none")
    compared = files_compared(given.ours, given.klines, given.symbol, given.contract_size)
    comparison = compared.comparison
    if given.out:
        write_findings(given.out, comparison)
    if given.page:
        write_comparison(given.page, compared, command_line(given.words))
    show_comparison(comparison, given.out or (given.page and given.page / "findings.ndjson"))
    if given.page:
        print(given.page / "report.html")
    return comparison.verdict().validity.exit_code


def _inspect_arguments(parser: Parser) -> None:
    parser.files("files", "Files of trades or klines, in any mixture.")
    parser.about_trades()
    parser.flag("--json", "Print JSON instead of a table.")


def inspect(given: argparse.Namespace) -> int:
    """Look for what is missing, doubled, out of place or wrong in files of trades and klines.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from kline_harness.archives import ColumnMap
    from kline_harness.compiled.memory import keep_freed_memory
    from kline_harness.inspection import inspect_files
    from kline_harness.terminal_inspection import progress_of_files, show_inspection

    keep_freed_memory()
    trades, klines = history.files_of(given.files, [])
    with progress_of_files() as progress:
        inspection = inspect_files(
            [*trades, *klines],
            symbol=given.symbol,
            market=given.market,
            columns=ColumnMap.read(given.columns) if given.columns else None,
            contract_size=given.contract_size,
            progress=progress,
        )
    if given.json:
        print(json.dumps(inspection.to_dict(), indent=2))
    else:
        show_inspection(inspection)
    return inspection.validity.exit_code


def _campaign_arguments(parser: Parser) -> None:
    parser.add_argument("campaign", type=Path, help="A TOML file.", metavar="CAMPAIGN.toml")
    parser.flag("--plan", "Only measure and say how many tasks, how long, how much memory.")
    parser.flag("--measure", "Measure the rates again, in place of those kept.")
    parser.option("--scheduler", "A Dask scheduler, tcp://HOST:PORT. [default: a local cluster]")
    parser.option("--workers", "Workers of the local cluster. [default: one for each core]", int)
    parser.option("--out", "The campaign's folder. [default: reports/NAME of the file]", Path)
    parser.option("--baseline", "An earlier campaign's folder, or its campaign.json: a gate.", Path)
    parser.option("--junit", "With --baseline: write JUnit XML.", Path)


def campaign(given: argparse.Namespace) -> int:
    """Run many symbols over many days: each symbol's result is that of one replay, to the byte.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from kline_harness.campaign.cluster import start_workers

    if given.scheduler is None:
        # They import what they need while this process does.
        start_workers()
    from kline_harness.campaign.command import run_campaign

    return run_campaign(given)


def _explore_arguments(parser: Parser) -> None:
    parser.files("trades", "Trade archives or stream recordings.")
    parser.option("--seeds", "How many random scenarios. [default: 1000]", int, default=1_000)
    parser.option("--first-seed", "The seed to begin with. [default: 0]", int, default=0)
    parser.option("--workers", "Processes; the result is the same. [default: 1]", int, default=1)
    parser.option("--time-limit", "Stop after this long, such as 60s or 5m.")
    parser.option("--aggregator", SUBJECTS, default="exact")
    parser.option("--intervals", "Comma-separated. [default: 1m,3m,5m]", default="1m,3m,5m")
    parser.option(
        "--minutes", "How much of the trades to take; 0: all. [default: 10]", int, default=10
    )
    parser.option("--out", "Where results and bundles go.", Path)


def explore(given: argparse.Namespace) -> int:
    """Search random scenarios for what breaks an aggregator, and shrink what is found.

    Exit code: 0 nothing found, 1 something found, 2 bad input or usage.
    """
    from kline_harness.explore.command import explore_files
    from kline_harness.terminal_progress import progress_of_seeds

    with progress_of_seeds(given.seeds) as progress:
        found, summary = explore_files(
            given.trades,
            given.aggregator,
            given.intervals,
            minutes=given.minutes,
            seeds=given.seeds,
            first_seed=given.first_seed,
            workers=given.workers,
            time_limit=given.time_limit,
            out=given.out,
            progress=progress,
        )
    print(summary, end="")
    return 1 if found else 0


def _reproduce_arguments(parser: Parser) -> None:
    parser.add_argument("bundle", type=Path, help="The directory of a repro bundle.")


def reproduce(given: argparse.Namespace) -> int:
    """Replay a bundle of `explore`, and tell whether its finding shows again.

    Exit code: 0 reproduced, 1 not reproduced, 2 not a bundle.
    """
    from kline_harness.explore.bundle import reproduce as replay_bundle

    result = replay_bundle(given.bundle)
    print(f"expected {result.expected}; found {', '.join(result.found) or 'nothing'}")
    return 0 if result.reproduced else 1


def _check_arguments(parser: Parser) -> None:
    parser.add_argument("subject", help=SUBJECTS, metavar="AGGREGATOR")
    parser.option("--spec", "The klines specification. [default: the one that comes along]", Path)
    parser.option("--answer", "How long a program may take for an answer. [default: 30s]")
    parser.option("--junit", "Write the results as JUnit XML.", Path)
    parser.option("--json", "Write the results as JSON.", Path)
    parser.flag("--failed", "Print only what failed.")


def check_aggregator(given: argparse.Namespace) -> int:
    """Hold an aggregator to the klines specification, other cuts, restarts, kills, broken input.

    Exit code: 0 everything passed, 1 something failed, 2 bad usage.
    """
    from kline_harness.check_aggregator import check_aggregator as check

    return check(given)


def collect(given: argparse.Namespace) -> int:
    """Judge what a service stored against the trades that it was served.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from kline_harness.terminal import show_outcome

    return collected.collect(given, command_line(given.words), show_outcome)


def _diff_arguments(parser: Parser) -> None:
    parser.add_argument("before", type=Path, help="A run folder.")
    parser.add_argument("after", type=Path, help="Another run folder.")
    parser.flag("--json", "Print every line as JSON.")


def diff(given: argparse.Namespace) -> int:
    """Tell in what two runs differ: verdict, options, files, checks, differences, klines.

    Exit code: 0 in nothing, 1 in something, 2 bad input.
    """
    from kline_harness.run_difference import difference_of

    found = difference_of(given.before, given.after)
    print(found.to_json() if given.json else "\n".join(found.lines()))
    return 0 if found.same else 1


def _export_arguments(parser: Parser) -> None:
    parser.add_argument("run", type=Path, help="A run folder.")
    parser.add_argument("what", choices=("klines", "findings", "differences"))
    parser.choice("--format", "Of findings and differences. [default: csv]", "csv", "json")
    parser.option("--symbol", "Only this symbol.")
    parser.option("--interval", "Only this interval.")
    parser.option("--kind", "Only findings of this kind, or differences of this class.")
    parser.option("--out", "A folder for klines, a file for others. [default: stdout]", Path)


def export(given: argparse.Namespace) -> int:
    """Write a run's klines as the exchange's CSV files, its findings or differences as text.

    Exit code: 0 written, 2 bad input or usage.
    """
    from kline_harness.run_export import export as write

    write(given)
    return 0


def _completion_arguments(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))


def completion(given: argparse.Namespace) -> int:
    """Print a script that completes this command's words in a shell."""
    from kline_harness.completion import script

    print(script({name: _parser(name) for name in VERBS}, given.shell))
    return 0


VERBS: dict[str, tuple[Verb, Callable[[Parser], None]]] = {
    "replay": (replay, replay_arguments),
    "inspect": (inspect, _inspect_arguments),
    "compare": (compare, _compare_arguments),
    "report": (report, _report_arguments),
    "diff": (diff, _diff_arguments),
    "export": (export, _export_arguments),
    "gate": (gating.gate, gating.gate_arguments),
    "explore": (explore, _explore_arguments),
    "reproduce": (reproduce, _reproduce_arguments),
    "check-aggregator": (check_aggregator, _check_arguments),
    "serve": (serve, serve_arguments),
    "watch": (watch, watch_arguments),
    "collect": (collect, collected.collect_arguments),
    "campaign": (campaign, _campaign_arguments),
    "fetch": (fetch, history.fetch_arguments),
    "catalogue": (history.catalogue, history.catalogue_arguments),
    "completion": (completion, _completion_arguments),
}


def run(words: Sequence[str]) -> int:
    """Run the verb that the words begin with and return the exit code.

    Raises UserError for words that do not fit, and whatever the verb raises.
    """
    if not words or words[0] in ("-h", "--help"):
        print(_overview(), end="")
        return 0 if words else EXIT_USAGE
    if words[0] == "--version":
        import kline_harness

        print(f"kline-harness {kline_harness.__version__}")
        return 0
    if words[0] not in VERBS:
        expected = f"expected one of {', '.join(VERBS)}{meant(words[0], VERBS)}"
        raise UserError(f"unknown verb {words[0]!r}: {expected}")
    from kline_harness.project_defaults import with_defaults

    parser = _parser(words[0])
    words = with_defaults(words, parser, list(VERBS), Path.cwd())
    given = parser.parse(words[1:])
    given.words = words
    return VERBS[words[0]][0](given)


def _parser(name: str) -> Parser:
    verb, arguments = VERBS[name]
    parser = Parser(verb)
    arguments(parser)
    return parser


def _overview() -> str:
    lines = ["usage: kline-harness VERB ...", "", ABOUT, "", "verbs:"]
    for name, (verb, _) in VERBS.items():
        lines.append(f"  {name:17} {(verb.__doc__ or '').splitlines()[0]}")
    lines += ["", "kline-harness VERB --help tells the options of a verb.", ""]
    return "\n".join(lines)


def main() -> None:
    """Run the command and leave with its exit code."""
    # Nothing here multiplies matrices: the threads of numpy's linear algebra only cost their start.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Its own pool keeps what it freed: a month of 1 s klines peaks 30 MB lower so, as fast.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # Imports make many objects that stay: looking through them again and again is a tenth of the
    # time they take.
    gc.set_threshold(GC_THRESHOLD)
    code = run_to_exit(lambda: run(sys.argv[1:]))
    # Nor is there anything to find at the end, when Python looks through all of them once more.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
