"""docs/run-folder.md names every file, key and column of a real run folder, and no others."""

from __future__ import annotations

import re
from fnmatch import fnmatch

import pyarrow.parquet as pq
import pytest

from tests.replays import ROOT, UM_DAY, Ran, replay


def named(section: str) -> list[str]:
    """Return what the first column of a section's table names."""
    page = (ROOT / "docs" / "run-folder.md").read_text("utf-8")
    text = page.split(f"## {section}\n")[1].split("\n## ")[0] if section else page.split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    days = [UM_DAY / f"ALFAUSDT-{name}-2024-05-15.zip" for name in ("aggTrades", "1m")]
    bare = tmp_path_factory.mktemp("scenario") / "bare.toml"
    bare.write_text("expectations = false\n")
    return replay(tmp_path_factory.mktemp("page") / "run", *days, "--scenario", bare)


def test_every_file_is_named(ran: Ran) -> None:
    files = [p.relative_to(ran.folder).as_posix() for p in ran.folder.rglob("*") if p.is_file()]
    patterns = named("")
    assert [file for file in files if not any(fnmatch(file, one) for one in patterns)] == []
    missing = {one for one in patterns if not any(fnmatch(file, one) for file in files)}
    assert missing == {"expectations.json", "report.html", "pictures/*.svg"}


def test_every_key_of_the_record_is_named(ran: Ran) -> None:
    assert named("run.json") == list(ran.run)


@pytest.mark.parametrize(
    "name",
    [
        *("ledger.parquet", "series.parquet", "klines/part-*.parquet"),
        *("inputs.parquet", "compared.parquet", "not_compared.parquet"),
        *("differences.parquet", "timeline.parquet"),
    ],
)
def test_every_column_is_named(name: str, ran: Ran) -> None:
    file = next(ran.folder.glob(name))
    columns, patterns = pq.read_schema(file).names, named(name)
    assert [one for one in columns if not any(fnmatch(one, p) for p in patterns)] == []
    assert [p for p in patterns if not any(fnmatch(one, p) for one in columns)] == []


def test_every_series_is_a_row_and_the_sums_are_in_the_record(ran: Ran) -> None:
    rows = pq.read_table(ran.folder / "series.parquet").to_pylist()
    stored = pq.read_table(ran.folder / "klines").to_pylist()
    spans = [one["text"] for one in ran.run["scenario"]["intervals"]]
    assert [(row["symbol"], row["interval"]) for row in rows] == [("ALFAUSDT", s) for s in spans]
    for row in rows:
        mine = [one for one in stored if one["interval"] == row["interval"]]
        opens = [int(one["open_time"].timestamp()) * 10**9 for one in mine]
        assert row["klines"] == len(mine)
        assert row["quiet"] == sum(one["count"] == 0 for one in mine)
        assert (row["first_open_time_ns"], row["last_open_time_ns"]) == (min(opens), max(opens))
    sums = {name: sum(row[name] for row in rows) for name in ("klines", "quiet")}
    assert ran.run["series"] == {"count": len(rows), **sums}
