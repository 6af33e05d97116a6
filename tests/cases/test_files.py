"""Files of trades against what their names claim, and what a run without klines rests on."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from kline_harness.inspection import inspect_files

from tests.cases.made import (
    CASES,
    FALSE_VALID,
    HOUR,
    MINUTE,
    SECOND,
    START,
    candles,
    traded,
    write_aggregates,
    write_klines,
    write_trades,
)
from tests.oracle import OracleTrade
from tests.replays import UM_DAY, Ran, command, replay

# 2024-07-18 00:00 UTC.
DAY = START - START % (24 * HOUR)
AGGREGATES = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
RAW = UM_DAY / "ALFAUSDT-trades-2024-05-15.zip"


def run(folder: Path, *words: str | Path) -> Ran:
    return replay(folder / "run", *words, "--audit=off", "--force")


def lines_of(path: Path) -> list[str]:
    with ZipFile(path) as packed:
        return packed.read(packed.namelist()[0]).decode().splitlines()


def kinds(ran: Ran, check: str) -> dict[str, str]:
    return {one["kind"]: one["severity"] for one in ran.findings() if one["check"] == check}


def test_every_trade_rejected(tmp_path: Path) -> None:
    ran = run(tmp_path, FALSE_VALID / "fv17" / "ZUSDT-aggTrades.csv")
    assert ran.exit_code == 3
    assert "none of 10 trades is in a kline: 10 rejected (zero_quantity)" in ran.output
    assert "no kline became final" in ran.output


@pytest.mark.parametrize("field", ["price", "quantity", "time_ns", "buyer_is_maker"])
def test_two_trades_of_one_id_that_differ(tmp_path: Path, field: str) -> None:
    trades = traded(30)
    first = trades[20]
    value = getattr(first, field)
    other = not value if field == "buyer_is_maker" else value + (MINUTE if "_ns" in field else 1)
    changed: dict[str, Any] = {field: other}
    again = replace(first, **changed)
    parts = [
        write_trades(tmp_path / "a" / "GNUUSDT-trades.csv", trades[:40]),
        write_trades(tmp_path / "b" / "GNUUSDT-trades.csv", [again, *trades[40:]]),
    ]
    ran = run(tmp_path, *parts)
    assert ran.exit_code == 3
    assert kinds(ran, "trades")["duplicate_conflict"] == "doubt"
    assert f"1 trade ids come again with another price, quantity, time or side ({first.id})" in (
        ran.output
    )
    # The exchange's klines tell which of the two is true.
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(trades))
    ran = run(tmp_path, *parts, "--klines", klines, "--intervals=1m")
    assert (ran.exit_code, kinds(ran, "trades")["duplicate_conflict"]) == (0, "notice")


def test_trades_given_twice_alike_are_no_conflict(tmp_path: Path) -> None:
    trades = traded(30)
    parts = [
        write_trades(tmp_path / "a" / "GNUUSDT-trades.csv", trades[:40]),
        write_trades(tmp_path / "b" / "GNUUSDT-trades.csv", trades[30:]),
    ]
    ran = run(tmp_path, *parts)
    assert (ran.exit_code, kinds(ran, "trades")) == (0, {"duplicate": "notice"})


@pytest.mark.parametrize("place", [0, 5, 11])
def test_every_row_of_one_open_time_is_compared(tmp_path: Path, place: int) -> None:
    trades = traded(30)
    rows = candles(trades)
    other = replace(rows[place], volume=rows[place].volume + 1)
    path = write_trades(tmp_path / "GNUUSDT-trades.csv", trades)
    for order in ([rows[place], other], [other, rows[place]]):
        both = [*rows[:place], *order, *rows[place + 1 :]]
        klines = write_klines(tmp_path / "GNUUSDT-1m.csv", both)
        ran = run(tmp_path, path, "--klines", klines, "--intervals=1m")
        (found,) = (f for f in ran.findings() if f["check"] == "comparison" and "open_time_ns" in f)
        assert (ran.exit_code, found["kind"]) == (1, "unexplained"), ran.output
        assert found["evidence"]["theirs_volume"] == f"{other.volume:f}"
        assert found["evidence"]["ours_volume"] == f"{rows[place].volume:f}"


def test_compare_names_a_damaged_file_of_a_run(tmp_path: Path) -> None:
    ran = run(tmp_path, write_trades(tmp_path / "GNUUSDT-trades.csv", traded(30)))
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(traded(30)))
    (part,) = (ran.folder / "klines").glob("part-*.parquet")
    part.write_bytes(part.read_bytes()[:100])
    said = command("compare", ran.folder, "--klines", klines)
    assert said.exit_code == 2
    assert f"{ran.folder / 'klines'}: expected Parquet files with klines, found" in said.output


def test_every_trade_of_one_symbol_rejected_beside_another(tmp_path: Path) -> None:
    good = write_trades(tmp_path / "GNUUSDT-trades.csv", traded(31))
    ran = run(tmp_path, good, FALSE_VALID / "fv17" / "ZUSDT-aggTrades.csv")
    assert ran.exit_code == 3
    assert kinds(ran, "trades")["nothing_applied"] == "doubt"


def test_aggregates_and_raw_trades_of_one_day(tmp_path: Path) -> None:
    undated = FALSE_VALID / "fv02" / "ALFAUSDT-trades.csv.gz"
    klines = UM_DAY / "ALFAUSDT-1h-2024-05-15.zip"
    for files in ((undated, AGGREGATES), (AGGREGATES, undated), (RAW, AGGREGATES)):
        ran = run(tmp_path, *files, "--klines", klines, "--intervals=1h")
        assert ran.exit_code == 2, ran.output
        assert "ALFAUSDT" in ran.output
        assert "give one of them" in ran.output
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kept", [slice(1, 4_000), slice(9_000, None), slice(7_000, 7_040)])
def test_aggregates_and_raw_trades_that_overlap_in_part(tmp_path: Path, kept: slice) -> None:
    header, *rows = lines_of(RAW)
    raw = tmp_path / "ALFAUSDT-trades.csv.gz"
    raw.write_bytes(gzip.compress("\n".join([header, *rows[kept]]).encode()))
    header, *rows = lines_of(AGGREGATES)
    undated = tmp_path / "ALFAUSDT-aggTrades.csv"
    undated.write_text("\n".join([header, *rows]))
    for aggregates in (AGGREGATES, undated):
        ran = run(tmp_path, raw, aggregates)
        assert ran.exit_code == 2, ran.output
        assert "would count twice" in ran.output


def test_raw_trades_after_aggregates_are_taken(tmp_path: Path) -> None:
    tape = traded(33, per_minute=8)
    aggregates = [
        replace(one, id=k + 500, first_id=one.id, last_id=one.id) for k, one in enumerate(tape[:48])
    ]
    files = [
        write_aggregates(tmp_path / "GNUUSDT-aggTrades.csv", aggregates),
        write_trades(tmp_path / "GNUUSDT-trades.csv", tape[48:]),
    ]
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(tape))
    ran = run(tmp_path, *files, "--klines", klines, "--intervals=1m")
    assert ran.exit_code == 0, ran.output
    assert "12 identical" in ran.run["sentence"]


def hours_of(first: int, stop: int) -> list[OracleTrade]:
    """Return trades of each minute from one hour of the day to another."""
    minutes = (stop - first) * 60
    return traded(34, start_ns=DAY + first * HOUR, minutes=minutes, per_minute=2)


@pytest.mark.parametrize(("first", "stop"), [(0, 11), (0, 23), (5, 24), (9, 14)])
def test_a_day_cut_short(tmp_path: Path, first: int, stop: int) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-07-18.csv", hours_of(first, stop))
    ran = run(tmp_path, trades, "--intervals=1m")
    assert ran.exit_code == 3
    expected = {"starts_late": "doubt"} if first else {}
    assert kinds(ran, "files") == expected | ({"stops_early": "doubt"} if stop < 24 else {})
    # No kline is made of time of which nothing is known.
    assert f"made {(stop - first) * 60:,} final klines" in ran.run["sentence"]
    klines = candles(hours_of(0, 24))
    whole = write_klines(tmp_path / "GNUUSDT-1m-2024-07-18.csv", klines)
    other = run(tmp_path, trades, "--klines", whole, "--intervals=1m")
    assert other.exit_code in (1, 3)


@pytest.mark.parametrize(("first_id", "code"), [(9_000_001, 3), (2, 3), (1, 0), (0, 0)])
@pytest.mark.parametrize("named", [True, False])
def test_a_day_that_begins_late_on_both_sides(
    tmp_path: Path, first_id: int, code: int, named: bool
) -> None:
    """Klines cut as the trades are prove nothing; before an exchange's first trade were none."""
    start = DAY + 18 * HOUR
    tape = traded(34, start_ns=start, minutes=6 * 60, per_minute=2, first_id=first_id)
    name = "GNUUSDT-trades-2024-07-18.csv" if named else "GNUUSDT-trades.csv"
    trades = write_trades(tmp_path / name, tape)
    klines = write_klines(tmp_path / "GNUUSDT-1m-2024-07-18.csv", candles(tape))
    ran = run(tmp_path, trades, "--klines", klines, "--intervals=1m")
    assert ran.exit_code == code, ran.output
    if code:
        (left,) = [o for o in ran.run["comparison"]["not_compared"] if o["side"] == "exchange"]
        assert (left["reason"], left["klines"]) == ("begins_late", 18 * 60)
        assert "named for 1,440 klines and holds 360" in ran.run["sentence"]


def test_a_kline_file_that_lacks_both_ends_of_its_day(tmp_path: Path) -> None:
    tape = traded(34, start_ns=DAY + 18 * HOUR, minutes=30)
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", tape)
    klines = write_klines(tmp_path / "GNUUSDT-1m-2024-07-18.csv", candles(tape))
    ran = run(tmp_path, trades, "--klines", klines, "--intervals=1m")
    assert ran.exit_code == 3
    lacking = {o["reason"]: o["klines"] for o in ran.run["comparison"]["not_compared"]}
    assert lacking == {"begins_late": 18 * 60, "cut_short": 5 * 60 + 30}


def test_a_whole_day_is_not_cut_short(tmp_path: Path) -> None:
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-07-18.csv", hours_of(0, 24))
    ran = run(tmp_path, trades, "--intervals=1m")
    assert ran.exit_code == 0, ran.output
    assert kinds(ran, "files") == {}
    assert "made 1,440 final klines" in ran.run["sentence"]


def test_a_day_that_went_quiet_by_the_exchanges_klines(tmp_path: Path) -> None:
    tape = hours_of(0, 20)
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-07-18.csv", tape)
    bound = replace(tape[-1], id=tape[-1].id + 1, time_ns=DAY + 24 * HOUR + SECOND)
    rows = candles([*tape, bound])[:-1]
    assert rows[-1].close_time_ns == DAY + 24 * HOUR
    klines = write_klines(tmp_path / "GNUUSDT-1m-2024-07-18.csv", rows)
    ran = run(tmp_path, trades, "--klines", klines, "--intervals=1m")
    assert ran.exit_code == 0, ran.output
    assert kinds(ran, "files") == {"stops_early": "notice"}


@pytest.mark.parametrize("end", ["first", "last"])
def test_a_long_kline_that_says_what_lacks_bears_nothing_out(tmp_path: Path, end: str) -> None:
    """Half an hour lacks at an end of the day; the kline over it is explained by just that."""
    tape = hours_of(0, 24)
    half = HOUR // 2
    start, stop = (DAY + half, DAY + 24 * HOUR) if end == "first" else (DAY, DAY + 24 * HOUR - half)
    kept = [one for one in tape if start <= one.time_ns < stop]
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-07-18.csv", kept)
    rows = candles(tape, "4h")
    frame = write_klines(tmp_path / "GNUUSDT-4h-2024-07-18.csv", rows)
    ran = run(tmp_path, trades, "--klines", frame, "--intervals=4h")
    assert ran.exit_code == 3, ran.output
    kind = {"first": "starts_late", "last": "stops_early"}[end]
    assert kinds(ran, "files") == {kind: "doubt"}
    assert "5 identical, 1 consistent" in ran.run["sentence"]


def test_rows_outside_of_the_named_day_make_no_coverage(tmp_path: Path) -> None:
    tape = traded(35, minutes=12)
    other = write_trades(tmp_path / "GNUUSDT-trades-2024-07-20.csv", tape)
    ran = run(tmp_path, other, "--intervals=1m")
    assert ran.exit_code == 3
    found = kinds(ran, "files")
    assert found["time_outside_name"] == "doubt"
    assert found["nothing_of_named_time"] == "doubt"
    # Ticks would make two days of quiet klines of nothing.
    assert "made 12 final klines" in ran.run["sentence"]
    assert "72 of 72 rows of GNUUSDT-trades-2024-07-20.csv lie outside" in ran.output


def test_one_row_of_the_next_day(tmp_path: Path) -> None:
    tape = hours_of(0, 24)
    late = replace(tape[-1], id=tape[-1].id + 1, time_ns=DAY + 24 * HOUR + 5 * MINUTE)
    late = replace(late, first_id=late.id, last_id=late.id)
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-07-18.csv", [*tape, late])
    ran = run(tmp_path, trades, "--intervals=1m")
    assert ran.exit_code == 3
    assert kinds(ran, "files") == {"time_outside_name": "doubt"}


@pytest.mark.parametrize("side", [True, False])
def test_a_maker_flag_that_never_changes(tmp_path: Path, side: bool) -> None:
    tape = traded(36, minutes=8)
    assert {one.buyer_is_maker for one in tape} == {True, False}
    stuck = [replace(one, buyer_is_maker=side) for one in tape]
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", stuck)
    ran = run(tmp_path, trades, "--intervals=1m")
    assert ran.exit_code == 3
    assert f"in {'every' if side else 'no'} one of 48 trades the buyer is the maker" in ran.output
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(stuck))
    proved = run(tmp_path, trades, "--klines", klines, "--intervals=1m")
    assert proved.exit_code == 0, proved.output
    right = write_klines(tmp_path / "right" / "GNUUSDT-1m.csv", candles(tape))
    assert run(tmp_path, trades, "--klines", right, "--intervals=1m").exit_code == 1


@pytest.mark.parametrize("lost", [slice(20, 22), slice(30, 41), slice(3, 60)])
def test_missing_ids_and_nothing_to_compare_with(tmp_path: Path, lost: slice) -> None:
    tape = traded(37)
    kept = [one for one in tape if one not in tape[lost]]
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", kept)
    ran = run(tmp_path, trades, "--intervals=5m")
    assert ran.exit_code in (1, 3)
    assert kinds(ran, "continuity")["missing_trade_ids"] == "doubt"
    assert "trade ids are missing (" in ran.output


def test_many_single_ids_missing(tmp_path: Path) -> None:
    tape = traded(38)
    trades = write_trades(tmp_path / "GNUUSDT-trades.csv", [o for o in tape if o.id % 6])
    ran = run(tmp_path, trades, "--intervals=5m")
    assert ran.exit_code == 3
    assert kinds(ran, "continuity")["missing_trade_ids"] == "doubt"


def without(tape: list[OracleTrade], place: int) -> list[OracleTrade]:
    return tape[:place] + tape[place + 1 :]


def recorded(path: Path, tape: list[OracleTrade], *, more: dict[str, object]) -> Path:
    """Write a recording of raw trades; `more` is what tells the markets' messages apart."""
    lines = []
    for one in tape:
        time = one.time_ns // 1_000_000
        message = {"e": "trade", "E": time, "s": one.symbol, "t": one.id, "T": time}
        message |= {"p": str(one.price), "q": str(one.quantity), "m": one.buyer_is_maker} | more
        lines.append(f"{one.time_ns + 5_000_000} {json.dumps(message)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def as_aggregates(tape: list[OracleTrade]) -> list[OracleTrade]:
    """Each trade an aggregate of its own: the aggregates' numbers are not the trades'."""
    return [replace(one, id=one.id - 4_000_000) for one in tape]


def spot_rows(path: Path, tape: list[OracleTrade]) -> Path:
    """Write raw trades as the spot archive does: no header, and a column for the best match."""
    rows = []
    for one in tape:
        time, maker = one.time_ns // 1_000_000, str(one.buyer_is_maker)
        rows.append(f"{one.id},{one.price},{one.quantity},{one.quote},{time},{maker},True")
    path.write_text("\n".join(rows) + "\n")
    return path


def coinbase(path: Path, tape: list[OracleTrade]) -> Path:
    rows = ["time,trade_id,price,size,side"]
    for one in tape:
        time = datetime.fromtimestamp(one.time_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        side = "buy" if one.buyer_is_maker else "sell"
        rows.append(f"{time},{one.id},{one.price},{one.quantity},{side}")
    path.write_text("\n".join(rows) + "\n")
    return path


EVERY_ID = "this source uses every id"
RECORDED = "a recording of this source's raw trades has every id"
TOO_MUCH = "insurance fund and ADL trades, which use up an id each, do not make such gaps"
Write = Callable[[Path, list[OracleTrade]], Path]
ONE_LOST: dict[str, tuple[Write, str]] = {
    "spot": (lambda p, t: spot_rows(p / "GNUUSDT-trades.csv", t), EVERY_ID),
    "coinbase": (lambda p, t: coinbase(p / "GNUUSDT.csv", t), EVERY_ID),
    "recording": (lambda p, t: recorded(p / "r.txt", t, more={"X": "MARKET"}), RECORDED),
    "spot recording": (lambda p, t: recorded(p / "r.txt", t, more={"M": True}), EVERY_ID),
    # The aggregate's own number is missing too: no fund trade takes one of those.
    "aggregate": (lambda p, t: write_aggregates(p / "a.csv", as_aggregates(t)), TOO_MUCH),
}


@pytest.mark.parametrize("source", ONE_LOST)
def test_one_id_missing_where_the_source_uses_every_id(tmp_path: Path, source: str) -> None:
    tape = traded(41)
    write, reason = ONE_LOST[source]
    words = ("--symbol=GNUUSDT", "--intervals=5m")
    whole = run(tmp_path, write(tmp_path, tape), *words)
    assert whole.exit_code == 0, whole.output
    ran = run(tmp_path, write(tmp_path, without(tape, 20)), *words)
    assert ran.exit_code == 3, ran.output
    assert kinds(ran, "continuity")["missing_trade_ids"] == "doubt"
    assert f"1 trade id is missing (9000021); {reason}" in ran.output
    assert f"1 trade id is missing: {reason}" in ran.run["sentence"]
    assert command("inspect", write(tmp_path, without(tape, 20)), words[0]).exit_code == 1


FUND = "this source leaves out insurance fund and ADL trades, which use up an id each"
UNKNOWN = "nothing says that this source uses every id"
ONE_LEFT_OUT: dict[str, tuple[Write, str]] = {
    "archive": (lambda p, t: write_trades(p / "GNUUSDT-trades.csv", t), FUND),
    "okx": (lambda p, t: okx(p / "GNU-USDT.csv", t), UNKNOWN),
}


def okx(path: Path, tape: list[OracleTrade]) -> Path:
    rows = ["instrument_name,trade_id,side,price,size,created_time"]
    for one in tape:
        side, time = "sell" if one.buyer_is_maker else "buy", one.time_ns // 1_000_000
        rows.append(f"GNUUSDT,{one.id},{side},{one.price},{one.quantity},{time}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize("source", ONE_LEFT_OUT)
def test_one_id_missing_where_the_source_leaves_ids_out(tmp_path: Path, source: str) -> None:
    write, reason = ONE_LEFT_OUT[source]
    words = ("--symbol=GNUUSDT", "--intervals=5m")
    ran = run(tmp_path, write(tmp_path, without(traded(42), 20)), *words)
    assert ran.exit_code == 0, ran.output
    assert kinds(ran, "continuity")["missing_trade_ids"] == "notice"
    assert f"1 trade id is missing: {reason}; every check is valid." in ran.run["sentence"]


def test_one_id_as_of_a_fund_trade_is_no_doubt(tmp_path: Path) -> None:
    # The aggregates around it have numbers that follow each other.
    ran = run(tmp_path, AGGREGATES, "--intervals=1m")
    assert ran.exit_code == 0
    assert kinds(ran, "continuity")["missing_trade_ids"] == "notice"
    assert f"1 trade id is missing: {FUND}" in ran.run["sentence"]


def test_one_id_of_a_spot_trade_and_identical_klines_over_it(tmp_path: Path) -> None:
    # The exchange's klines have no trade there either.
    left = without(traded(43), 20)
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(left))
    trades = spot_rows(tmp_path / "GNUUSDT-trades.csv", left)
    ran = run(tmp_path, trades, "--klines", klines, "--intervals=1m")
    assert ran.exit_code == 0, ran.output
    # With the trade in them it was lost, whatever explains the difference.
    klines = write_klines(tmp_path / "GNUUSDT-1m.csv", candles(traded(43)))
    ran = run(tmp_path, trades, "--klines", klines, "--intervals=1m")
    assert ran.exit_code == 3, ran.output
    assert kinds(ran, "continuity")["missing_trade_ids"] == "doubt"


def test_the_longest_silence_counts_the_ends(tmp_path: Path) -> None:
    tape = traded(39, start_ns=DAY + 23 * HOUR, minutes=60)
    trades = write_trades(tmp_path / "GNUUSDT-trades-2024-07-18.csv", tape)
    ran = run(tmp_path, trades, "--intervals=1m")
    (silent,) = (one for one in ran.findings() if one["kind"] == "feed_silent")
    assert silent["evidence"]["longest_ns"] == tape[0].time_ns - DAY


def test_a_forming_last_row_stays_proved(tmp_path: Path) -> None:
    folder = CASES / "case23"
    words = (folder / "FOXUSDT-trades.csv", "--klines", folder / "FOXUSDT-1m.csv")
    ran = run(tmp_path, *words)
    assert ran.exit_code == 0, ran.output
    assert "proved_forming_row" in {one["kind"] for one in ran.findings()}


def test_recordings_that_overlap(tmp_path: Path) -> None:
    folder = CASES / "case22"
    files = [folder / "rec-a.txt", folder / "rec-b.txt"]
    ran = run(tmp_path, *files, "--klines", folder / "FOXUSDT-1m.csv", "--intervals=1m")
    assert ran.exit_code == 0, ran.output
    assert "8 identical" in ran.run["sentence"]
    assert ran.check("trades")["counts"]["duplicate"] == 17


def test_klines_of_every_interval_of_a_day_are_valid(tmp_path: Path) -> None:
    for symbol in ("ALFAUSDT", "BRAVOUSDT"):
        klines = [one for one in UM_DAY.glob(f"{symbol}-*.zip") if "rades" not in one.name]
        assert len(klines) == 15
        trades = UM_DAY / f"{symbol}-aggTrades-2024-05-15.zip"
        ran = run(tmp_path, trades, "--klines", *sorted(klines))
        assert ran.exit_code == 0, ran.output
        left = {row["reason"] for row in ran.run["comparison"]["not_compared"]}
        assert left <= {"partial", "outside", "quiet_beyond"}


@pytest.mark.parametrize("counted", [None, False, True])
def test_trades_of_a_kind_that_is_not_known(tmp_path: Path, counted: bool | None) -> None:
    """They are left out: a doubt, which the exchange's klines settle one way or the other."""
    tape = traded(91, minutes=6)
    blocks = {one.id for one in tape[3::9]}
    recording = tmp_path / "GNUUSDT-trade-stream.txt"
    recording.write_text(
        "".join(
            f'{one.time_ns // 1_000_000 + 40} {{"e":"trade","E":{one.time_ns // 1_000_000 + 3},'
            f'"T":{one.time_ns // 1_000_000},"s":"GNUUSDT","t":{one.id},"p":"{one.price}",'
            f'"q":"{one.quantity}","X":"{"BLOCK" if one.id in blocks else "MARKET"}",'
            f'"m":{str(one.buyer_is_maker).lower()}}}\n'
            for one in tape
        )
    )
    words: list[str | Path] = []
    if counted is not None:
        kept = [one for one in tape if counted or one.id not in blocks]
        words = ["--klines", write_klines(tmp_path / "GNUUSDT-1m.csv", candles(kept))]
    ran = replay(tmp_path / "run", recording, *words, "--intervals=1m", "--audit=off")
    assert ran.exit_code == (3 if counted is None else 0)
    (told,) = [one for one in ran.findings() if one["kind"] == "kind_not_known"]
    assert told["severity"] == ("doubt" if counted is None else "notice")
    assert told["evidence"]["trades"] == len(blocks)
    assert command("inspect", recording).exit_code == 3


@pytest.mark.parametrize("cut_ms", [0, 300_000, 540_000])
def test_a_short_silence_at_the_end_of_a_day_is_named_as_not_checked(
    tmp_path: Path, cut_ms: int
) -> None:
    """Trades every 20 s, without those of the last minutes of a day: no more is found of it."""
    start_ms, day_ms = 1_715_731_200_000, 86_400_000
    times = range(start_ms, start_ms + day_ms - cut_ms, 20_000)
    rows = [
        f"{n + 9},2.5,4.0,10.0,{time},{('true', 'false')[n % 2]}" for n, time in enumerate(times)
    ]
    path = tmp_path / "GNUUSDT-trades-2024-05-15.csv"
    path.write_text("\n".join(["id,price,qty,quote_qty,time,is_buyer_maker", *rows]) + "\n")
    ran = run(tmp_path, path)
    assert (ran.exit_code, kinds(ran, "files")) == (0, {})
    minutes, seconds = divmod((cut_ms + 20_000) // 1000, 60)
    text = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    expected = f"{text} without any at the end of {path.name} are taken for quiet"
    assert expected in ran.check("files")["not_checked"][-1]
    (report,) = inspect_files([path]).files
    assert (report.verdict.findings, expected in report.verdict.not_checked[-1]) == ((), True)
