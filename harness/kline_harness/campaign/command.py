"""The verb ``campaign``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kline_harness.campaign.campaign_file import Campaign, load_campaign
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.campaign_gate import judge
from kline_harness.campaign.campaign_results import CampaignResults, write_timings
from kline_harness.campaign.campaign_run import CampaignRun
from kline_harness.campaign.cluster import connected, on_each, workers_of
from kline_harness.campaign.rates import RATES_FILE, Rates, is_ready, measured, together
from kline_harness.campaign.shards import Plan
from kline_harness.gate.destinations import Outputs, deliver
from kline_harness.replay.place import REPORTS
from kline_harness.replay.timings import Timings

_EVERY_SECONDS = 5.0


def run_campaign(given: argparse.Namespace) -> int:
    """Run the verb; return its exit code.

    Raises UsageError and InputError for what does not fit.
    """
    timings = Timings()
    chosen = load_campaign(given.campaign)
    places = CampaignFolder((given.out or REPORTS / given.campaign.stem).resolve())
    count = given.workers or len(os.sched_getaffinity(0))
    with places.held():
        with connected(given.scheduler, count, chosen.options.retries) as client:
            workers = workers_of(client)
            on_each(client, workers, is_ready)
            rates = _rates(given, client, workers, chosen, places, timings.total())
            plan = Plan.of(chosen, places.cache, rates)
            if given.plan:
                print("\n".join(plan.lines(len(workers))))
                return 0
            run = CampaignRun(client, chosen, plan, places)
            answers = run.run(_teller(timings, len(workers)))
            worked = timings.total()
        results = CampaignResults.of(answers)
        results.write(places)
        seconds = timings.total()
        ended = replace(rates, end_seconds=(seconds - worked) / len(chosen.symbols))
        ended.with_tasks(run.progress.samples).store(places.out / RATES_FILE)
        write_timings(places, seconds, len(workers), run.progress)
    print("\n".join(results.lines(places, seconds)))
    if given.baseline is not None:
        gate = judge(given.campaign, given.baseline, results)
        print(deliver(gate, Outputs(junit=given.junit)), end="")
        return gate.exit_code
    return results.exit_code


def _rates(
    given: argparse.Namespace,
    client: Any,
    workers: list[str],
    campaign: Campaign,
    places: CampaignFolder,
    start_seconds: float,
) -> Rates:
    """Return the rates that were kept, for a plan those measured now where there are none."""
    kept = places.out / RATES_FILE
    names = [variant.name for variant in campaign.variants]
    rates = None if given.measure else Rates.load(kept, names)
    if rates is None and given.plan:
        folders = [places.out / f"sample{number}" for number in range(len(workers))]
        rates = together(on_each(client, workers, measured, campaign, each=folders))
        rates.store(kept)
    return replace(rates or Rates(), start_seconds=start_seconds)


def _teller(timings: Any, workers: int) -> Callable[[Any], None]:
    """Return what says on stderr, every few seconds, how far the campaign is."""
    last = [0.0]

    def show(progress: Any) -> None:
        now = timings.total()
        if now - last[0] < _EVERY_SECONDS:
            return
        last[0] = now
        print(progress.line(now, workers), file=sys.stderr)

    return show
