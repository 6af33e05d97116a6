"""The gate over a campaign: every run held to the same run of an earlier campaign."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kline_harness.campaign.campaign_results import (
    BAD,
    RESULTS,
    RESULTS_FILE,
    WORST_FIRST,
    CampaignResults,
)
from kline_harness.campaign.tasks import Failure
from kline_harness.errors import InputError
from kline_harness.exit_codes import EXIT_CRASH, EXIT_USAGE
from kline_harness.gate.results import (
    CaseResult,
    GateResult,
    Problem,
    ProblemKind,
    Problems,
)
from kline_harness.gate.suite import Suite, SuiteCase
from kline_harness.replay import Scenario
from kline_harness.verdict import Validity

_CHANGED_OUTPUT = "our output changed: the same inputs now give another result"
_CHANGED_INPUTS = "the inputs are not those of the baseline"


def judge(file: Path, baseline: Path, results: CampaignResults) -> GateResult:
    """Hold a campaign to an earlier one's results: its folder, or a copy of its `campaign.json`.

    Raises InputError where those are not there or of another schema.
    """
    place = baseline / RESULTS_FILE if baseline.is_dir() else baseline
    old = _read(place)
    now = {run["name"]: run for run in results.runs}
    failed = dict(results.failed)
    cases = []
    for name in sorted({*now, *failed}):
        before = old.get(name)
        if name in failed:
            problems = [_failed(failed[name])]
        elif before is None:
            what = f"no baseline; this run has {now[name]['klines']:,} klines"
            problems = [Problem(ProblemKind.NO_BASELINE, what)]
        else:
            problems = list(_problems(before, now[name]))
        cases.append(_case(name, before, now.get(name), Problems(problems)))
    orphans = tuple(name for name in sorted(old) if name not in now and name not in failed)
    suite = Suite(file, place, tuple(case.case for case in cases))
    return GateResult(suite, tuple(cases), orphans)


def _read(place: Path) -> dict[str, Mapping[str, Any]]:
    try:
        content = json.loads(place.read_text("utf-8"))
        schema = content["schema"]
        runs = {run["name"]: run for run in content["runs"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(place, "the results of a campaign", str(error)) from None
    if schema != RESULTS:
        raise InputError(place, RESULTS, str(schema))
    return runs


def _case(
    name: str,
    before: Mapping[str, Any] | None,
    run: Mapping[str, Any] | None,
    problems: Problems,
) -> CaseResult:
    expected = Validity(before["verdict"]) if before else Validity.VALID
    verdict = Validity(run["verdict"]) if run else None
    klines = f"{run['klines']:,} klines, as in the baseline" if run else ""
    sentence = problems.sentence or f"{expected.value}, {klines}"
    case = SuiteCase(name, (), (), Scenario(), verdict=expected)
    listed = tuple(problems.listed)
    return CaseResult(case, problems.status, sentence, verdict, listed, problems.more)


def _failed(failure: Failure) -> Problem:
    """Return a run that came to nothing: bad input is broken, dead workers leave it unknown."""
    kinds = {EXIT_USAGE: ProblemKind.BROKEN, EXIT_CRASH: ProblemKind.CRASH}
    kind = kinds.get(failure.exit_code, ProblemKind.VERDICT)
    is_unknown = failure.exit_code == Validity.UNKNOWN.exit_code
    now = Validity.UNKNOWN if is_unknown else Validity.INVALID
    return Problem(kind, failure.sentence, now=now.value)


def _problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is worse than in the baseline, and every month's klines that are others."""
    was, now = old["verdict"], new["verdict"]
    if WORST_FIRST.index(now) < WORST_FIRST.index(was):
        message = f"verdict {now}, was {was}: {new['sentence']}"
        yield Problem(ProblemKind.VERDICT, message, before=was, now=now)
    cause = _CHANGED_OUTPUT
    if old["inputs"] != new["inputs"]:
        cause = _CHANGED_INPUTS
        yield Problem(ProblemKind.INPUT, cause, before=old["inputs"], now=new["inputs"])
    if new["compared"] < old["compared"]:
        counts = (f"{old['compared']:,}", f"{new['compared']:,}")
        message = f"klines compared with the exchange's: were {counts[0]}, are {counts[1]}"
        yield Problem(ProblemKind.FIGURE, message, before=counts[0], now=counts[1])
    symbol = new["symbol"]
    for series in sorted(old["series"].keys() | new["series"].keys()):
        before, after = old["series"].get(series), new["series"].get(series)
        if before != after:
            interval, month = series.split()
            end = "are none" if after is None else "were none" if before is None else "changed"
            message = f"{symbol} {interval} {month}: klines {end}; cause: {cause}"
            where = {"symbol": symbol, "interval": interval, "cause": cause}
            yield Problem(ProblemKind.KLINE, message, before=before, now=after, **where)
    yield from _worse_days(symbol, old["days"], new["days"])


def _worse_days(symbol: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Problem]:
    for day in sorted(old.keys() | new.keys()):
        for kind in ("trades", *BAD):
            was, now = old.get(day, {}).get(kind, 0), new.get(day, {}).get(kind, 0)
            if now < was if kind == "trades" else now > was:
                message = f"{symbol} {day or 'of no day'}: {kind} was {was:,}, is {now:,}"
                yield Problem(
                    ProblemKind.FIGURE, message, symbol=symbol, before=str(was), now=str(now)
                )
