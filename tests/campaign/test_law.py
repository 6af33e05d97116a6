"""A symbol's days, digested one by one and folded, are one replay of the symbol, to the byte."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.campaign.day_cache import DayCache, Reading
from kline_harness.campaign.digest import Digest, NeedsTrades, digest_of
from kline_harness.campaign.summary import EdgeTrade, TradeSummary, fold
from kline_harness.campaign.symbol_run import replay_symbol, takes_digests, why_trades
from kline_harness.columns import Instrument, concat
from kline_harness.errors import ContractError
from kline_harness.expectations import InProcessExpectations
from kline_harness.interval import INTERVALS, parse_intervals
from kline_harness.ranges import RangeSet
from kline_harness.replay import Scenario, replay
from kline_harness.replay.scenario_file import decode_scenario
from kline_harness.replay.tallies import COLUMNS
from kline_harness.tape import Tape

from tests.campaign.days import Row, folder_bytes, rows_of, start_ms, write_days

QUICK = Scenario(expectations=False)
COMMAND = "kline-harness replay"
MINUTE_MS = 60_000
KLINES = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)


def same_as_one_replay(
    tmp_path: Path,
    days: Sequence[Sequence[Row]],
    scenario: Scenario = QUICK,
    klines: Sequence[Path] = (),
    *,
    needs_trades: str | None = None,
    report: bool = False,
) -> None:
    """Hold the folded run to one replay of all files; `needs_trades` begins the reason why."""
    paths = write_days(tmp_path / "data", "ALFAUSDT", days)
    replay(
        scenario,
        paths,
        klines,
        tmp_path / "one",
        command=COMMAND,
        report=report,
        expectations=InProcessExpectations,
    )
    cache = DayCache(tmp_path / "cache")
    reading = Reading(Reading.frame_of(scenario.intervals))
    # The order in which days are digested is nobody's business.
    shuffled = Random(str(days)).sample(paths, len(paths))
    known = {path: cache.day(path, reading) for path in shuffled}
    why = why_trades(scenario, list(known.values()))
    assert (why or "").startswith(needs_trades or "")
    assert (why is None) == (needs_trades is None)
    replay_symbol(
        scenario,
        paths,
        [known[path] for path in paths],
        klines,
        tmp_path / "folded",
        cache,
        command=COMMAND,
        report=report,
    )
    one, folded = folder_bytes(tmp_path / "one"), folder_bytes(tmp_path / "folded")
    assert list(one) == list(folded)
    assert [name for name in one if one[name] != folded[name]] == []
    assert any(name.startswith("klines/") for name in one)


def minute_klines(path: Path, rows: Sequence[Row], wrong: int) -> Path:
    """Write the 1m klines of a day's rows, one of them with a count that is wrong."""
    minutes: dict[int, list[Row]] = {}
    for row in rows:
        minutes.setdefault(row.time_ms // MINUTE_MS, []).append(row)
    lines = [KLINES]
    for place, (minute, mine) in enumerate(sorted(minutes.items())):
        prices = [row.cents for row in mine]
        volume = sum(row.thousandths for row in mine)
        quote = sum(row.cents * row.thousandths for row in mine)
        takers = [row for row in mine if not row.maker]
        values = [
            str(minute * MINUTE_MS),
            *(f"{cents / 100:.2f}" for cents in (prices[0], max(prices), min(prices), prices[-1])),
            f"{volume / 1000:.3f}",
            str((minute + 1) * MINUTE_MS - 1),
            f"{quote // 100_000}.{quote % 100_000:05d}",
            str(len(mine) + (place == wrong)),
            f"{sum(row.thousandths for row in takers) / 1000:.3f}",
            "{}.{:05d}".format(*divmod(sum(r.cents * r.thousandths for r in takers), 100_000)),
            "0",
        ]
        lines.append(",".join(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


@given(
    seed=st.integers(0, 10**6),
    days=st.integers(1, 4),
    per_day=st.sampled_from((0, 1, 7, 300)),
    id_jumps=st.sampled_from((0, 3, 40)),
    intervals=st.sampled_from(("1m,5m,1h,1d", "1m,3d,1w,1M", "3m,5m", "1d")),
)
@settings(max_examples=6, deadline=None)
def test_any_days_folded_are_one_replay(
    tmp_path_factory: pytest.TempPathFactory, intervals: str, **drawn: Any
) -> None:
    place = tmp_path_factory.mktemp("law")
    scenario = replace(QUICK, intervals=parse_intervals(intervals))
    days = rows_of(**{**drawn, "seed": str(drawn["seed"])})
    same_as_one_replay(place, days, scenario)


def test_seconds_are_looked_into_where_klines_of_seconds_are_made(tmp_path: Path) -> None:
    scenario = replace(QUICK, intervals=parse_intervals("1s,1m,1h"))
    same_as_one_replay(tmp_path, rows_of("seconds", 1, 900), scenario)


def test_klines_of_seconds_to_compare_with_ask_for_the_trades(tmp_path: Path) -> None:
    days = rows_of("frame", 1, 60)
    klines = minute_klines(tmp_path / "ALFAUSDT-1s-2024-07-01.csv", days[0][:1], -1)
    text = klines.read_text().replace("59999,", "00999,")
    klines.write_text(text)
    same_as_one_replay(tmp_path, days, QUICK, [klines])


def test_with_the_suite_and_the_page(tmp_path: Path) -> None:
    same_as_one_replay(tmp_path, rows_of("page", 2, 500), Scenario(), report=True)


def test_a_day_without_a_file_and_a_silent_one(tmp_path: Path) -> None:
    days = rows_of("gap", 5, 100)
    days[1] = []
    days[3] = [row for row in days[3] if row.time_ms % 86_400_000 < 3_600_000]
    same_as_one_replay(tmp_path, days)


def test_differences_are_explained_by_the_trades_themselves(tmp_path: Path) -> None:
    days = rows_of("klines", 3, 400)
    klines = [
        minute_klines(tmp_path / f"ALFAUSDT-1m-2024-07-0{n + 1}.csv", rows, 40 if n == 1 else -1)
        for n, rows in enumerate(days)
    ]
    same_as_one_replay(tmp_path, days, QUICK, klines)
    assert (tmp_path / "one" / "differences.parquet").stat().st_size > 0


def test_a_repeated_trade_is_read_again(tmp_path: Path) -> None:
    days = rows_of("twice", 3, 100)
    days[1].insert(50, days[1][49])
    same_as_one_replay(tmp_path, days, needs_trades="trades that are not plain")


def test_a_trade_of_another_day_s_id_is_read_again(tmp_path: Path) -> None:
    days = rows_of("again", 3, 100)
    days[2][10] = replace(days[2][10], trade_id=days[0][10].trade_id)
    same_as_one_replay(tmp_path, days, needs_trades="trades that are not plain")
    days = rows_of("falls", 3, 100)
    days[2] = [replace(row, trade_id=row.trade_id - 150) for row in days[2]]
    same_as_one_replay(tmp_path / "falls", days, needs_trades="trades ")


def test_other_clocks(tmp_path: Path) -> None:
    days = rows_of("clock", 2, 700)
    start = start_ms(0) * 1_000_000
    missed = {"from": start + 10**12, "until": start + 4 * 10**12}
    clock = {"period": "7s", "grace": "0s", "sync_delay": "80ms", "missed": [missed]}
    scenario = decode_scenario({"expectations": False, "clock": clock}, "test")
    same_as_one_replay(tmp_path, days, scenario)


# Sums of floats are not the sums of the trades.
FLOATS = pytest.param("aggregator = 'klagg'", marks=pytest.mark.unbalanced)


OUTAGE = "[[outages]]\nfrom = 2024-07-01T10:00:00Z\nuntil = 2024-07-01T11:00:00Z"


@pytest.mark.parametrize("text", [FLOATS, OUTAGE])
def test_other_subjects_get_every_trade(tmp_path: Path, text: str) -> None:
    scenario = decode_scenario({**tomllib.loads(text), "expectations": False}, "test")
    days = rows_of("hidden", 2, 60)
    same_as_one_replay(tmp_path, days, scenario, needs_trades="the scenario")


def tape_of(rows: Sequence[Row]) -> Tape:
    def column(values: Sequence[int]) -> Any:
        return np.array(values, dtype=np.int64)

    return Tape.of(
        Instrument.of("ALFAUSDT", 2, 3),
        trade_id=column([row.trade_id for row in rows]),
        price=column([row.cents for row in rows]),
        quantity=column([row.thousandths for row in rows]),
        event_time_ns=column([row.time_ms * 1_000_000 for row in rows]),
        buyer_is_maker=np.array([row.maker for row in rows], dtype=np.bool_),
    )


def minutes_of(tape: Tape) -> dict[int, list[int]]:
    """By minute, counted one row after the other: prices, sums by side, ids, the first instant."""
    found: dict[int, list[int]] = {}
    names = ("event_time_ns", "price", "quantity", "quote", "first_id", "last_id")
    for *numbers, maker in zip(
        *(getattr(tape, name).tolist() for name in names), tape.buyer_is_maker.tolist(), strict=True
    ):
        at, price, quantity, quote, first, last = numbers
        one = found.setdefault(
            at // 60_000_000_000, [at, price, price, price, 0, 0, 0, 0, 0, 0, first, 0]
        )
        one[1:4] = [max(one[1], price), min(one[2], price), price]
        one[4 + maker] += quantity
        one[6 + maker] += quote
        one[8] += last - first + 1
        one[9], one[11] = at, last
    return found


@given(st.integers(0, 10**6), st.integers(0, 400), st.integers(0, 4))
@settings(max_examples=15, deadline=None)
def test_a_digest_is_its_trades_by_the_minute(seed: int, cut: int, jumps: int) -> None:
    rows = rows_of(str(seed), 1, 400, id_jumps=jumps and 10**jumps)[0]
    # Dense enough for minutes of many trades.
    rows = [replace(row, time_ms=start_ms(0) + (row.time_ms - start_ms(0)) // 60) for row in rows]
    tape = tape_of(rows)
    parts = [digest_of(part, INTERVALS[1]) for part in (tape[:cut], tape[cut:])]
    kept = [part for part in parts if part is not None]
    whole = concat(kept)
    assert isinstance(whole, Digest)
    assert int(whole.rows.sum()) == len(tape)
    assert minutes_of(whole) == minutes_of(tape)
    if not jumps:
        assert len(whole) <= 6 * (len(minutes_of(tape)) + 1)
    # No time between two rows in different minutes is lost, and no id is.
    ids = [i for a, b in zip(whole.trade_id, whole.id_stops(), strict=True) for i in range(a, b)]
    assert ids == tape.trade_id.tolist()


def test_a_damaged_digest_is_made_again(tmp_path: Path) -> None:
    paths = write_days(tmp_path / "data", "ALFAUSDT", rows_of("damage", 2, 3_000))
    replay(QUICK, paths, [], tmp_path / "one", command=COMMAND, report=False)
    cache, reading = DayCache(tmp_path / "cache"), Reading()
    days = [cache.day(path, reading) for path in paths]
    stored = next((tmp_path / "cache").glob(f"??/{days[1].key}.parquet"))
    data = bytearray(stored.read_bytes())
    data[len(data) // 3] ^= 0x55
    stored.write_bytes(data)
    replay_symbol(QUICK, paths, days, [], tmp_path / "folded", cache, command=COMMAND, report=False)
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "folded")
    assert not stored.exists()
    again = cache.day(paths[1], reading)
    assert again.summary == days[1].summary
    assert int(cache.digest(again.key).rows.sum()) == again.summary.trades
    stored.write_bytes(data[:100])
    assert cache.day(paths[1], reading).summary == days[1].summary


def test_what_is_not_plain_has_no_digest() -> None:
    rows = rows_of("plain", 1, 50)[0]
    tape = tape_of(rows)
    changes: list[dict[str, Any]] = [
        {"kind": np.array([0] * 5 + [1] + [0] * (len(tape) - 6), dtype=np.int8)},
        {"arrival_ns": tape.event_time_ns + 1},
        {"trade_id": tape.trade_id[::-1]},
        {"event_time_ns": tape.event_time_ns[::-1], "arrival_ns": tape.event_time_ns[::-1]},
        {"first_id": tape.first_id - 1},
        {"last_id": tape.last_id + 1},
        {"price": tape.price.astype(object)},
    ]
    assert digest_of(tape, INTERVALS[1]) is not None
    for change in changes:
        assert digest_of(tape.with_columns(change), INTERVALS[1]) is None, list(change)


def test_rows_of_several_trades_are_no_single_trades() -> None:
    tape = tape_of([Row(n, 100, 1, start_ms(0) + n, True) for n in range(5)])
    digest = digest_of(tape, INTERVALS[1])
    assert isinstance(digest, Digest)
    assert digest.rows.tolist() == [4, 1]
    assert digest[1:].single() is not None
    with pytest.raises(NeedsTrades):
        digest.single()
    seen = RangeSet()
    assert digest.note_ids(seen).all()
    with pytest.raises(ContractError, match="share ids"):
        digest.note_ids(seen)


EDGES = st.builds(
    EdgeTrade, st.integers(0, 9), *(st.integers(0, 9) for _ in range(3)), st.just("1")
)
SUMMARIES = st.one_of(
    st.just(TradeSummary()),
    st.builds(
        TradeSummary,
        *(st.integers(0, 99) for _ in range(3)),
        EDGES,
        EDGES,
        st.builds(lambda n: dict.fromkeys(COLUMNS, n), st.integers(0, 10**30)),
        st.sampled_from(((), ("a",), ("b", "c"))),
    ),
)


@given(st.lists(SUMMARIES, max_size=6), st.data())
def test_summaries_add_up_however_they_are_bracketed(parts: list[TradeSummary], data: Any) -> None:
    left = fold(parts)
    while len(parts) > 1:
        place = data.draw(st.integers(0, len(parts) - 2))
        parts = [*parts[:place], parts[place] + parts[place + 1], *parts[place + 2 :]]
    whole = parts[0] if parts else TradeSummary()
    assert sorted(whole.odd) == sorted(left.odd)
    assert replace(whole, odd=()) == replace(left, odd=())
    assert TradeSummary() + whole == whole == whole + TradeSummary()
    assert TradeSummary.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole


@pytest.mark.parametrize(
    "text", ["fidelity = 'trade'", "shutdown = 2024-07-01T10:00:00Z", "silence_max = 100"]
)
def test_scenarios_that_strike_single_trades_take_no_digests(text: str) -> None:
    assert takes_digests(decode_scenario({}, "test"))
    assert not takes_digests(decode_scenario(tomllib.loads(text), "test"))
