"""The command line: arguments in, exit code out.

Each verb imports what it runs, so that ``--help`` does not pay for numpy and Arrow.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import UserError

EXIT_USAGE = 2
# The folder of run folders: a replay written there keeps its index up to date.
REPORTS = "reports"

app = typer.Typer(
    name="kline-harness",
    help="Replay recorded trades through a kline aggregator and prove what it published.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Replay recorded trades through a kline aggregator and prove what it published."""


@app.command()
def replay(
    trades: Annotated[
        list[Path], typer.Argument(help="Trade archives or stream recordings: plain, gz or zip.")
    ],
    klines: Annotated[
        list[Path] | None,
        typer.Option(help="The exchange's kline files to compare with."),
    ] = None,
    market: Annotated[str | None, typer.Option(help="spot, um or cm; told from the file.")] = None,
    symbol: Annotated[
        str | None, typer.Option(help="The symbol, where a file's name does not say it.")
    ] = None,
    columns: Annotated[
        Path | None, typer.Option(help="A TOML map of the columns of Parquet and Arrow files.")
    ] = None,
    intervals: Annotated[
        str | None, typer.Option(help="Comma-separated, such as 1m,5m,1h. [default: 1m to 1d]")
    ] = None,
    aggregator: Annotated[
        str | None, typer.Option(help="exact, or klagg: production's model. [default: exact]")
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(help="A TOML file of options; those given here come before its own."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Everything random is drawn from it. [default: 0]")
    ] = None,
    audit: Annotated[
        str | None, typer.Option(help="full, or off: the writer alone. [default: full]")
    ] = None,
    fidelity: Annotated[
        str | None,
        typer.Option(help="batch, or trade: one event per trade, same bytes. [default: batch]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder. [default: reports/NAME OF FIRST FILE]")
    ] = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Leave the page out.")] = False,
) -> None:
    """Replay trades, check and compare every kline, and write a run folder with a report.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from harness.archives import ColumnMap
    from harness.interval import parse_intervals
    from harness.replay import replay as run
    from harness.replay.scenario import Audit
    from harness.replay.scenario_file import scenario_of
    from harness.report import build_index
    from harness.simulation.simulation import Fidelity
    from harness.terminal import progress_of_trades, show_outcome

    audited = _choice("--audit", audit, ("full", "off"))
    detail = _choice("--fidelity", fidelity, ("batch", "trade"))
    options = scenario_of(
        scenario,
        intervals=parse_intervals(intervals) if intervals else None,
        aggregator=aggregator,
        symbol=symbol,
        market=_choice("--market", market, ("spot", "um", "cm")),
        columns=ColumnMap.read(columns) if columns else None,
        seed=seed,
        audit=Audit(audited) if audited else None,
        fidelity=Fidelity(detail) if detail else None,
    )
    target = out or Path(REPORTS) / _stem(trades[0])
    with progress_of_trades() as progress:
        outcome = run(
            options,
            trades,
            klines or [],
            target,
            command=_command(),
            progress=progress,
            report=not no_report,
        )
    show_outcome(outcome)
    if target.parent.name == REPORTS and not no_report:
        print(f"{build_index(target.parent)}: every run here")
    raise typer.Exit(outcome.validity.exit_code)


@app.command()
def gate(
    suite: Annotated[Path, typer.Argument(help="suite.toml: the cases and what they must give.")],
    update: Annotated[
        bool, typer.Option("--update", help="Write the baselines, and show what changes.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the result as JSON.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a Markdown summary.")] = None,
    annotations: Annotated[
        str | None,
        typer.Option(help="github: to stdout; gitlab: to gl-code-quality-report.json."),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(help="The run folders. [default: reports/gate-SUITE]")
    ] = None,
) -> None:
    """Replay every case of a suite and hold it to its verdict and its baseline.

    Exit code: 0 green, 1 red, 2 bad suite or input, 3 unknown.
    """
    from harness.gate import load_suite, run_suite
    from harness.gate.deliver import Outputs, deliver

    outputs = Outputs(
        junit=junit,
        json=json,
        markdown=markdown,
        annotations=_choice("--annotations", annotations, ("github", "gitlab")),
        step_summary=os.environ.get("GITHUB_STEP_SUMMARY") or None,
    )
    result = run_suite(load_suite(suite), update, work=work, progress=_say_case)
    typer.echo(deliver(result, outputs), nl=False)
    raise typer.Exit(result.status.exit_code)


def _say_case(name: str) -> None:
    if sys.stderr.isatty():
        typer.echo(f"replaying {name}", err=True)


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(help="Run folders, or folders of run folders.")],
) -> None:
    """Build pages again from data alone: a run's report, or the index of many runs."""
    from harness.report import build_index, build_report

    for folder in folders:
        if (folder / "run.json").is_file():
            print(build_report(folder))
        elif any(folder.glob("*/run.json")):
            for run in sorted(folder.glob("*/run.json")):
                print(build_report(run.parent))
            print(build_index(folder))
        else:
            raise UserError(f"{folder}: expected a run folder or a folder of them, found neither")


@app.command()
def compare(
    ours: Annotated[list[Path], typer.Argument(help="Our klines: kline files or run folders.")],
    klines: Annotated[list[Path] | None, typer.Option(help="The exchange's kline files.")] = None,
    symbol: Annotated[
        str | None, typer.Option(help="The symbol, where a file's name does not say it.")
    ] = None,
) -> None:
    """Compare klines with the exchange's, exactly; longer intervals are rolled up from ours.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from harness.replay.comparing import compare_files
    from harness.terminal import show_comparison

    if not klines:
        raise UserError("compare: expected the exchange's files after --klines, found none")
    comparison = compare_files(ours, klines, symbol)
    show_comparison(comparison)
    raise typer.Exit(comparison.verdict().validity.exit_code)


@app.command()
def inspect(
    files: Annotated[list[Path], typer.Argument(help="Files of trades or klines, in any mixture.")],
    symbol: Annotated[
        str | None, typer.Option(help="The symbol, where a file's name does not say it.")
    ] = None,
    market: Annotated[str | None, typer.Option(help="spot, um or cm; told from the file.")] = None,
    columns: Annotated[
        Path | None, typer.Option(help="A TOML map of the columns of Parquet and Arrow files.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Look for what is missing, doubled, out of place or wrong in files of trades and klines.

    Exit code: 0 valid, 1 invalid, 2 bad input or usage, 3 unknown.
    """
    from harness.archives import ColumnMap
    from harness.inspection import inspect_files
    from harness.terminal_inspection import progress_of_files, show_inspection

    known = _choice("--market", market, ("spot", "um", "cm"))
    column_map = ColumnMap.read(columns) if columns else None
    with progress_of_files() as progress:
        inspection = inspect_files(
            files, symbol=symbol, market=known, columns=column_map, progress=progress
        )
    if as_json:
        print(json.dumps(inspection.to_dict(), indent=2))
    else:
        show_inspection(inspection)
    raise typer.Exit(inspection.validity.exit_code)


@app.command()
def explore(
    trades: Annotated[
        list[Path] | None, typer.Argument(help="Trade archives or stream recordings.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many random scenarios.")] = 1_000,
    first_seed: Annotated[int, typer.Option(help="The seed to begin with.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes; the result is the same.")] = 1,
    time_limit: Annotated[
        str | None, typer.Option(help="Stop after this long, such as 60s or 5m.")
    ] = None,
    aggregator: Annotated[
        str, typer.Option(help="exact, klagg, or a planted defect: rare:NAME, canary:NAME.")
    ] = "exact",
    intervals: Annotated[str, typer.Option(help="Comma-separated.")] = "1m,3m,5m",
    minutes: Annotated[int, typer.Option(help="How much of the trades to take; 0: all.")] = 5,
    canaries: Annotated[
        bool, typer.Option("--canaries", help="Run the planted defects, each in its own setting.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where results and bundles go.")] = None,
) -> None:
    """Search random scenarios for what breaks an aggregator, and shrink what is found.

    Exit code: 0 nothing found (or every canary killed), 1 something found, 2 bad input or usage.
    """
    from harness.explore.command import canaries_killed, explore_files
    from harness.terminal import progress_of_seeds

    if canaries:
        killed, table = canaries_killed()
        typer.echo(table, nl=False)
        raise typer.Exit(0 if killed else 1)
    with progress_of_seeds(seeds) as progress:
        found, summary = explore_files(
            trades or [],
            aggregator,
            intervals,
            minutes=minutes,
            seeds=seeds,
            first_seed=first_seed,
            workers=workers,
            time_limit=time_limit,
            out=out,
            progress=progress,
        )
    typer.echo(summary, nl=False)
    raise typer.Exit(1 if found else 0)


@app.command()
def reproduce(
    bundle: Annotated[Path, typer.Argument(help="The directory of a repro bundle.")],
) -> None:
    """Replay a bundle of `explore`, and tell whether its finding shows again.

    Exit code: 0 reproduced, 1 not reproduced, 2 not a bundle.
    """
    from harness.explore.bundle import reproduce as replay_bundle

    result = replay_bundle(bundle)
    typer.echo(f"expected {result.expected}; found {', '.join(result.found) or 'nothing'}")
    raise typer.Exit(0 if result.reproduced else 1)


def main() -> None:
    """Run the command; a `UserError` is one sentence and exit code 2."""
    try:
        app(args=repeat_klines(sys.argv[1:]))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)


def repeat_klines(words: list[str]) -> list[str]:
    """Let ``--klines`` take several files, as a shell's pattern gives them."""
    out: list[str] = []
    taking = False
    for word in words:
        if word.startswith("-"):
            taking = word == "--klines"
        elif taking and out[-1] != "--klines":
            out.append("--klines")
        out.append(word)
    return out


def _choice(option: str, given: str | None, choices: tuple[str, ...]) -> str | None:
    if given is not None and given not in choices:
        raise UserError(f"{option}: expected one of {' '.join(choices)}, found {given!r}")
    return given


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (".zip", ".gz", ".csv", ".txt"):
        name = name.removesuffix(suffix)
    return name


def _command() -> str:
    """Return the command as given, with files by name: where they lie changes nothing."""
    words, skip = ["kline-harness"], False
    for word in sys.argv[1:]:
        if skip or word == "--out":
            skip = not skip
        elif not word.startswith("--out="):
            words.append(Path(word).name if "/" in word else word)
    return shlex.join(words)


if __name__ == "__main__":
    main()
