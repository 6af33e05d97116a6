"""What a campaign came to: every run, by symbol and day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import kline_harness
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.campaign_run import CampaignProgress
from kline_harness.campaign.dataset import write_manifest
from kline_harness.campaign.tasks import Failure, RunAnswer
from kline_harness.exit_codes import EXIT_CRASH, EXIT_INVALID, EXIT_USAGE
from kline_harness.nouns import counted
from kline_harness.report import build_campaign
from kline_harness.verdict import Validity, worst
from kline_harness.whole_file import write_json

RESULTS = "kline-harness/campaign/2"
RESULTS_FILE = "campaign.json"
# Worst first: what a campaign's reader has to look at.
WORST_FIRST = ("failed", "invalid", "unknown", "valid")
_UNKNOWN = Validity.UNKNOWN.exit_code
_WORSE = (EXIT_CRASH, EXIT_USAGE, EXIT_INVALID, _UNKNOWN, Validity.VALID.exit_code)
# What says how a run's files lie in the campaign's folder, and no result.
_OF_THE_FOLDER = ("format", "key", "dataset", "folder")


@dataclass(frozen=True, slots=True)
class CampaignResults:
    """Every run of a campaign, worst first; `failed` are those that came to nothing, and why."""

    runs: tuple[dict[str, Any], ...]
    failed: tuple[tuple[str, Failure], ...]
    new: int = 0

    @staticmethod
    def of(answers: Iterable[RunAnswer]) -> CampaignResults:
        """Sort what the runs came to."""
        every = sorted(answers, key=lambda one: one.name)
        runs = [one.plain for one in every if one.failure is None]
        runs.sort(key=lambda run: (WORST_FIRST.index(run["verdict"]), -_troubles(run), run["name"]))
        failed = tuple((one.name, one.failure) for one in every if one.failure is not None)
        new = sum(one.is_new for one in every if one.failure is None)
        return CampaignResults(tuple(runs), failed, new)

    @property
    def exit_code(self) -> int:
        """The exit code of a crash or bad input before that of the worst verdict.

        Of a run that no worker lived through nothing is known.
        """
        codes = {failure.exit_code for _, failure in self.failed}
        codes |= {Validity(run["verdict"]).exit_code for run in self.runs}
        return next((code for code in _WORSE if code in codes), _UNKNOWN)

    @property
    def verdict(self) -> str:
        """Failed where a run came to nothing, else the worst verdict of any run."""
        return (
            "failed" if self.failed else worst(Validity(run["verdict"]) for run in self.runs).value
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain data for JSON: the same for the same inputs."""
        return {
            "schema": RESULTS,
            "version": kline_harness.__version__,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "trades": sum(run["trades"] for run in self.runs),
            "klines": sum(run["klines"] for run in self.runs),
            "failed": [
                {"name": name, "error": failure.sentence, "exit_code": failure.exit_code}
                for name, failure in self.failed
            ],
            "runs": [
                {name: value for name, value in run.items() if name not in _OF_THE_FOLDER}
                for run in self.runs
            ],
        }

    def write(self, places: CampaignFolder) -> None:
        """Write the results, the report, and the datasets' lists of files."""
        write_json(places.out / RESULTS_FILE, self.to_dict())
        files: dict[str, list[dict[str, Any]]] = {
            place.name: [] for place in places.dataset("").glob("*") if place.is_dir()
        }
        for run in self.runs:
            files.setdefault(run["variant"], []).extend(run["dataset"])
        for variant, listed in files.items():
            write_manifest(places.dataset(variant), listed)
        build_campaign(places.out, self.to_dict())

    def lines(self, places: CampaignFolder, seconds: float) -> list[str]:
        """Return what is said at the end: the worst first, and a line for all."""
        lines = [f"failed  {name}: {failure.sentence}" for name, failure in self.failed]
        lines += [
            f"{run['verdict']:7} {run['name']}: {run['sentence']}"
            for run in self.runs
            if run["verdict"] != "valid"
        ]
        trades = sum(run["trades"] for run in self.runs)
        count = len(self.runs) + len(self.failed)
        found = dict.fromkeys(WORST_FIRST, 0) | {"failed": len(self.failed)}
        for run in self.runs:
            found[run["verdict"]] += 1
        counts = ", ".join(f"{n:,} {name}" for name, n in found.items() if n)
        lines.append(
            f"{counted(count, 'run')}: {counts}; {counted(trades, 'trade')}, "
            f"{counted(self.new, 'run')} new, {seconds:,.1f} s; {places.out}"
        )
        return lines


def write_timings(
    places: CampaignFolder, seconds: float, workers: int, progress: CampaignProgress
) -> None:
    """Write how long the campaign took and its tasks, one after the other; it is no result."""
    timings = {
        "seconds": round(seconds, 3),
        "workers": workers,
        "busy_seconds": round(progress.busy_seconds, 3),
        "tasks": progress.done_tasks,
        "planned_work_seconds": round(progress.work_seconds, 3),
    }
    write_json(places.out / "timings.json", timings)


# What of a day is bad: findings by severity, klines by class.
BAD = ("error", "doubt", "unexplained", "missing", "extra")


def _troubles(run: dict[str, Any]) -> int:
    return sum(counts.get(kind, 0) for counts in run["days"].values() for kind in BAD)
