"""What is kept of earlier campaigns is taken only where nothing that it was made of has changed."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import kline_harness
import pyarrow.parquet as pq
import pytest
from kline_harness.archives import TradeFile
from kline_harness.campaign import program
from kline_harness.campaign.campaign_file import SymbolFiles, Variant
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.day_cache import DayCache, Reading
from kline_harness.campaign.tasks import RunAnswer, digest_shard, run_symbol
from kline_harness.errors import InputError
from kline_harness.interval import parse_intervals
from kline_harness.replay import Scenario

from tests.campaign.days import folder_bytes, rows_of, write_days

SCENARIO = Scenario(intervals=parse_intervals("1m"), expectations=False)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return write_days(tmp_path / "data", "ALFAUSDT", rows_of("cache", 2, 30))


def run(out: Path, paths: list[Path], places: CampaignFolder | None = None) -> RunAnswer:
    symbol = SymbolFiles("ALFAUSDT", None, tuple(paths), ())
    variant = Variant("exact", SCENARIO)
    return run_symbol(places or CampaignFolder(out), symbol, variant, Reading(), report=False)


def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path, paths: list[Path]) -> None:
    first = run(tmp_path / "out", paths)
    assert not run(tmp_path / "out", paths).is_new
    before = paths[0].stat()
    head, _, last = paths[0].read_text().rstrip("\n").rpartition("\n")
    number, _, rest = last.partition(",")
    other = f"{head}\n{int(number) + 1},{rest}\n"
    assert len(other) == before.st_size
    paths[0].write_text(other)
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert paths[0].stat().st_mtime_ns == before.st_mtime_ns
    cache = CampaignFolder(tmp_path / "out").cache
    assert not cache.holds(paths[0], Reading())
    found = cache.day(paths[0], Reading()).info.sha256
    assert found == hashlib.sha256(other.encode()).hexdigest()
    again = run(tmp_path / "out", paths)
    assert again.is_new
    assert again.plain["inputs"] != first.plain["inputs"]


@dataclass(frozen=True)
class Disturbed(Reading):
    """A reading during which somebody writes to the file."""

    def open(self, path: Path) -> TradeFile:
        file = super().open(path)
        with path.open("a") as writing:
            writing.write("\n")
        return file


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, paths: list[Path]) -> None:
    cache = DayCache(tmp_path / "cache")
    with pytest.raises(InputError, match="expected a file that stays as it is"):
        cache.day(paths[0], Disturbed())
    assert not cache.holds(paths[0], Disturbed())


def test_a_digest_whose_footer_was_damaged_is_made_again(tmp_path: Path, paths: list[Path]) -> None:
    cache = DayCache(tmp_path / "cache")
    day = cache.day(paths[0], Reading())
    stored = next((tmp_path / "cache").glob(f"??/{day.key}.parquet"))
    table = pq.ParquetFile(stored).read()
    metadata = dict(table.schema.metadata)
    plain = json.loads(metadata[b"kline-harness"])
    plain["info"]["rows"] -= 1
    metadata[b"kline-harness"] = json.dumps(plain).encode()
    pq.write_table(table.replace_schema_metadata(metadata), stored)
    assert cache.load(day.key, paths[0]) is None
    assert cache.day(paths[0], Reading()).info.rows == day.info.rows


@pytest.mark.parametrize("damage", ["shorter", "gone"])
def test_a_run_folder_that_lacks_something_is_made_again(
    tmp_path: Path, paths: list[Path], damage: str
) -> None:
    out = tmp_path / "out"
    run(out, paths)
    whole = folder_bytes(out / "runs")
    part = next((out / "runs").rglob("part-*.parquet"))
    if damage == "gone":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes()[:-9])
    assert run(out, paths).is_new
    assert folder_bytes(out / "runs") == whole


def test_another_program_s_results_are_not_taken(
    tmp_path: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(out, paths)
    mine = CampaignFolder(out)
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(kline_harness, "__file__", str(package / "__init__.py"))
    program.program_key.cache_clear()
    try:
        other = CampaignFolder(out)
        assert other.program != mine.program
        # A worker of that program refuses a task of the first one's client, and does its own anew.
        for answer in (
            run(out, paths, mine),
            digest_shard(mine, "days", paths, Reading()),
        ):
            assert answer.failure is not None
            assert "a worker runs another program" in answer.failure.sentence
        assert not other.cache.holds(paths[0], Reading())
        assert run(out, paths, other).is_new
        (package / "module.py").write_text("1")
        program.program_key.cache_clear()
        assert program.program_key() != other.program
    finally:
        monkeypatch.undo()
        program.program_key.cache_clear()


def test_a_crash_fails_its_run_and_names_its_traceback(tmp_path: Path, paths: list[Path]) -> None:
    places = CampaignFolder(tmp_path / "out")

    class Broken(Reading):
        def open(self, path: Path) -> TradeFile:
            raise ZeroDivisionError("of ours")

    answer = digest_shard(places, "ALFAUSDT: days", paths, Broken())
    assert answer.failure is not None
    assert answer.failure.exit_code == 70
    details = Path(answer.failure.sentence.rpartition(" ")[2])
    assert "crash: ZeroDivisionError: of ours" in answer.failure.sentence
    assert "Traceback" in details.read_text()
    # It ended: no worker died of it.
    assert places.deaths("ALFAUSDT: days") == 0
