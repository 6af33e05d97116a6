"""Catalogue, revisions, listings and offline replays, through the command's own door."""

from __future__ import annotations

import socket
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.cli import run as command
from kline_harness.errors import InputError, UsageError
from kline_harness.gate import GateStatus, load_suite, run_suite
from kline_harness.history.catalogue import Catalogue
from kline_harness.history.fetch import FetchResult, fetch
from kline_harness.history.layouts import MONTHLY
from kline_harness.history.rows import RowChanges, compare_rows
from kline_harness.history.selection import Item, items_of, parse_selection
from kline_harness.interfaces import FeedSlice
from kline_harness.kline import Emission

from tests.history.archive_server import (
    Archive,
    day_ms,
    files_below,
    gz,
    klines_text,
    next_day,
    packed,
    trades_text,
)
from tests.run_files import whole_run

URL = "https://data.binance.vision/"


def items(text: str, *, klines: str = "", periods: tuple[str, ...] = ("daily",)) -> list[Item]:
    selection = parse_selection(text)
    data = ["trades"] if selection.market.startswith("bybit") else ["aggTrades"]
    return items_of(selection, data, klines, periods)


def bring(archive: Archive, catalogue: Catalogue, wanted: list[Item], **more: Any) -> FetchResult:
    return fetch(catalogue, wanted, archive.settings(), **more)


def put_klines(archive: Archive, day: str) -> str:
    path = f"data/futures/um/daily/klines/BTCUSDT/1m/BTCUSDT-1m-{day}.zip"
    archive.put(path, packed(f"BTCUSDT-1m-{day}.csv", klines_text(day)))
    return path


def put_month(archive: Archive, month: str, text: str) -> str:
    path = f"data/futures/um/monthly/aggTrades/BTCUSDT/BTCUSDT-aggTrades-{month}.zip"
    archive.put(path, packed(f"BTCUSDT-aggTrades-{month}.csv", text))
    return path


def revise(archive: Archive, day: str) -> str:
    """The day again, as an archive mends it: one row gone, one new, one with another price."""
    lines = trades_text(day).splitlines()
    del lines[10]
    lines[20] = lines[20].replace(".50,", ".60,")
    last = lines[-1].split(",")
    number = str(int(last[0]) + 1)
    lines.append(",".join([number, last[1], last[2], number, number, *last[5:]]))
    name = f"BTCUSDT-aggTrades-{day}"
    path = f"data/futures/um/daily/aggTrades/BTCUSDT/{name}.zip"
    archive.put(path, packed(f"{name}.csv", "\n".join(lines) + "\n"))
    return path


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise AssertionError("offline use touched the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")


def test_a_revised_archive_is_noticed_and_kept_beside_the_old_one(
    archive: Archive, catalogue: Catalogue
) -> None:
    day = "2024-07-18"
    path = archive.put_trades(day)
    old = archive.files[path].body
    wanted = items(f"um:BTCUSDT:{day}")
    bring(archive, catalogue, wanted)
    (first,) = catalogue.records()
    same = bring(archive, catalogue, wanted, refresh=True)
    assert same.files[0].revision is None
    revise(archive, day)
    noticed = bring(archive, catalogue, wanted)
    assert "another version" in noticed.files[0].detail
    assert len(archive.asked(path)) == 1
    result = bring(archive, catalogue, wanted, refresh=True)
    change = result.files[0].revision
    assert isinstance(change, RowChanges)
    assert (change.added, change.removed, change.changed) == (1, 1, 1)
    record = catalogue.latest()[URL + path]
    assert (record.supersedes, record.proof) == (first.sha256, "proved")
    assert catalogue.path(record).read_bytes() == archive.files[path].body
    assert catalogue.path(first).read_bytes() == old
    # Records are only ever added.
    assert catalogue.records()[0] == first


def suite_of(folder: Path, day: str, *keys: str, verdict: str = "valid") -> Path:
    """Write a gate's suite of one case, whose files are a day of the catalogue."""
    suite = folder / "suite.toml"
    lines = ['name = "day"', 'intervals = "1m"', 'audit = "off"', f'verdict = "{verdict}"']
    lines += [f'{key} = "um:BTCUSDT:{day}"' for key in keys]
    suite.write_text("\n".join(["[[case]]", *lines]) + "\n")
    return suite


def test_a_gate_says_that_the_archive_changed(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    day = "2024-07-18"
    archive.put_trades(day)
    put_klines(archive, day)
    wanted = items(f"um:BTCUSDT:{day}", klines="1m")
    bring(archive, catalogue, wanted)
    first = next(one.sha256 for one in catalogue.records() if one.data == "aggTrades")
    suite, work = suite_of(tmp_path, day, "trades", "klines"), tmp_path / "work"
    assert run_suite(load_suite(suite), True, work=work).status is GateStatus.GREEN
    assert run_suite(load_suite(suite), work=work).status is GateStatus.GREEN
    revise(archive, day)
    bring(archive, catalogue, wanted, refresh=True)
    (case,) = run_suite(load_suite(suite), work=work).cases
    said = [one.cause for one in case.problems if one.cause and "baseline's" in one.cause]
    assert case.status is GateStatus.RED
    assert said
    named = f"the archive changed: input BTCUSDT-aggTrades-{day}.zip is not the baseline's"
    assert all(cause.startswith(named) for cause in said)
    # The old version still gives the baseline's klines: nothing of ours changed.
    assert not [one for one in case.problems if "our output" in one.message]
    pruned = [path for path in catalogue.objects.rglob("*.zip") if path.parent.name == first]
    pruned[0].unlink()
    (case,) = run_suite(load_suite(suite), work=work).cases
    assert "its version is not kept: our output may have too" in str(case.problems)


def test_a_gate_says_that_the_exchanges_klines_changed(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    day = "2024-07-18"
    archive.put_trades(day)
    put_klines(archive, day)
    wanted = items(f"um:BTCUSDT:{day}", klines="1m")
    bring(archive, catalogue, wanted)
    suite, work = suite_of(tmp_path, day, "trades", "klines"), tmp_path / "work"
    assert run_suite(load_suite(suite), True, work=work).status is GateStatus.GREEN
    name = f"BTCUSDT-1m-{day}"
    path = next(one for one in archive.files if one.endswith(f"{name}.zip"))
    archive.put(path, packed(f"{name}.csv", klines_text(day).replace(",2.000,", ",3.000,", 1)))
    bring(archive, catalogue, wanted, refresh=True)
    (case,) = run_suite(load_suite(suite), work=work).cases
    assert case.status is GateStatus.RED
    said = f"the archive changed: input {name}.zip is not the baseline's; it holds the exchange's"
    assert len([one for one in case.problems if one.message.startswith(said)]) == 1
    assert not [one for one in case.problems if "our output" in one.message]


def test_a_gate_tells_both_changes_apart(
    archive: Archive, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = "2024-07-18"
    archive.put_trades(day)
    wanted = items(f"um:BTCUSDT:{day}")
    bring(archive, catalogue, wanted)
    suite, work = suite_of(tmp_path, day, "trades", verdict="unknown"), tmp_path / "work"
    assert run_suite(load_suite(suite), True, work=work).status is GateStatus.GREEN
    advance = ExactAggregator.advance

    def one_more(self: ExactAggregator, piece: FeedSlice) -> Emission:
        made = advance(self, piece)
        high = made.klines.high.copy()
        high[made.klines.open_time_ns == (day_ms(day) + 700 * 60_000) * 1_000_000] += 1
        return Emission(made.klines.with_columns({"high": high}), made.events)

    monkeypatch.setattr(ExactAggregator, "advance", one_more)
    revise(archive, day)
    bring(archive, catalogue, wanted, refresh=True)
    (case,) = run_suite(load_suite(suite), work=work).cases
    name = f"BTCUSDT-aggTrades-{day}.zip"
    said = {one.open_time: one.cause or "" for one in case.problems if one.field == "high"}
    ours = said.pop(f"{day}T11:40:00Z")
    assert ours.startswith(f"our output changed: the baseline's version of {name} now gives")
    # The row with another price.
    assert said
    changed = f"the archive changed: input {name} is not the baseline's, whose version still gives"
    assert all(cause.startswith(changed) for cause in said.values())
    (both,) = [one.message for one in case.problems if one.message.startswith("both changed")]
    assert both.endswith("our output of the baseline's version is another one in 1 kline")


def test_why_a_file_is_not_there(archive: Archive, catalogue: Catalogue) -> None:
    for day in ("2024-07-01", "2024-07-02", "2024-07-04"):
        archive.put_trades(day)
    wanted = items("um:BTCUSDT:2024-07-02..2024-07-05")
    bring(archive, catalogue, wanted)
    archive.files[wanted[0].path].listed = False
    days = bring(archive, catalogue, wanted).files
    assert [one.state for one in days[:3]] == ["withdrawn", "never published", "proved"]
    # The server's clock is years later: nothing after 2024-07-04 will come any more.
    assert days[3].state == "never published"
    assert "BTCUSDT-aggTrades-2024-07-04.zip" in days[3].detail
    none = bring(archive, catalogue, items("um:NOSUCHUSDT:2024-07-02"))
    assert (none.files[0].state, none.exit_code) == ("never published", 3)


def test_the_day_after_the_last_listed_one_is_not_yet_published(
    archive: Archive, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    today = str(datetime.now(UTC).date())
    archive.put_trades(next_day(today, -1))
    words = ["fetch", "--market", "um", "--symbol", "BTCUSDT", "--mirror", archive.url]
    assert command([*words, "--from", next_day(today, -1), "--to", today]) == 3
    assert "1 not yet published, 1 proved" in capsys.readouterr().out


def test_a_dry_run_tells_sizes_and_writes_nothing(
    archive: Archive, catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    path = archive.put_trades("2024-07-18")
    words = ["fetch", "--market", "um", "--symbol", "BTCUSDT", "--mirror", archive.url]
    assert command([*words, "--from", "2024-07-18", "--dry-run"]) == 0
    size = f"{len(archive.files[path].body):,} bytes"
    assert f"to fetch: {size}" in capsys.readouterr().out
    assert not catalogue.home.exists()
    assert archive.asked(".zip") == []


def test_a_month_is_held_against_the_sum_of_its_days(
    archive: Archive, catalogue: Catalogue
) -> None:
    for day in range(28):
        archive.put_trades(next_day("2023-02-01", day))
    put_month(archive, "2023-02", trades_text("2023-02-01", 28))
    wanted = items("um:BTCUSDT:2023-02-01..2023-02-28", periods=("daily", MONTHLY))
    result = bring(archive, catalogue, wanted)
    assert result.exit_code == 0
    assert "the sum of its 28 days, 40,320 rows" in str(result.months[0])
    put_month(archive, "2023-02", trades_text("2023-02-01", 28).replace(".50,", ".51,", 3))
    again = bring(archive, catalogue, wanted, refresh=True)
    assert again.exit_code == 1
    assert "3 changed" in str(again.months[0])
    assert command(["catalogue", "verify"]) == 1


@pytest.mark.usefixtures("no_network")
def test_selections_that_are_none(catalogue: Catalogue) -> None:
    days = ("2024-07-32", "2024-07-02..2024-07-01", "2024-7-1")
    for text in (*(f"um:BTCUSDT:{day}" for day in days), "xx:BTCUSDT:2024-07-01"):
        with pytest.raises(UsageError):
            command(["replay", text])
    with pytest.raises(UsageError, match=r"found none proved or accepted of 2024-07-01.*fetch"):
        command(["replay", "um:BTCUSDT:2024-07-01"])


def test_a_month_replays_with_the_network_cut_off(
    archive: Archive,
    catalogue: Catalogue,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    for day in range(31):
        archive.put_trades(next_day("2024-07-01", day))
        put_klines(archive, next_day("2024-07-01", day))
    text = "um:BTCUSDT:2024-07-01..2024-07-31"
    assert bring(archive, catalogue, items(text, klines="1m")).exit_code == 0
    request.getfixturevalue("no_network")
    runs = []
    for name in ("a", "b"):
        out = tmp_path / name
        words = ["replay", text, "--intervals", "1m", "--audit", "off", "--no-report"]
        assert command([*words, "--out", str(out)]) == 0
        runs.append((out / "run.json").read_bytes())
    assert runs[0] == runs[1]
    content = whole_run(out)
    assert sum(one["identical"] for one in content["comparison"]["series"]) == 31 * 1_440
    records = {record.sha256: record for record in catalogue.latest().values()}
    assert {one["sha256"] for one in content["inputs"]} == records.keys()
    seen = {record.last_seen.encode() for record in records.values()}
    assert not any(instant in runs[0] for instant in seen)


def test_unproven_days_are_replayed_only_when_accepted(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    archive.put_trades("2024-07-18", checksum=False)
    wanted = items("um:BTCUSDT:2024-07-18")
    bring(archive, catalogue, wanted)
    words = ["replay", "um:BTCUSDT:2024-07-18", "--intervals", "1m", "--audit", "off"]
    words += ["--no-report", "--out", str(tmp_path / "run")]
    with pytest.raises(UsageError, match=r"2024-07-18 \(unproven\)"):
        command(words)
    bring(archive, catalogue, wanted, accept=True)
    assert command(words) in (0, 3)


def test_a_file_that_changed_in_the_store_is_not_replayed(
    archive: Archive, catalogue: Catalogue
) -> None:
    archive.put_trades("2024-07-18")
    bring(archive, catalogue, items("um:BTCUSDT:2024-07-18"))
    (record,) = catalogue.records()
    assert command(["catalogue", "verify"]) == 0
    catalogue.path(record).write_bytes(packed("x.csv", trades_text("2024-07-19")))
    assert command(["catalogue", "verify"]) == 1
    with pytest.raises(InputError, match=record.sha256):
        command(["replay", "um:BTCUSDT:2024-07-18"])


def test_prune_takes_only_what_no_record_needs(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades("2024-07-18")
    wanted = items("um:BTCUSDT:2024-07-18")
    bring(archive, catalogue, wanted)
    revise(archive, "2024-07-18")
    bring(archive, catalogue, wanted, refresh=True)
    before = files_below(catalogue.objects)
    assert command(["catalogue", "prune"]) == 0
    assert files_below(catalogue.objects) == before
    assert command(["catalogue", "prune", "--yes"]) == 0
    (record,) = catalogue.latest().values()
    assert files_below(catalogue.objects) == [f"{record.sha256}/{record.item.name}"]
    assert command(["catalogue", "verify"]) == 0


def test_a_record_that_a_crash_cut_off_is_none(archive: Archive, catalogue: Catalogue) -> None:
    archive.put_trades("2024-07-18")
    archive.put_trades("2024-07-19")
    bring(archive, catalogue, items("um:BTCUSDT:2024-07-18"))
    whole = catalogue.file.read_bytes()
    catalogue.file.write_bytes(whole + b'{"url": "https://da')
    assert len(catalogue.records()) == 1
    bring(archive, catalogue, items("um:BTCUSDT:2024-07-19"))
    assert len(catalogue.records()) == 2
    assert catalogue.file.read_bytes().startswith(whole)
    catalogue.file.write_bytes(whole + b"{}\n")
    with pytest.raises(InputError, match="line 2"):
        catalogue.records()


BYBIT = (
    "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,"
    "foreignNotional\n1585180700.0647,BTCUSDT,Buy,0.042,6698.5,PlusTick,"
    "d8a1b1f6-0c2f-5c4e-9c3a-000000000001,28133700000,0.042,281.337\n"
)


def test_another_exchange_by_its_table(
    archive: Archive, catalogue: Catalogue, tmp_path: Path
) -> None:
    path = "trading/BTCUSDT/BTCUSDT2020-03-26.csv.gz"
    archive.put(path, gz(BYBIT), checksum=False)
    page = b'<a href="BTCUSDT2020-03-26.csv.gz">BTCUSDT2020-03-26.csv.gz</a>'
    archive.files["trading/BTCUSDT/"] = type(archive.files[path])(page, '"p"')
    wanted = items("bybit-um:BTCUSDT:2020-03-25..2020-03-26")
    result = bring(archive, catalogue, wanted)
    # It publishes no CHECKSUM of any file: length and CRC-32 are all that can prove one.
    assert [one.state for one in result.files] == ["never published", "whole"]
    assert "no CHECKSUM files" in result.files[1].detail
    same = bring(archive, catalogue, wanted, refresh=True)
    assert same.files[1].bytes_received == 0
    assert len([one for one in archive.asked(path) if one.method == "GET"]) == 1
    words = ["replay", "bybit-um:BTCUSDT:2020-03-26", "--intervals", "1m", "--audit", "off"]
    assert command([*words, "--no-report", "--out", str(tmp_path / "run")]) in (0, 3)
    (given,) = whole_run(tmp_path / "run")["inputs"]
    assert (given["source"], given["rows"], given["symbols"]) == ("bybit", 1, ["BTCUSDT"])
    with pytest.raises(UsageError, match="klines"):
        items("bybit-um:BTCUSDT:2020-03-26", klines="1m")


def test_rows_in_no_order_are_compared_too(tmp_path: Path) -> None:
    head, *rows = trades_text("2024-07-18", per_day=24).splitlines()
    old, new = tmp_path / "BTCUSDT-aggTrades-a.csv", tmp_path / "BTCUSDT-aggTrades-b.csv"
    old.write_text("\n".join([head, *reversed(rows)]) + "\n")
    new.write_text("\n".join([head, *rows[1:]]) + "\n")
    change = compare_rows([old], [new])
    assert (change.added, change.removed, change.changed, change.rows) == (0, 1, 0, 23)


def test_rows_in_no_order_are_compared_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kline_harness.history.rows.ROWS_AT_ONCE", 1_000)
    head, *rows = trades_text("2024-07-01", days=62).splitlines()
    old, new = tmp_path / "BTCUSDT-aggTrades-a.csv", tmp_path / "BTCUSDT-aggTrades-b.csv"
    old.write_text("\n".join([head, *reversed(rows)]) + "\n")
    rows[30_000] = rows[30_000].replace(".50,", ".51,")
    new.write_text("\n".join([head, *rows[20_000:], *rows[2:20_000]]) + "\n")
    size = new.stat().st_size
    del rows
    tracemalloc.start()
    change = compare_rows([old], [new])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (change.added, change.removed, change.changed) == (0, 2, 1)
    assert change.rows == 62 * 1_440 - 2
    # Both sides in memory, an object for each row, took seven times as much.
    assert peak < 2 * size
