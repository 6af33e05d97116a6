"""The verb ``campaign``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import Any

from kline_harness.campaign.campaign_file import load_campaign
from kline_harness.campaign.campaign_results import CampaignResults, worse_than
from kline_harness.campaign.cluster import (
    CampaignRun,
    connected,
    rates_of,
    worker_count,
)
from kline_harness.campaign.rates import RATES_FILE, Rates
from kline_harness.campaign.shards import Plan
from kline_harness.campaign.tasks import CampaignFolder
from kline_harness.replay.place import REPORTS
from kline_harness.replay.timings import Timings

_EVERY_SECONDS = 5.0


def run_campaign(given: argparse.Namespace) -> int:
    """Run the verb; return its exit code.

    Raises UsageError and InputError for what does not fit.
    """
    chosen = load_campaign(given.campaign)
    places = CampaignFolder((given.out or REPORTS / given.campaign.stem).resolve())
    places.out.mkdir(parents=True, exist_ok=True)
    kept = places.out / RATES_FILE
    workers = given.workers or len(os.sched_getaffinity(0))
    with connected(given.scheduler, workers, chosen.options.retries) as client:
        workers = worker_count(client)
        names = [variant.name for variant in chosen.variants]
        rates = None if given.measure else Rates.load(kept, names)
        if rates is None and given.plan:
            rates = rates_of(client, chosen, places.out)
            rates.store(kept)
        plan = Plan.of(chosen, places.cache, rates or Rates())
        if given.plan:
            print("\n".join(plan.lines(workers)))
            return 0
        timings, run = Timings(), CampaignRun(client, chosen, plan, places)
        answers = run.run(_teller(timings, workers))
        seconds = timings.total()
    results = CampaignResults.of(answers)
    results.write(places, seconds, workers, run.progress)
    print("\n".join(results.lines(places, seconds)))
    if given.baseline is not None:
        worse = worse_than(given.baseline, results)
        print("\n".join(worse) or f"nothing is worse than in {given.baseline}")
        return 1 if worse else 0
    return results.exit_code


def _teller(timings: Any, workers: int) -> Callable[[Any], None]:
    """Return what says on stderr, every few seconds, how far the campaign is."""
    last = [0.0]

    def tell(progress: Any) -> None:
        now = timings.total()
        if now - last[0] < _EVERY_SECONDS:
            return
        last[0] = now
        print(progress.line(now, workers), file=sys.stderr)

    return tell
