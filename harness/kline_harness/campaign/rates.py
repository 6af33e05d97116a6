"""How fast the work goes: measured on a sample of the campaign's own files, kept beside it."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kline_harness.campaign.campaign_file import Campaign, SymbolFiles
from kline_harness.campaign.day_cache import replacing
from kline_harness.campaign.tasks import CampaignFolder, digest_shard, run_symbol
from kline_harness.errors import UsageError
from kline_harness.replay.timings import Timings

RATES_FILE = "rates.json"
# Days of a symbol that a sample is made of.
SAMPLE_DAYS = 4
_APART = 1.5


@dataclass(frozen=True, slots=True)
class CostLine:
    """Seconds as a straight line: so many for each task, so many more for each unit of work."""

    fixed: float
    each: float

    def at(self, units: float) -> float:
        """Return the seconds of a task of so many units."""
        return self.fixed + self.each * units

    @staticmethod
    def through(points: Sequence[tuple[float, float]]) -> CostLine:
        """Return the line through the smallest and the largest of (units, seconds), not falling.

        Of points of nearly the same units nothing can be told of what is fixed: it is nothing.
        """
        (low, first), (high, last) = min(points), max(points)
        if high < _APART * low:
            return CostLine(0.0, sum(y for _, y in points) / sum(x for x, _ in points))
        each = max(0.0, (last - first) / (high - low))
        return CostLine(max(0.0, first - each * low), each)


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds of a digest by its file's bytes, and of each variant's run by its days.

    `start_seconds` is what a worker takes to be ready, its imports included; `memory_bytes` the
    most that one needed.
    """

    digest: CostLine = CostLine(0.005, 7e-9)
    runs: dict[str, CostLine] = field(default_factory=dict)
    start_seconds: float = 0.0
    memory_bytes: int = 0

    def of_digest(self, size: int) -> float:
        """Return the seconds of digesting a file of so many bytes."""
        return self.digest.at(size)

    def of_run(self, variant: str, days: int, size: int) -> float:
        """Return the seconds of a symbol's run over so many files."""
        return self.runs.get(variant, CostLine(0.5, 0.1)).at(days)

    def store(self, place: Path) -> None:
        """Keep the rates for the next plan."""
        with replacing(place) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(place: Path, variants: Sequence[str]) -> Rates | None:
        """Return the rates that were kept, None where some variant was not measured."""
        try:
            plain: dict[str, Any] = json.loads(place.read_text("utf-8"))
            runs = {name: CostLine(**line) for name, line in plain["runs"].items()}
            rates = Rates(**{**plain, "digest": CostLine(**plain["digest"]), "runs": runs})
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return rates if set(variants) <= set(runs) else None


def is_ready() -> bool:
    """Answer once all that a task needs is imported."""
    return True


def measured(campaign: Campaign, folder: Path) -> Rates:
    """Digest and run some days of the symbol with the most bytes, in a folder of its own.

    What is imported for the first run is counted as the worker's start.

    Raises UsageError where the sample cannot be run.
    """
    symbol = max(campaign.symbols, key=lambda one: sum(p.stat().st_size for p in one.trades))
    try:
        return _measured(campaign, symbol, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measured(campaign: Campaign, symbol: SymbolFiles, folder: Path) -> Rates:
    reading, report = campaign.reading(), campaign.options.report
    files = [path for one in campaign.symbols for path in one.trades]
    files.sort(key=lambda path: path.stat().st_size)
    start = Timings()
    _sample(campaign, symbol, 1, CampaignFolder(folder / "first"))
    imports = start.total()
    points = []
    for number, path in enumerate((files[0], files[-1])):
        place = CampaignFolder(folder / f"digest{number}")
        answer = digest_shard(place, [path], reading)
        _refuse(answer.error)
        points.append((float(path.stat().st_size), answer.seconds))
    runs: dict[str, CostLine] = {}
    for variant in campaign.variants:
        lines = []
        for days in sorted({1, min(SAMPLE_DAYS, len(symbol.trades))}):
            part = _first_days(symbol, days)
            places = CampaignFolder(folder / f"days{days}")
            if not (places.out / "cache").exists():
                _refuse(digest_shard(places, part.trades, reading).error)
            answered = run_symbol(places, part, variant, reading, report=report)
            _refuse(answered.error)
            lines.append((float(days), answered.seconds))
        runs[variant.name] = CostLine.through(lines)
    warm = sum(line.at(1) for line in runs.values())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Rates(CostLine.through(points), runs, max(0.0, imports - warm), most)


def _sample(campaign: Campaign, symbol: SymbolFiles, days: int, places: CampaignFolder) -> None:
    for variant in campaign.variants:
        part = _first_days(symbol, days)
        answer = run_symbol(
            places, part, variant, campaign.reading(), report=campaign.options.report
        )
        _refuse(answer.error)


def _first_days(symbol: SymbolFiles, days: int) -> SymbolFiles:
    return SymbolFiles(symbol.symbol, symbol.market, symbol.trades[:days], symbol.klines[:days])


def _refuse(error: str | None) -> None:
    if error is not None:
        raise UsageError(error)


def mean_of(rates: Sequence[Rates]) -> Rates:
    """Return the mean of what several workers measured at the same time."""

    def line(lines: Sequence[CostLine]) -> CostLine:
        count = len(lines)
        return CostLine(sum(x.fixed for x in lines) / count, sum(x.each for x in lines) / count)

    return Rates(
        line([one.digest for one in rates]),
        {name: line([one.runs[name] for one in rates]) for name in rates[0].runs},
        max(one.start_seconds for one in rates),
        max(one.memory_bytes for one in rates),
    )
