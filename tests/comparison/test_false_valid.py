"""Wrong inputs that once came out as valid because their differences were explained."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path
from zipfile import ZipFile, ZipInfo

import pytest

from tests.replays import ROOT, UM_DAY, Ran, replay

GIVEN = ROOT / "fixtures" / "cases" / "false-valid"
DAY = "2024-05-15"


def um_day(kind: str) -> Path:
    return UM_DAY / f"ALFAUSDT-{kind}-{DAY}.zip"


def classes(ran: Ran) -> dict[str, int]:
    """The classes of all series, those that are none left out."""
    names = ("identical", "proved", "consistent", "unexplained", "missing", "extra")
    series = ran.run["comparison"]["series"]
    totals = {name: sum(row[name] for row in series) for name in names}
    return {name: count for name, count in totals.items() if count}


def test_a_tenth_of_a_day_s_trades_is_not_a_day(tmp_path: Path) -> None:
    (tape,) = (GIVEN / "fv01").glob("*.gz")
    frames = [um_day(interval) for interval in ("1m", "5m", "1h", "1d")]
    ran = replay(tmp_path / "run", tape, "--klines", *frames, "--audit", "off")
    assert (ran.exit_code, ran.run["verdict"]) == (1, "invalid"), ran.output
    # The klines that its missing ids explain do not say that nothing was lost.
    assert ran.check("continuity")["verdict"] == "invalid"
    (rests,) = (f for f in ran.findings() if f["kind"] == "rests_on_consistent")
    assert rests["severity"] == "doubt"
    # By hand, of the fixture: 16,559.909 less one fund trade were traded, a tenth is recorded.
    assert rests["evidence"]["share_of_volume"] in ("89 %", "90 %", "91 %")


def day_without(folder: Path, places: range) -> Path:
    """The fixture day's trades, some left out by their place."""
    with ZipFile(um_day("trades")) as archive:
        header, *rows = archive.read(archive.namelist()[0]).decode().splitlines()
    kept = [row for place, row in enumerate(rows) if place not in places]
    path = folder / f"ALFAUSDT-trades-{DAY}.csv"
    path.write_text("\n".join([header, *kept]) + "\n")
    return path


def test_an_explained_kline_does_not_bring_lost_trades_back(tmp_path: Path) -> None:
    words = ("--klines", um_day("1m"), "--intervals", "1m", "--audit", "off")
    ran = replay(tmp_path / "some", day_without(tmp_path, range(9_000, 9_004)), *words)
    assert classes(ran) == {"identical": 1439, "consistent": 1}
    assert (ran.exit_code, ran.run["verdict"]) == (3, "unknown"), ran.output
    (missing,) = (f for f in ran.findings() if f["kind"] == "missing_trade_ids")
    assert missing["severity"] == "doubt"
    # One alone is as an insurance fund's: said, with its share.
    ran = replay(tmp_path / "one", day_without(tmp_path, range(9_000, 9_001)), *words)
    assert (ran.exit_code, ran.run["verdict"]) == (0, "valid"), ran.output
    assert "1 kline, 0.00" in ran.run["sentence"]


def test_aggregates_and_raw_trades_of_one_day_are_not_a_row_still_forming(tmp_path: Path) -> None:
    (tape,) = (GIVEN / "fv02").glob("*.gz")
    words = (um_day("aggTrades"), tape, "--klines", um_day("1h"), "--intervals", "1h")
    ran = replay(tmp_path / "run", *words, "--audit", "off")
    assert ran.exit_code in (1, 2), ran.output
    if ran.exit_code == 1:
        assert set(classes(ran)) == {"unexplained"}


def test_one_missing_id_is_not_another_trade_in_every_interval(tmp_path: Path) -> None:
    frames = sorted((GIVEN / "fv04").glob("*.csv"))
    ran = replay(tmp_path / "run", um_day("aggTrades"), "--klines", *frames, "--audit", "off")
    assert (ran.exit_code, ran.run["verdict"]) == (1, "invalid"), ran.output
    assert classes(ran) == {"identical": 2323, "unexplained": 6}
    told = [f for f in ran.findings() if f["kind"] == "exchange_contradicts_itself"]
    # Six intervals, each against every other.
    assert len(told) == 15
    (quarter,) = (
        f["evidence"]
        for f in told
        if f["interval"] == "15m" and f["evidence"]["parts_interval"] == "1m"
    )
    rows = (GIVEN / "fv04" / f"ALFAUSDT-15m-{DAY}.csv").read_text().splitlines()
    assert f",{quarter['volume']}," in "\n".join(rows)


def test_every_busy_kline_without_its_last_trade_is_not_forty_rows_still_forming(
    tmp_path: Path,
) -> None:
    folder = GIVEN / "fv10"
    (tape,), (frame,) = folder.glob("*aggTrades*"), folder.glob("*-1m-*")
    words = ("--klines", frame, "--intervals", "1m", "--audit", "off")
    ran = replay(tmp_path / "run", tape, *words)
    assert (ran.exit_code, classes(ran)["unexplained"]) == (1, 40), ran.output


@pytest.mark.parametrize("place", ["first", "middle"])
def test_one_such_kline_in_the_middle_of_a_file_is_not_valid(tmp_path: Path, place: str) -> None:
    """One row of fv10's file is wrong, the others are those of the trades."""
    folder = GIVEN / "fv10"
    (tape,), (frame,) = folder.glob("*aggTrades*"), folder.glob("*-1m-*")
    right = minutes_of(tape)
    header, *rows = frame.read_text().splitlines()
    wrong = [n for n, row in enumerate(rows) if right.get(row.split(",")[0], 0) > count_of(row)]
    assert len(wrong) == 40
    chosen = wrong[0] if place == "first" else wrong[20]
    kept = [row for n, row in enumerate(rows) if n not in wrong or n == chosen]
    path = tmp_path / frame.name
    path.write_text("\n".join([header, *kept]) + "\n")
    words = ("--klines", path, "--intervals", "1m", "--audit", "off")
    assert replay(tmp_path / "run", tape, *words).run["verdict"] != "valid"


def minutes_of(tape: Path) -> dict[str, int]:
    """How many raw trades each minute of a file of aggregates has, by its open time."""
    found: dict[str, int] = {}
    with tape.open() as lines:
        for row in csv.DictReader(lines):
            opened = str(int(row["transact_time"]) // 60_000 * 60_000)
            size = int(row["last_trade_id"]) - int(row["first_trade_id"]) + 1
            found[opened] = found.get(opened, 0) + size
    return found


def count_of(row: str) -> int:
    return int(row.split(",")[8])


def test_nearly_all_of_an_aggregate_in_one_of_its_trades_is_in_doubt(tmp_path: Path) -> None:
    """Beside so much other volume that its share is nothing."""
    folder = GIVEN / "fv14"
    (tape,), (frame,) = folder.glob("*aggTrades*"), folder.glob("*-1m-*")
    trades = (
        tape.read_text().replace("2,10,1,51", "2,10,1.001,51").replace("3,10,1,", "3,10,90000,")
    )
    rows = frame.read_text().replace("100,1715731319999,1000,", "100.001,1715731319999,1000.01,")
    rows = rows.replace(
        "10,10,10,10,1,1715731439999,10,1", "10,10,10,10,90000,1715731439999,900000,1"
    )
    (tmp_path / tape.name).write_text(trades)
    (tmp_path / frame.name).write_text(rows)
    words = ("--klines", tmp_path / frame.name, "--intervals", "1m", "--audit", "off")
    ran = replay(tmp_path / "run", tmp_path / tape.name, *words)
    assert classes(ran)["consistent"] == 2, ran.output
    assert ran.run["verdict"] == "unknown", ran.output
    assert "1 of 50 raw trades of aggregate 1 would have nearly all of it" in ran.output


@pytest.mark.parametrize("step", ["1", "0.001"])
def test_one_raw_trade_of_fifty_does_not_carry_nearly_all(tmp_path: Path, step: str) -> None:
    """As given, and with quantities in thousandths, where the split cannot be ruled out."""
    folder = GIVEN / "fv14"
    (tape,), (frame,) = folder.glob("*aggTrades*"), folder.glob("*-1m-*")
    trades, rows = tape.read_text(), frame.read_text()
    if step == "0.001":
        trades = trades.replace("2,10,1,51", "2,10,1.001,51")
        rows = rows.replace("100,1715731319999,1000,", "100.001,1715731319999,1000.01,")
    (tmp_path / tape.name).write_text(trades)
    (tmp_path / frame.name).write_text(rows)
    words = ("--klines", tmp_path / frame.name, "--intervals", "1m", "--audit", "off")
    ran = replay(tmp_path / "run", tmp_path / tape.name, *words)
    assert ran.run["verdict"] == ("invalid" if step == "1" else "unknown"), ran.output
    assert "proved" not in classes(ran)


def test_a_row_saved_while_forming_is_proved_at_the_end_of_its_file_only(tmp_path: Path) -> None:
    folder = ROOT / "fixtures" / "cases" / "case23"
    archive = tmp_path / "FOXUSDT-1m-2026-02-03.csv"
    archive.write_text((folder / "FOXUSDT-1m.csv").read_text())
    for name, frame, expected in (
        ("saved", folder / "FOXUSDT-1m.csv", (0, "proved")),
        ("appended", folder / "FOXUSDT-1m-appended.csv", (3, "consistent")),
        # An archive of a day is made when the day is over.
        ("archive", archive, (3, "consistent")),
    ):
        words = ("--klines", frame, "--intervals", "1m", "--audit", "off")
        ran = replay(tmp_path / name, folder / "FOXUSDT-trades.csv", *words)
        assert (ran.exit_code, *(set(classes(ran)) - {"identical"})) == expected, ran.output
        (row,) = (f for f in ran.findings() if f["kind"].endswith("forming_row"))
        assert row["evidence"]["cause"] == "forming_row"


def zipped(path: Path, rows: list[str], hour: int | None) -> Path:
    """Write a file of klines into a zip that says when it was written, or not."""
    path.parent.mkdir()
    with ZipFile(path, "w") as archive:
        entry = ZipInfo(path.with_suffix(".csv").name)
        if hour is not None:
            entry.date_time = (2024, 5, 20, hour, 0, 0)
        archive.writestr(entry, "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        ((1, 2), "valid"),
        ((2, 1), "invalid"),
        ((None, 1), "unknown"),
        ((1, None), "unknown"),
        ((None, None), "unknown"),
    ],
)
def test_of_two_files_of_a_day_the_later_one_is_right(
    tmp_path: Path, hours: tuple[int | None, int | None], verdict: str
) -> None:
    """The first of the files has another close for one minute, the second is right."""
    with ZipFile(um_day("1m")) as archive:
        rows = archive.read(archive.namelist()[0]).decode().splitlines()
    cells = rows[700].split(",")
    cells[5] = str(Decimal(cells[5]) + 1)
    name = um_day("1m").name
    wrong = zipped(tmp_path / "a" / name, [*rows[:700], ",".join(cells), *rows[701:]], hours[0])
    right = zipped(tmp_path / "b" / name, rows, hours[1])
    words = ("--klines", wrong, right, "--intervals", "1m", "--audit", "off")
    ran = replay(tmp_path / "run", um_day("trades"), *words)
    assert ran.run["verdict"] == verdict, ran.output
    same = zipped(tmp_path / "c" / name, rows, hours[0])
    words = ("--klines", wrong, same, "--intervals", "1m", "--audit", "off")
    assert replay(tmp_path / "same", um_day("trades"), *words).run["verdict"] == "unknown"
