"""The verb ``gate``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from kline_harness.arguments import Parser
from kline_harness.errors import UserError


def gate_arguments(parser: Parser) -> None:
    """Add the arguments of ``gate``."""
    parser.add_argument(
        "suite", type=Path, help="suite.toml, or its folder: the cases and what they must give."
    )
    parser.flag("--update", "Write the baselines, and show what changes.")
    parser.option("--junit", "Write JUnit XML.", Path)
    parser.option("--json", "Write the result as JSON.", Path)
    parser.option("--markdown", "Write a Markdown summary.", Path)
    parser.choice(
        "--annotations",
        "github: to stdout; gitlab: to gl-code-quality-report.json.",
        "github",
        "gitlab",
    )
    parser.option("--work", "The run folders. [default: reports/gate-SUITE]", Path)
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="NAME",
        help="Only this case, or those of a pattern such as 'btc-*'; may be repeated.",
    )
    parser.option("--workers", "Processes; the result is the same. [default: 1]", int, default=1)


def gate(given: argparse.Namespace) -> int:
    """Replay every case of a suite and hold it to its verdict and its baseline.

    Exit code: 0 green, 1 red, 2 bad suite or input, 3 unknown, 70 a case crashed.
    """
    from kline_harness.gate import chosen, load_suite, run_suite
    from kline_harness.gate.destinations import Outputs, deliver

    outputs = Outputs(
        junit=given.junit,
        json=given.json,
        markdown=given.markdown,
        annotations=given.annotations,
        step_summary=os.environ.get("GITHUB_STEP_SUMMARY") or None,
    )
    if given.workers < 1:
        raise UserError(f"--workers: expected at least 1, found {given.workers}")
    suite = load_suite(given.suite)
    if given.case:
        suite = chosen(suite, given.case)
    result = run_suite(
        suite, given.update, work=given.work, workers=given.workers, progress=_say_case
    )
    print(deliver(result, outputs), end="")
    return result.exit_code


def _say_case(name: str) -> None:
    if sys.stderr.isatty():
        print(f"replaying {name}", file=sys.stderr)
