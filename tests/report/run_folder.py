"""Invented run folders, so that the report is tested without a run."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from kline_harness.interval import DEFAULT_INTERVALS, Interval
from kline_harness.kline import FIELDS
from kline_harness.run_record import LEDGER_FILE, ledger_sums, write_ledger
from kline_harness.units import NS_PER_MINUTE

from tests.report.run_figures import DAY_NS, RunOptions, expectations, run_json
from tests.run_files import put_run

CAUSES = (
    *("fund_trade", "late_trade", "straddling_aggregate", "edge_of_recording"),
    "<img src=x onerror=alert(2)>",
)
_DECIMAL = pa.decimal128(38, 18)
_DECIMALS = [name for name in FIELDS if name != "count"]
_CLASSES = ("proved", "consistent", "unexplained", "missing", "extra")


def write_run(directory: Path, options: RunOptions) -> Path:
    """Write a run folder and return it."""
    (directory / "klines").mkdir(parents=True)
    rng = np.random.default_rng(options.seed)
    klines = [
        row
        for number, symbol in enumerate(options.symbols)
        for row in _day(symbol, 60_000 / 10**number, rng)
    ]
    differences = _differences(klines, options, rng)
    missing = {_key(row) for row in differences if row["class"] == "missing"}
    stored = [row for row in klines if _key(row) not in missing]
    _write(directory / "klines/part-00000.parquet", stored, _kline_schema())
    if options.exchange:
        _write(directory / "differences.parquet", differences, _difference_schema())
    figures = run_json(klines, differences, options)
    laws = figures.pop("ledger")
    write_ledger(directory / LEDGER_FILE, laws)
    put_run(directory, figures | {"ledger": ledger_sums(laws)})
    _write_json(directory / "expectations.json", expectations(klines, options))
    lines = [json.dumps(_finding(klines, number)) for number in range(options.findings)]
    (directory / "findings.ndjson").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    _write(directory / "timeline.parquet", _timeline(options, rng), _timeline_schema())
    _write_json(directory / "timings.json", {"wall_s": 1.234})
    return directory


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["symbol"], row["interval"], row["open_time"]


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def _write(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    columns = [
        pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names
    ]
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, compression="zstd")


def _day(symbol: str, price: float, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return a day of klines of all intervals, as rows with exact numbers."""
    count = rng.poisson(8, 1440) * (rng.random(1440) > 0.15)
    step = np.where(count > 0, rng.normal(0, price * 4e-4, 1440), 0)
    close = np.round((price + np.cumsum(step)) * 100).astype(np.int64)
    open_ = np.append(np.int64(price * 100), close[:-1])
    reach = np.where(count > 0, rng.exponential(price * 2e-4, 1440) * 100, 0).astype(np.int64)
    minute = {
        "open": open_,
        "high": np.maximum(open_, close) + reach,
        "low": np.minimum(open_, close) - reach,
        "close": close,
        "volume": count * rng.integers(1, 900, 1440),
        "count": count.astype(np.int64),
    }
    late = np.where(
        rng.random(1440) < 0.8, rng.exponential(0.3e9, 1440), rng.exponential(4e9, 1440)
    )
    return [
        row for interval in DEFAULT_INTERVALS for row in _rolled(symbol, interval, minute, late)
    ]


def _rolled(
    symbol: str, interval: Interval, minute: dict[str, Any], late: Any
) -> list[dict[str, Any]]:
    length = (interval.length_ns or 0) // NS_PER_MINUTE
    rows = []
    for at in range(0, 1440, length):
        part = {name: column[at : at + length] for name, column in minute.items()}
        volume, trades = int(part["volume"].sum()), int(part["count"].sum())
        quote = int((part["volume"] * part["close"]).sum())
        close_ns = DAY_NS + (at + length) * NS_PER_MINUTE
        rows.append(
            {
                "symbol": symbol,
                "interval": interval.text,
                "open_time": (DAY_NS + at * NS_PER_MINUTE) // 1000,
                "close_time": close_ns // 1000,
                "open": Decimal(int(part["open"][0])).scaleb(-2),
                "high": Decimal(int(part["high"].max())).scaleb(-2),
                "low": Decimal(int(part["low"].min())).scaleb(-2),
                "close": Decimal(int(part["close"][-1])).scaleb(-2),
                "volume": Decimal(volume).scaleb(-3),
                "quote_volume": Decimal(quote).scaleb(-5),
                "taker_buy_volume": Decimal(volume // 2).scaleb(-3),
                "taker_buy_quote_volume": Decimal(quote // 2).scaleb(-5),
                "count": trades,
                "first_trade_id": 1000 + at if trades else -1,
                "last_trade_id": 1000 + at + trades if trades else -1,
                "finalized_at": close_ns + int(late[(at + length - 1) % 1440]),
                "trigger": "trade" if late[at] < 1e9 else "tick",
            }
        )
    return rows


def _kline_schema() -> pa.Schema:
    text = pa.dictionary(pa.int32(), pa.string())
    us = pa.timestamp("us", tz="UTC")
    return pa.schema(
        [
            *(("symbol", text), ("interval", text), ("open_time", us), ("close_time", us)),
            *((name, _DECIMAL) for name in _DECIMALS),
            *((name, pa.int64()) for name in ("count", "first_trade_id", "last_trade_id")),
            *(("finalized_at", pa.timestamp("ns", tz="UTC")), ("trigger", text)),
        ]
    )


def _difference_schema() -> pa.Schema:
    text = pa.dictionary(pa.int32(), pa.string())
    sides = [
        (f"{side}_{name}", pa.int64() if name == "count" else _DECIMAL)
        for side in ("ours", "theirs")
        for name in FIELDS
    ]
    names = (("class", text), ("fields", pa.string()))
    return pa.schema(
        [
            *(("symbol", text), ("interval", text), ("open_time", pa.timestamp("us", tz="UTC"))),
            *(*names, *sides),
            *((name, pa.string()) for name in ("cause", "proof", "trades")),
        ]
    )


def _timeline_schema() -> pa.Schema:
    names = [(name, pa.string()) for name in ("channel", "consumer", "event")]
    return pa.schema([*names, ("at_ns", pa.int64()), ("count", pa.int64())])


def _differences(
    klines: list[dict[str, Any]], options: RunOptions, rng: np.random.Generator
) -> list[dict[str, Any]]:
    chosen = np.sort(rng.permutation(len(klines))[: options.differences]).tolist()
    return [_difference(klines[row], number, options) for number, row in enumerate(chosen)]


def _difference(kline: dict[str, Any], number: int, options: RunOptions) -> dict[str, Any]:
    kind = _CLASSES[number % 5] if options.verdict == "invalid" else "proved"
    row = {name: kline[name] for name in ("symbol", "interval", "open_time")}
    ours = {f"ours_{name}": kline[name] for name in FIELDS}
    changed = {"volume": Decimal("0.25"), "count": 1, "quote_volume": Decimal("15893.475")}
    theirs = {f"theirs_{name}": kline[name] + changed.get(name, 0) for name in FIELDS}
    row |= {"class": kind, "fields": ",".join(name for name in FIELDS if name in changed)}
    if kind not in ("proved", "consistent"):
        row["trades"] = json.dumps(_trades(options.trades_per_proof, number))
    if kind == "missing":
        return row | theirs | {"fields": ""}
    if kind == "extra":
        return row | ours | {"fields": ""}
    row |= ours | theirs
    if kind == "unexplained":
        return row
    proof = {
        "counterfactual": "with these trades applied, all nine fields are equal",
        "trades": [
            {"id": 5182009434 + trade, "price": "63573.90", "quantity": "0.083", "side": "buy"}
            for trade in range(options.trades_per_proof)
        ],
    }
    return row | {"cause": CAUSES[number % len(CAUSES)], "proof": json.dumps(proof)}


def _trades(count: int, number: int) -> dict[str, Any]:
    listed = [
        {
            "id": 7_000_000_000 + 1_000 * number + place,
            "time_ns": DAY_NS + place * 10**9,
            "price": "63573.90",
            "quantity": "0.083",
            "taker": "sell",
            "became": "applied",
        }
        for place in range(count)
    ]
    return {"trades": 2 * count, "applied": 2 * count, "listed": listed}


def _finding(klines: list[dict[str, Any]], number: int) -> dict[str, Any]:
    kline = klines[number * 7 % len(klines)]
    return {
        "check": "completeness",
        "kind": ("gap", "ohlc_order", "quiet_not_level")[number % 3],
        "severity": ("error", "doubt", "notice")[number % 3],
        "symbol": kline["symbol"],
        "interval": kline["interval"],
        "open_time_ns": kline["open_time"] * 1000,
        "at_ns": kline["finalized_at"],
        "evidence": {"expected": "2024-05-15 00:01:00", "missing": number, "note": "</script>"},
    }


def _timeline(options: RunOptions, rng: np.random.Generator) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []

    def add(consumer: str, event: str, at_ns: int, count: int) -> None:
        told = {"channel": "klines", "consumer": consumer, "event": event}
        rows.append({**told, "at_ns": at_ns, "count": count})

    for consumer in ("writer", "completeness", "lifecycle"):
        for minute in range(1, 1441):
            at_ns = DAY_NS + minute * NS_PER_MINUTE
            stalled = options.faults and consumer == "writer" and 400 < minute < 460
            peak = int(rng.integers(2, 26)) + (minute - 400) * 280 * stalled
            for offset, depth in ((0, peak), (10**9, 0)):
                add(consumer, "depth", at_ns + offset, depth)
            if consumer == "writer" and not stalled:
                add(consumer, "flush", at_ns + 10**9, peak)
    if options.faults:
        add("writer", "lag", DAY_NS + 460 * NS_PER_MINUTE, 120)
    return rows
