"""What a worker does: digest a shard's files, and run a symbol. Small answers, results as files."""

from __future__ import annotations

import fcntl
import hashlib
import json
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from kline_harness.arrow import int64_of
from kline_harness.campaign.campaign_file import SymbolFiles, Variant
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.dataset import write_series
from kline_harness.campaign.day_cache import Day, Reading
from kline_harness.campaign.program import program_key
from kline_harness.campaign.summary import TradeSummary
from kline_harness.campaign.symbol_run import replay_symbol, takes_digests
from kline_harness.compiled.memory import keep_freed_memory
from kline_harness.errors import ContractError, InputError, UsageError, UserError, error_line
from kline_harness.exit_codes import EXIT_CRASH, EXIT_INVALID, EXIT_USAGE
from kline_harness.history.held_files import is_catalogued
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.timings import Timings
from kline_harness.run_record import RECORD_FILE, RunRecord, read_record
from kline_harness.units import day_of
from kline_harness.whole_file import replacing, write_json

FORMAT = "kline-harness/campaign-run/2"
# A digest that is shown and compared is its first half, as in a gate's baseline.
DIGEST_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task came to nothing, and the exit code of that."""

    sentence: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """What a shard came to: its summary, and how long it took."""

    summary: TradeSummary
    seconds: float
    failure: Failure | None = None


def digest_shard(
    places: CampaignFolder, name: str, paths: Sequence[Path], reading: Reading
) -> ShardAnswer:
    """Digest some days of a symbol, each once for all.

    What fails is part of the answer: nothing is raised.
    """
    timings, summary = Timings(), TradeSummary()
    with places.counted(name):
        try:
            _prepare(places)
            for path in paths:
                summary = summary + proved(places.cache.day(path, reading), path).summary
        except Exception as error:
            return ShardAnswer(summary, timings.total(), _failure(places, name, error))
    return ShardAnswer(summary, timings.total())


def _prepare(places: CampaignFolder) -> None:
    """Make a worker ready for a task.

    Raises UsageError where it does not run the client's program.
    """
    keep_freed_memory()
    if places.program != program_key():
        expected, found = places.program[:12], program_key()[:12]
        raise UsageError(
            f"a worker runs another program: expected this version, files and libraries "
            f"({expected}), found {found}"
        )


def _failure(places: CampaignFolder, name: str, error: Exception) -> Failure:
    """Say what ended a task; a crash's traceback goes to a file that the sentence names."""
    if isinstance(error, UserError):
        return Failure(str(error), EXIT_USAGE)
    if isinstance(error, OSError):
        return Failure(f"{error.filename or name}: {error.strerror or error}", EXIT_USAGE)
    if isinstance(error, ContractError):
        return Failure(f"the contract is broken: {error}", EXIT_INVALID)
    words = "".join(c if c.isalnum() or c in "-." else "_" for c in name)
    details = places.out / "crashes" / f"{words}.txt"
    with replacing(details) as part:
        text = "".join(traceback.format_exception(error))
        part.write_text(text, encoding="utf-8", errors="replace")
    what = error_line(error)
    return Failure(f"crash: {what}; details are in {details}", EXIT_CRASH)


def proved(day: Day, path: Path) -> Day:
    """Return what is known of a file; one of the catalogue has to be the one recorded.

    Raises InputError where it is not.
    """
    found = day.info.sha256
    if is_catalogued(path) and found != path.parent.name:
        raise InputError(path, f"sha256 {path.parent.name}, as in the catalogue", str(found))
    return day


@dataclass(frozen=True, slots=True)
class RunAnswer:
    """What a symbol's run came to; `is_new` unless it was found finished."""

    name: str
    plain: dict[str, Any]
    seconds: float
    is_new: bool
    failure: Failure | None = None


def run_symbol(
    places: CampaignFolder, symbol: SymbolFiles, variant: Variant, reading: Reading, *, report: bool
) -> RunAnswer:
    """Run one symbol over all its days, unless it is done with the same inputs.

    What fails is part of the answer: nothing is raised.
    """
    name, timings = f"{symbol.name}-{variant.name}", Timings()
    with places.counted(name):
        try:
            _prepare(places)
            with _alone(places.done(name)):
                key = run_key(places, symbol, variant.scenario, reading, report=report)
                plain = finished(places, name, key)
                is_new = plain is None
                plain = plain or _run(places, name, symbol, variant, reading, key, report)
        except Exception as error:
            failure = _failure(places, name, error)
            return RunAnswer(name, {}, timings.total(), True, failure)
    return RunAnswer(name, plain, timings.total(), is_new)


def _run(
    places: CampaignFolder,
    name: str,
    symbol: SymbolFiles,
    variant: Variant,
    reading: Reading,
    key: str,
    report: bool,
) -> dict[str, Any]:
    digests = takes_digests(variant.scenario)
    days = [places.cache.day(path, reading) for path in symbol.trades if digests]
    replay_symbol(
        variant.scenario,
        symbol.trades,
        days,
        symbol.klines,
        places.run(name),
        places.cache,
        command=f"kline-harness campaign: {name}",
        report=report,
    )
    if run_key(places, symbol, variant.scenario, reading, report=report) != key:
        raise UsageError(f"{name}: expected files that stay as they are, found some that changed")
    result = _result(places.run(name), name, symbol, variant)
    table = (places.run(name) / "klines", places.dataset(variant.name), result["market"])
    stored = write_series(*table, symbol.symbol)
    folder = {str(path.relative_to(places.run(name))): _size(path) for path in _files(places, name)}
    result["series"] = {
        _series(one["path"]): one["values_sha256"][:DIGEST_DIGITS] for one in stored
    }
    plain = {"format": FORMAT, "key": key, **result, "dataset": stored, "folder": folder}
    write_json(places.done(name), plain)
    return plain


def _series(path: str) -> str:
    """Return the interval and month of a dataset's file."""
    parts = dict(part.split("=") for part in path.split("/") if "=" in part)
    return f"{parts['interval']} {parts['month']}"


@contextmanager
def _alone(done: Path) -> Iterator[None]:
    """Hold a run against workers of a campaign that was killed, which may not have ended yet."""
    done.parent.mkdir(parents=True, exist_ok=True)
    with done.with_name(f".{done.stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_key(
    places: CampaignFolder,
    symbol: SymbolFiles,
    scenario: Scenario,
    reading: Reading,
    *,
    report: bool,
) -> str:
    """Return what a run's result depends on: inputs, scenario, subject's file, version."""
    files = [(path.name, places.cache.sha256(path)) for path in (*symbol.trades, *symbol.klines)]
    subject = Path(scenario.aggregator.rpartition(":")[0])
    own = hashlib.sha256(subject.read_bytes()).hexdigest() if subject.is_file() else ""
    parts = (
        FORMAT,
        places.program,
        files,
        own,
        scenario.to_dict(),
        reading.text(),
        report,
    )
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def finished(places: CampaignFolder, name: str, key: str) -> dict[str, Any] | None:
    """Return what a finished run of that key came to, None where there is none."""
    try:
        plain: dict[str, Any] = json.loads(places.done(name).read_text("utf-8"))
        record = hashlib.sha256((places.run(name) / RECORD_FILE).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return None
    if plain.get("key") != key or plain.get("record") != record:
        return None
    root, folder = places.dataset(plain["variant"]), places.run(name)
    sizes = {root / one["path"]: one["bytes"] for one in plain["dataset"]}
    sizes |= {folder / path: size for path, size in plain["folder"].items()}
    return plain if all(_size(path) == size for path, size in sizes.items()) else None


def _files(places: CampaignFolder, name: str) -> list[Path]:
    return [path for path in sorted(places.run(name).rglob("*")) if path.is_file()]


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _result(folder: Path, name: str, symbol: SymbolFiles, variant: Variant) -> dict[str, Any]:
    """Return what a run folder says, small: the verdict, and findings and differences by day."""
    text = (folder / RECORD_FILE).read_bytes()
    record = read_record(folder / RECORD_FILE)
    days = _days(folder, record)
    return {
        "name": name,
        "symbol": symbol.symbol,
        "market": next(one["market"] for one in record.inputs if one["role"] == "trades"),
        "variant": variant.name,
        "record": hashlib.sha256(text).hexdigest(),
        "verdict": record.verdict,
        "exit_code": record.exit_code,
        "sentence": record.sentence,
        "trades": sum(one["rows"] for one in record.inputs if one["role"] == "trades"),
        "klines": record.series["klines"],
        "compared": sum(
            one["identical"] + one["proved"] + one["consistent"] + one["unexplained"]
            for one in record.compared
        ),
        "inputs": _inputs_sha256(record),
        "days": {day: dict(sorted(counts.items())) for day, counts in sorted(days.items())},
    }


def _inputs_sha256(record: RunRecord) -> str:
    """Return one sha256 for what the files were, by role and name."""
    files = [(one["role"], Path(one["path"]).name, one["sha256"]) for one in record.inputs]
    return hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest()[:DIGEST_DIGITS]


def _days(folder: Path, record: RunRecord) -> dict[str, Counter[str]]:
    """Count trades, findings by severity and differences by class, by the day they are of.

    What is of no instant is counted under no day, "".
    """
    days: dict[str, Counter[str]] = {}
    for one in record.inputs:
        if one["role"] == "trades" and one["first_event_time_ns"] is not None:
            days.setdefault(day_of(one["first_event_time_ns"]), Counter())["trades"] += one["rows"]
    with (folder / "findings.ndjson").open(encoding="utf-8") as lines:
        for line in lines:
            finding = json.loads(line)
            at_ns = finding.get("open_time_ns") or finding.get("at_ns")
            day = "" if at_ns is None else day_of(at_ns)
            days.setdefault(day, Counter())[finding["severity"]] += 1
    table = pq.read_table(folder / "differences.parquet", columns=["open_time", "class"])
    classes = table["class"].to_pylist()
    for open_time, kind in zip(int64_of(table["open_time"]).tolist(), classes, strict=True):
        days.setdefault(day_of(open_time * 1000), Counter())[kind] += 1
    return days
