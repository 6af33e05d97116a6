"""Invented run folders, so that the report is tested without a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.interval import DEFAULT_INTERVALS, Interval
from harness.kline import FIELDS
from harness.units import NS_PER_DAY, NS_PER_MINUTE, NS_PER_SECOND

DAY_NS = 1_715_731_200 * NS_PER_SECOND  # 2024-05-15
HOSTILE = ("<script>alert(1)</script>", "A&B\"'</script>\u2028USDT")
CAUSES = (
    *("fund_trade", "late_trade", "straddling_aggregate", "edge_of_recording"),
    "<img src=x onerror=alert(2)>",
)
_DECIMAL = pa.decimal128(38, 18)
_DECIMALS = [name for name in FIELDS if name != "count"]
_CLASSES = ("explained", "unexplained", "missing", "extra")


@dataclass(frozen=True)
class RunOptions:
    """What the invented run was like; `differences` counts them over all series."""

    verdict: str = "valid"
    symbols: Sequence[str] = ("ALFAUSDT", "BRAVOUSDT")
    differences: int = 0
    findings: int = 0
    exchange: bool = True
    faults: bool = False
    trades_per_proof: int = 3
    seed: int = 0


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
    _write_json(directory / "run.json", _run(klines, differences, options))
    _write_json(directory / "expectations.json", _expectations(klines, options))
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
            *(*names, *sides, ("cause", pa.string()), ("proof", pa.string())),
        ]
    )


def _timeline_schema() -> pa.Schema:
    names = [("channel", pa.string()), ("consumer", pa.string())]
    return pa.schema([*names, ("at_ns", pa.int64()), ("depth", pa.int64())])


def _differences(
    klines: list[dict[str, Any]], options: RunOptions, rng: np.random.Generator
) -> list[dict[str, Any]]:
    chosen = np.sort(rng.permutation(len(klines))[: options.differences]).tolist()
    return [_difference(klines[row], number, options) for number, row in enumerate(chosen)]


def _difference(kline: dict[str, Any], number: int, options: RunOptions) -> dict[str, Any]:
    kind = _CLASSES[number % 4] if options.verdict == "invalid" else "explained"
    row = {name: kline[name] for name in ("symbol", "interval", "open_time")}
    ours = {f"ours_{name}": kline[name] for name in FIELDS}
    changed = {"volume": Decimal("0.25"), "count": 1, "quote_volume": Decimal("15893.475")}
    theirs = {f"theirs_{name}": kline[name] + changed.get(name, 0) for name in FIELDS}
    row |= {"class": kind, "fields": ",".join(name for name in FIELDS if name in changed)}
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
    rows = []
    for consumer in ("writer", "completeness", "lifecycle"):
        for minute in range(1, 1441):
            at_ns = DAY_NS + minute * NS_PER_MINUTE
            stalled = options.faults and consumer == "writer" and 400 < minute < 460
            peak = int(rng.integers(2, 26)) + (minute - 400) * 280 * stalled
            for offset, depth in ((0, peak), (10**9, 0)):
                rows.append(
                    {
                        "channel": "klines",
                        "consumer": consumer,
                        "at_ns": at_ns + offset,
                        "depth": depth,
                    }
                )
    return rows


def _series(
    klines: list[dict[str, Any]], differences: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for kline in klines:
        key = (kline["symbol"], kline["interval"])
        row = table.setdefault(
            key,
            {"symbol": key[0], "interval": key[1], "identical": 0}
            | dict.fromkeys(("explained", "unexplained", "missing", "extra", "outside"), 0)
            | {"fields": dict.fromkeys(FIELDS, 0)},
        )
        row["identical"] += 1
    for difference in differences:
        row = table[difference["symbol"], difference["interval"]]
        row["identical"] -= 1
        row[difference["class"]] += 1
        for name in filter(None, difference["fields"].split(",")):
            row["fields"][name] += 1
    return list(table.values())


def _run(
    klines: list[dict[str, Any]], differences: list[dict[str, Any]], options: RunOptions
) -> dict[str, Any]:
    end_ns = DAY_NS + NS_PER_DAY
    series = _series(klines, differences)
    sentences = {
        "valid": f"All {len(klines)} klines are the exchange's or differ for a proved reason.",
        "invalid": f"{len(differences)} klines differ, not all for a proved reason.",
        "unknown": "Nothing to compare with, and one check could not be made.",
    }
    return {
        "schema": "kline-harness/run/1",
        "verdict": options.verdict,
        "exit_code": {"valid": 0, "invalid": 1, "unknown": 3}[options.verdict],
        "sentence": sentences[options.verdict],
        "command": "kline-harness replay ALFAUSDT-trades.zip BRAVOUSDT-trades.zip --seed 7",
        "scenario": {
            "aggregator": "exact",
            "intervals": [interval.text for interval in DEFAULT_INTERVALS],
            "clock": {"period_ns": 60_000_000_000, "grace_ns": 100_000_000, "jitter_ns": 0},
            "arrival": {"model": "constant", "delay_ns": 0},
            "note": HOSTILE[0],
        },
        "seed": 7,
        "versions": {"kline-harness": "0.1.0", "numpy": "2.4.6", "pyarrow": "26.0.1"},
        "inputs": _inputs(options, end_ns),
        "checks": _checks(klines, options),
        "ledger": _ledger(klines, options),
        "comparison": {"series": series} if options.exchange else None,
        "channels": [_channel(klines, options)],
        "series": [_series_row(klines, row["symbol"], row["interval"]) for row in series],
        "lateness": [_lateness(klines, interval.text) for interval in DEFAULT_INTERVALS],
        "transitions": _transitions(klines, options),
        "faults": _faults() if options.faults else [],
    }


def _inputs(options: RunOptions, end_ns: int) -> list[dict[str, Any]]:
    rows = []
    for number, symbol in enumerate(options.symbols):
        for role in ("trades", "klines") if options.exchange else ("trades",):
            trades = role == "trades"
            rows.append(
                {
                    "role": role,
                    "path": f"fixtures/{symbol}-{role}-2024-05-15.zip",
                    "sha256": f"{number}{role[0]}".encode().hex().ljust(64, "0"),
                    "bytes": 1_234_567,
                    "layout": "um/trades" if trades else "um/klines",
                    "market": "um",
                    "symbols": [symbol],
                    "unit": "millisecond",
                    "header": True,
                    "compression": "zip",
                    "rows": 18408,
                    "skipped": 0,
                    "first_trade_id": 5182000000 if trades else None,
                    "last_trade_id": 5182018407 if trades else None,
                    "first_event_time_ns": DAY_NS + 1_000_000,
                    "last_event_time_ns": end_ns - 5_000_000,
                    "coverage": [DAY_NS, end_ns],
                }
            )
    return rows


def _checks(klines: list[dict[str, Any]], options: RunOptions) -> list[dict[str, Any]]:
    verdict = options.verdict
    kinds = {"gap": options.findings // 3} if options.findings else {}
    return [
        {
            "check": "ledger",
            "verdict": "valid",
            "counts": {"equations": 30, "balanced": 30},
            "findings": {},
            "not_checked": [],
        },
        {
            "check": "completeness",
            "verdict": verdict,
            "counts": {"klines": len(klines), "series": 24, "quiet": 671},
            "findings": kinds,
            "not_checked": ["klines before the first final of a series", f"names: {HOSTILE[0]}"],
        },
        {
            "check": "comparison",
            "verdict": verdict,
            "counts": {"compared": len(klines)},
            "findings": {},
            "not_checked": ["klines outside of the exchange's files"],
        },
    ]


def _ledger(klines: list[dict[str, Any]], options: RunOptions) -> list[dict[str, Any]]:
    rows = []
    for number, symbol in enumerate(options.symbols):
        received = 18408 // (number + 1)
        for interval in DEFAULT_INTERVALS:
            parts = {
                "applied": received - 5,
                "late": 3,
                "duplicate": 2,
                "rejected": 0,
                "unmapped": 0,
            }
            rows.append(_equation("trades received", f"{symbol} {interval}", received, parts))
    published = len(klines)
    lost = 120 if options.faults else 0
    for consumer in ("writer", "completeness", "lifecycle"):
        missed = lost if consumer == "writer" else 0
        parts = {"delivered": published - missed, "lagged": missed}
        rows.append(_equation("klines published", consumer, published, parts))
    delivered = published - lost
    rows.append(
        _equation("klines delivered", "writer", delivered, {"written": delivered, "dropped": 0})
    )
    short = 2 if options.verdict == "invalid" else 0
    rows.append(
        _equation("klines written", "writer", delivered, {"rows on disk": delivered - short})
    )
    return rows


def _equation(law: str, subject: str, total: int, parts: dict[str, int]) -> dict[str, Any]:
    balanced = total == sum(parts.values())
    return {"law": law, "subject": subject, "total": total, "parts": parts, "balanced": balanced}


def _channel(klines: list[dict[str, Any]], options: RunOptions) -> dict[str, Any]:
    consumers = [
        {
            "name": name,
            "delivered": len(klines),
            "lagged": 120 if options.faults and name == "writer" else 0,
            "lag_events": 1 if options.faults and name == "writer" else 0,
            "depth_peak": 16384 if options.faults and name == "writer" else 25,
        }
        for name in ("writer", "completeness", "lifecycle")
    ]
    return {"name": "klines", "capacity": 16384, "sent": len(klines), "consumers": consumers}


def _series_row(klines: list[dict[str, Any]], symbol: str, interval: str) -> dict[str, Any]:
    rows = [row for row in klines if (row["symbol"], row["interval"]) == (symbol, interval)]
    return {
        "symbol": symbol,
        "interval": interval,
        "klines": len(rows),
        "quiet": sum(row["count"] == 0 for row in rows),
        "first_open_time_ns": rows[0]["open_time"] * 1000,
        "last_open_time_ns": rows[-1]["open_time"] * 1000,
    }


def _lateness(klines: list[dict[str, Any]], interval: str) -> dict[str, Any]:
    late = [
        row["finalized_at"] - row["close_time"] * 1000
        for row in klines
        if row["interval"] == interval
    ]
    quantiles = np.quantile(np.array(late), (0.5, 0.9, 0.99, 1.0)).astype(np.int64).tolist()
    names = ("p50_ns", "p90_ns", "p99_ns", "max_ns")
    return {"interval": interval, "count": len(late)} | dict(zip(names, quantiles, strict=True))


def _transitions(klines: list[dict[str, Any]], options: RunOptions) -> list[dict[str, Any]]:
    finals = len(klines)
    rows: list[tuple[str, str, str, str, int, bool]] = [
        ("absent", "opened_live", "trade", "live", finals - 700, True),
        ("absent", "opened_provisional", "tick", "provisional", 700, True),
        ("provisional", "first_trade", "trade", "live", 300, True),
        ("live", "updated", "trade", "live", 24_776, True),
        ("live", "finalized", "trade", "final", finals - 900, True),
        ("live", "finalized", "tick", "final", 500, True),
        ("provisional", "finalized", "tick", "final", 400, True),
    ]
    if options.verdict == "invalid":
        rows.append(("final", "updated", "trade", "final", 4, False))
    names = ("state", "life", "trigger", "next", "count", "legal")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _faults() -> list[dict[str, Any]]:
    start = DAY_NS + 400 * NS_PER_MINUTE
    return [
        {
            "fault": "consumer_stalled",
            "effect": {"consumer": "writer", "lagged": 120},
            "detected_by": ["ledger", "completeness"],
            "had_effect": True,
            "from_ns": start,
            "to_ns": start + 60 * NS_PER_MINUTE,
        },
        {
            "fault": "trades_dropped",
            "effect": {"trades": 0},
            "detected_by": [],
            "had_effect": False,
            "from_ns": DAY_NS + 900 * NS_PER_MINUTE,
            "to_ns": DAY_NS + 930 * NS_PER_MINUTE,
        },
    ]


def _expectations(klines: list[dict[str, Any]], options: RunOptions) -> dict[str, Any]:
    failed = options.verdict == "invalid"
    unexpected = [{"symbol": HOSTILE[0], "interval": "1m", "count": -1}] if failed else []
    return {
        "success": not failed,
        "expectations": [
            {
                "name": "expect_column_values_to_not_be_null",
                "columns": ["open_time"],
                "rule": "no open time is missing",
                "success": True,
                "unexpected_count": 0,
                "unexpected": [],
            },
            {
                "name": "expect_column_values_to_be_between",
                "columns": ["count"],
                "rule": "count is not negative",
                "success": not failed,
                "unexpected_count": len(unexpected),
                "unexpected": unexpected,
            },
        ],
    }
