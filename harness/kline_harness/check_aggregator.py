"""The verb ``check-aggregator``: a subject held to the kit; a table, JUnit and JSON out."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from kline_harness.aggregators.guarded import GuardedAggregator
from kline_harness.aggregators.loader import PROCESS
from kline_harness.aggregators.process_options import ProcessOptions
from kline_harness.errors import writing
from kline_harness.junit import JUnitSuite
from kline_harness.replay.decode import decode
from kline_harness.replay.scenario import Scenario
from kline_harness.testing.specification import read_cases, specification
from kline_harness.testing.subject_kit import KitResult, Make, Status, run_kit

_OUTCOMES = {Status.FAILED: "failure", Status.SKIPPED: "skipped"}


def check_aggregator(given: argparse.Namespace) -> int:
    """Run the kit on the subject that the arguments name; return the exit code.

    Raises UserError for a subject that cannot be made, a specification that cannot be read, and
    results that cannot be written.
    """
    process = ProcessOptions()
    if given.answer is not None:
        answer_ns = decode(int, given.answer, "--answer", unit_ns=True)
        process = ProcessOptions(answer_ns=answer_ns)
    base = Scenario(aggregator=given.subject, process=process)
    base.check()
    with_options = _maker(base) if base.aggregator.startswith(PROCESS) else None
    results = []
    cases = read_cases(given.spec or specification())
    for result in run_kit(_guarded(_maker(base)(process)), cases, with_options):
        results.append(result)
        _show(result, only_failed=given.failed)
    counts = Counter(result.status for result in results)
    counted = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    print(f"{given.subject}: {counted}")
    if given.junit is not None:
        _write(given.junit, _junit(given.subject, results))
    if given.json is not None:
        rows = [asdict(result) | {"status": result.status.value} for result in results]
        text = json.dumps({"subject": given.subject, "results": rows}, indent=1, ensure_ascii=False)
        _write(given.json, text + "\n")
    return 1 if counts[Status.FAILED] else 0


def _maker(base: Scenario) -> Callable[[ProcessOptions], Make]:
    def with_options(process: ProcessOptions) -> Make:
        return lambda intervals, symbols: replace(
            base, intervals=tuple(intervals), process=process
        ).make_aggregator(tuple(symbols))

    return with_options


def _guarded(make: Make) -> Make:
    """Have what an aggregator raises be its own failure, as in a replay."""
    return lambda intervals, symbols: GuardedAggregator(make(intervals, symbols))


def _show(result: KitResult, *, only_failed: bool) -> None:
    failed = result.status is Status.FAILED
    if failed or not only_failed:
        print(f"{result.status.value:8} {result.group:14} {result.name}", flush=True)
    if failed:
        print(f"         {result.sentence}", flush=True)


def _junit(subject: str, results: Sequence[KitResult]) -> str:
    suite = JUnitSuite(subject)
    for result in results:
        outcome = _OUTCOMES.get(result.status)
        suite.add(result.group, result.name, outcome, message=result.sentence)
    return suite.to_xml()


def _write(path: Path, text: str) -> None:
    with writing(path):
        path.write_text(text, encoding="utf-8")
