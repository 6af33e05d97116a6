"""What a service stored, judged: the truth is the exchange's own kline files."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.exchange.stored import (
    MIDNIGHT,
    MINUTE,
    SYMBOLS,
    Row,
    Run,
    klines,
    stored,
    trade_times,
    trades,
    write_klagg,
)
from tests.replays import Ran, command

INTERVALS = ("1m", "5m", "1h")
WIDE: tuple[str, ...] = (
    "open_time",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "close_time",
    "quote_volume",
)
WIDE = (*WIDE, "count", "taker_buy_volume", "taker_buy_quote_volume")


def collect(folder: Path, store: Path | str, run: Run, *words: str | Path) -> Ran:
    served = run.write(folder)
    options = ("--run", served, "--out", folder / "out", "--no-report")
    return command("collect", store, *options, *words, folder=folder / "out")


def findings(ran: Ran, kind: str) -> list[dict[str, Any]]:
    return [one for one in ran.findings() if one["kind"] == kind]


def changed(row: Row, place: int, text: str) -> Row:
    return (*row[:place], text, *row[place + 1 :])


def test_a_right_store_is_valid_and_what_it_rests_on_is_said(tmp_path: Path) -> None:
    run = Run()
    tables = stored(INTERVALS, run.ended_ns)
    ran = collect(tmp_path, write_klagg(tmp_path / "klines.db", tables), run)
    assert ran.exit_code == 0, ran.output
    rows = sum(map(len, tables.values()))
    # 61 minutes: the sixth five-minute and the second hourly kline of each symbol are not over.
    assert ran.check("store")["counts"]["forming"] == 4
    assert ran.run["comparison"]["series"][0]["compared_fields"][-1] == "close_time"
    assert sum(one["identical"] for one in ran.run["comparison"]["series"]) == rows - 4
    assert "as of 2024-05-15T01:01:00Z" in ran.run["sentence"]


@pytest.mark.parametrize("field", range(1, 11))
def test_one_digit_of_any_field_is_found(tmp_path: Path, field: int) -> None:
    run = Run()
    tables = stored(INTERVALS, run.ended_ns)
    rows = tables["ALFAUSDT", "1m"]
    busy = next(k for k, row in enumerate(rows) if int(row[8]) > 1 and Decimal(row[10]))
    if field == 6:
        wrong = str(int(rows[busy][6]) - 1)
    elif field == 8:
        wrong = str(int(rows[busy][8]) + 1)
    else:
        wrong = f"{Decimal(rows[busy][field]) + Decimal('0.00000001'):f}"
    rows[busy] = changed(rows[busy], field, wrong)
    ran = collect(tmp_path, write_klagg(tmp_path / "klines.db", tables), run)
    assert ran.exit_code == 1
    (found,) = [one for one in ran.findings() if one["severity"] == "error"]
    assert found["check"] == "comparison"
    assert (found["symbol"], found["interval"]) == ("ALFAUSDT", "1m")
    assert found["open_time_ns"] == int(rows[busy][0]) * 1_000_000
    assert len(found["evidence"]["fields"]) == 1


def test_a_store_without_counts_that_differs_is_judged(tmp_path: Path) -> None:
    run = Run(symbols=SYMBOLS[:1])
    rows = [row[:6] for row in klines("ALFAUSDT", "1m", run.ended_ns)]
    wrong = next(k for k, row in enumerate(rows) if row[2] != row[3])
    rows[wrong] = changed(rows[wrong], 5, f"{Decimal(rows[wrong][5]) + 1:f}")
    # The last row may differ for other reasons than the others.
    rows[-1] = changed(rows[-1], 5, f"{Decimal(rows[-1][5]) + 1:f}")
    lines = ("open_time,open,high,low,close,volume", *(",".join(row) for row in rows))
    (tmp_path / "bars.csv").write_text("\n".join(lines) + "\n")
    words = ("--interval", "1m")
    ran = collect(tmp_path, tmp_path / "bars.csv", run, *words)
    assert ran.exit_code == 1, ran.output
    opens = {one["open_time_ns"] for one in findings(ran, "unexplained")}
    assert opens == {int(rows[k][0]) * 1_000_000 for k in (wrong, -1)}


def test_klines_that_were_never_written_are_counted_and_named(tmp_path: Path) -> None:
    run = Run()
    tables = stored(INTERVALS, run.ended_ns)
    lost = [tables["BRAVOUSDT", "1m"].pop(k) for k in (40, 17, 3)]
    ran = collect(tmp_path, write_klagg(tmp_path / "klines.db", tables), run)
    assert ran.exit_code == 1
    named = {one["open_time_ns"] for one in findings(ran, "missing")}
    assert named == {int(row[0]) * 1_000_000 for row in lost}
    assert ran.check("comparison")["counts"]["missing"] == 3


def test_a_symbol_that_was_subscribed_and_has_no_table_is_missing_whole(tmp_path: Path) -> None:
    run = Run()
    tables = {k: v for k, v in stored(("1m",), run.ended_ns).items() if k[0] == "ALFAUSDT"}
    ran = collect(tmp_path, write_klagg(tmp_path / "klines.db", tables), run)
    assert ran.exit_code == 1
    # 61 minutes, of which the last had closed for less than the 10 s that storing may take.
    assert {one["symbol"] for one in findings(ran, "missing")} == {"BRAVOUSDT"}
    assert len(findings(ran, "missing")) == 60
    assert ran.check("store")["counts"]["not_due"] == 1


def test_what_closed_just_before_the_end_is_due_only_once_it_can_be_stored(tmp_path: Path) -> None:
    run = Run()
    tables = stored(("1m",), run.ended_ns)
    for symbol in SYMBOLS:
        tables[symbol, "1m"].pop()
    store = write_klagg(tmp_path / "klines.db", tables)
    assert collect(tmp_path, store, run).exit_code == 0
    assert collect(tmp_path, store, run, "--settle", "0s").exit_code == 1


def test_phantom_bars_and_bars_left_as_they_were_forming_are_told_apart(tmp_path: Path) -> None:
    run = Run()
    tables = stored(("1m", "5m"), run.ended_ns)
    rows = tables["ALFAUSDT", "1m"]
    busy = [k for k, row in enumerate(rows) if int(row[8]) > 4][:2]
    close = rows[busy[0] - 1][4]
    flat = (rows[busy[0]][0], close, close, close, close, "0", rows[busy[0]][6], *("0",) * 5)
    opened = int(rows[busy[1]][0]) * 1_000_000
    # What the second was after its first trade alone.
    trade = next(one for one in trades("ALFAUSDT") if one.time_ns >= opened)
    raw, price, size = str(trade.raw), trade.price, trade.quantity
    quote = f"{Decimal(price) * Decimal(size):f}"
    taken = ("0", "0") if trade.buyer_is_maker else (size, quote)
    began = (rows[busy[1]][0], *(price,) * 4, size, rows[busy[1]][6], quote, raw, *taken, "0")
    rows[busy[0]], rows[busy[1]] = flat, began
    ran = collect(tmp_path, write_klagg(tmp_path / "klines.db", tables), run)
    assert ran.exit_code == 1
    (phantom,) = findings(ran, "phantom")
    assert phantom["open_time_ns"] == int(flat[0]) * 1_000_000
    (left,) = findings(ran, "left_forming")
    assert (left["open_time_ns"], left["evidence"]["after_trade"]) == (opened, trade.id)
    counts = ran.check("left_bars")["counts"]
    assert (counts["differing"], counts["otherwise"]) == (2, 0)


def test_a_silent_stream_is_named_with_its_times_and_trades(tmp_path: Path) -> None:
    run = Run(silent=("alfausdt@aggTrade",), subscribed_ns=MIDNIGHT + 10 * MINUTE)
    store = write_klagg(tmp_path / "klines.db", stored(INTERVALS, run.ended_ns))
    ran = collect(tmp_path, store, run)
    assert ran.exit_code == 1
    (found,) = findings(ran, "silent_stream")
    during = [
        t for t in trade_times("ALFAUSDT") if run.subscribed_ns < t <= run.ended_ns - 2_000_000_000
    ]
    assert found["evidence"]["trades"] == len(during)
    assert found["evidence"]["stream"] == "alfausdt@aggTrade"
    assert "2024-05-15T00:10:00Z" in found["evidence"]["sentence"]
    assert found["at_ns"] == during[0]


def test_a_stream_without_trades_is_not_silent(tmp_path: Path) -> None:
    quiet = max(pairwise(trade_times("BRAVOUSDT")), key=lambda pair: pair[1] - pair[0])
    assert quiet[1] - quiet[0] > 3 * MINUTE
    run = Run(silent=("bravousdt@aggTrade",), subscribed_ns=quiet[0], ended_ns=quiet[1] - 1)
    store = write_klagg(tmp_path / "klines.db", stored(("1m",), run.ended_ns))
    assert collect(tmp_path, store, run).exit_code == 0


@pytest.mark.parametrize(("name", "code"), [("0", 0), ("gammausdt@aggTrade", 1)])
def test_a_stream_of_nothing_is_named(tmp_path: Path, name: str, code: int) -> None:
    run = Run(others=(name,))
    store = write_klagg(tmp_path / "klines.db", stored(("1m",), run.ended_ns))
    ran = collect(tmp_path, store, run)
    assert ran.exit_code == code, ran.output
    assert findings(ran, "no_such_stream")[0]["evidence"]["stream"] == name


def test_trades_that_were_not_sent_are_counted_by_stream(tmp_path: Path) -> None:
    run = Run(lost={"alfausdt@aggTrade": 7})
    store = write_klagg(tmp_path / "klines.db", stored(INTERVALS, run.ended_ns))
    ran = collect(tmp_path, store, run)
    # The service may have filled the hole by REST: what it stored decides.
    assert ran.exit_code == 0
    (found,) = findings(ran, "fell_short")
    assert "7 of" in found["evidence"]["sentence"]


def test_a_service_that_left_early_is_named(tmp_path: Path) -> None:
    left = MIDNIGHT + 20 * MINUTE
    run = Run(closed_ns=left, closed_by="client", complete=False)
    ran = collect(tmp_path, write_klagg(tmp_path / "klines.db", stored(("1m",), left)), run)
    assert ran.exit_code == 1
    assert "left at 2024-05-15T00:20:00Z" in findings(ran, "client_left")[0]["evidence"]["sentence"]
    assert len(findings(ran, "missing")) == 80
    # As of when it left, all is there.
    ran = collect(tmp_path, tmp_path / "klines.db", run, "--as-of", "2024-05-15T00:20:00Z")
    assert ran.exit_code == 0


def test_a_rebase_is_undone(tmp_path: Path) -> None:
    run = Run(rebase_days=700)
    shift = 700 * 86_400_000
    moved = {
        key: [
            changed(changed(r, 0, str(int(r[0]) + shift)), 6, str(int(r[6]) + shift)) for r in rows
        ]
        for key, rows in stored(INTERVALS, run.ended_ns).items()
    }
    store = write_klagg(tmp_path / "klines.db", moved)
    assert collect(tmp_path, store, run).exit_code == 0
    assert collect(tmp_path, store, Run(rebase_days=699)).exit_code != 0


def test_floats_are_said_to_be_floats(tmp_path: Path) -> None:
    run = Run()
    store = write_klagg(tmp_path / "klines.db", stored(("1m",), run.ended_ns), kind="REAL")
    ran = collect(tmp_path, store, run)
    assert ran.exit_code == 0, ran.output
    assert "close" in findings(ran, "floats")[0]["evidence"]["names"]
    assert "float" in findings(ran, "floats")[0]["evidence"]["sentence"]


def wide_rows(run: Run, intervals: tuple[str, ...] = ("1m", "5m")) -> list[dict[str, str]]:
    return [
        {"symbol": symbol, "interval": interval, **dict(zip(WIDE, row, strict=False))}
        for (symbol, interval), rows in stored(intervals, run.ended_ns).items()
        for row in rows
    ]


def test_wide_tables_in_parquet_and_csv_and_columns_by_a_map(tmp_path: Path) -> None:
    run, rows = Run(), wide_rows(Run())
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "wide.parquet")
    ran = collect(tmp_path, tmp_path / "wide.parquet", run)
    assert ran.exit_code == 0, ran.output
    assert ran.check("store")["counts"]["rows"] == len(rows)
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    (tmp_path / "wide.csv").write_text("\n".join(lines) + "\n")
    assert collect(tmp_path, tmp_path / "wide.csv", run).exit_code == 0
    named = {"symbol": "market", "interval": "frame", "open_time": "began", "open": "o"}
    named |= {"high": "h", "low": "l", "close": "c", "volume": "v"}
    other = table.select(list(named)).rename_columns(list(named.values()))
    pq.write_table(other, tmp_path / "other.parquet")
    lines = [f"{ {'interval': 'timeframe'}.get(k, k) } = '{v}'" for k, v in named.items()]
    (tmp_path / "map.toml").write_text("\n".join(lines))
    ran = collect(tmp_path, tmp_path / "other.parquet", run, "--map", tmp_path / "map.toml")
    assert ran.exit_code == 0, ran.output
    assert set(findings(ran, "fields_of_one_side")[0]["evidence"]["names"]) >= {"count"}
    assert "count" in ran.run["sentence"]


def test_a_captured_stream_of_klines_is_a_store(tmp_path: Path) -> None:
    run, lines = Run(), []
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q")
    for (symbol, interval), rows in stored(("1m",), run.ended_ns).items():
        for row in rows:
            values = dict(zip(names, row, strict=False))
            kline = {k: int(v) if k in "tTn" else v for k, v in values.items()}
            for closed in (False, True):
                k = {**kline, "s": symbol, "i": interval, "x": closed}
                data = {"e": "kline", "E": int(row[6]), "s": symbol, "k": k}
                lines.append(json.dumps({"stream": f"{symbol.lower()}@kline_1m", "data": data}))
    (tmp_path / "capture.jsonl").write_text("\n".join(lines) + "\n")
    ran = collect(tmp_path, tmp_path / "capture.jsonl", run)
    assert ran.exit_code == 0, ran.output
    assert ran.check("store")["counts"]["rows"] == len(lines)
    assert ran.check("store")["counts"]["forming"] == len(lines) // 2


def test_what_was_overwritten_is_seen_between_snapshots(tmp_path: Path) -> None:
    run = Run()
    early, late = stored(("1m",), MIDNIGHT + 30 * MINUTE), stored(("1m",), run.ended_ns)
    before = write_klagg(tmp_path / "at-30.db", early)
    rows = late["ALFAUSDT", "1m"]
    busy = next(k for k, row in enumerate(rows) if row[2] != row[3])
    rows[busy] = changed(rows[busy], 4, rows[busy][3 if rows[busy][4] == rows[busy][2] else 2])
    del rows[busy + 1]
    ran = collect(tmp_path, write_klagg(tmp_path / "end.db", late), run, "--snapshot", before)
    assert ran.exit_code == 1
    assert [one["open_time_ns"] for one in findings(ran, "overwritten")] == [
        MIDNIGHT + busy * MINUTE
    ]
    assert [one["open_time_ns"] for one in findings(ran, "gone")] == [
        MIDNIGHT + (busy + 1) * MINUTE
    ]


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "", "-1", "1,5", "0x10", "1.0000000000000000001", "1e21"]
)
def test_a_row_that_is_no_kline_is_named(tmp_path: Path, text: str) -> None:
    run = Run()
    tables = stored(("1m",), run.ended_ns)
    tables["ALFAUSDT", "1m"][7] = changed(tables["ALFAUSDT", "1m"][7], 5, text)
    ran = collect(tmp_path, write_klagg(tmp_path / "klines.db", tables), run)
    assert ran.exit_code == 1
    (found,) = findings(ran, "no_kline")
    assert (found["evidence"]["row"], found["evidence"]["column"]) == (8, "volume")
    assert [one["open_time_ns"] for one in findings(ran, "missing")] == [MIDNIGHT + 7 * MINUTE]


def test_doubled_rows_are_an_error_where_they_differ(tmp_path: Path) -> None:
    run, rows = Run(), wide_rows(Run(), ("1m",))
    same, other = dict(rows[3]), {**rows[4], "close": rows[4]["high"], "low": "1"}
    pq.write_table(pa.Table.from_pylist([*rows, same]), tmp_path / "same.parquet")
    ran = collect(tmp_path, tmp_path / "same.parquet", run)
    assert ran.exit_code == 0
    assert len(findings(ran, "doubled_row")) == 1
    pq.write_table(pa.Table.from_pylist([other, *rows]), tmp_path / "other.parquet")
    ran = collect(tmp_path, tmp_path / "other.parquet", run)
    assert ran.exit_code == 1
    assert len(findings(ran, "doubled_row_differs")) == 1


def test_an_archive_that_was_changed_since_is_refused(tmp_path: Path) -> None:
    store = write_klagg(tmp_path / "klines.db", stored(("1m",), Run().ended_ns))
    served = Run().write(tmp_path)
    served.write_text(served.read_text().replace('"sha256": "', '"sha256": "00'))
    ran = command("collect", store, "--run", served, "--out", tmp_path / "out")
    assert ran.exit_code == 2
    assert "expected the archive that was served, of sha256 00" in ran.output
    assert not (tmp_path / "out").exists()


def test_an_empty_store_is_no_valid_one(tmp_path: Path) -> None:
    empty = write_klagg(tmp_path / "empty.db", {("ALFAUSDT", "1m"): []})
    assert collect(tmp_path, empty, Run()).exit_code == 2
    ran = collect(tmp_path, empty, Run(), "--intervals", "1m")
    assert ran.exit_code == 1
    assert ran.check("comparison")["counts"]["missing"] == 120


def test_klines_from_before_the_service_began_are_not_due(tmp_path: Path) -> None:
    run = Run(subscribed_ns=MIDNIGHT + 30 * MINUTE + 1)
    after = {key: rows[31:] for key, rows in stored(("1m",), run.ended_ns).items()}
    assert collect(tmp_path, write_klagg(tmp_path / "after.db", after), run).exit_code == 0
    # The minute in which it subscribed is whole only for who filled it up.
    hole = {key: rows[32:] for key, rows in stored(("1m",), run.ended_ns).items()}
    assert collect(tmp_path, write_klagg(tmp_path / "hole.db", hole), run).exit_code == 1


def test_the_report_of_a_store_is_a_page(tmp_path: Path) -> None:
    run = Run()
    store = write_klagg(tmp_path / "klines.db", stored(INTERVALS, run.ended_ns))
    words = ("collect", store, "--run", run.write(tmp_path), "--out", tmp_path / "out")
    assert command(*words).exit_code == 0
    assert "klines.db" in (tmp_path / "out" / "report.html").read_text()
    assert len(klines("ALFAUSDT", "1m", run.ended_ns)) == 61
