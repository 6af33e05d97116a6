"""The figures of an invented run, and what it was like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from kline_harness.interval import DEFAULT_INTERVALS
from kline_harness.kline import FIELDS
from kline_harness.ledger import Equation
from kline_harness.run_record import RUN_SCHEMA
from kline_harness.units import NS_PER_DAY, NS_PER_MINUTE, NS_PER_SECOND

DAY_NS = 1_715_731_200 * NS_PER_SECOND  # 2024-05-15
HOSTILE = ("<script>alert(1)</script>", "A&B\"'</script>\u2028USDT")


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


def _series(
    klines: list[dict[str, Any]], differences: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for kline in klines:
        key = (kline["symbol"], kline["interval"])
        row = table.setdefault(
            key,
            {"symbol": key[0], "interval": key[1], "identical": 0}
            | dict.fromkeys(
                ("proved", "consistent", "unexplained", "missing", "extra", "outside"), 0
            )
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


def run_json(
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
        "schema": RUN_SCHEMA,
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
        "series": {"count": len(series), "klines": len(klines), "quiet": 671},
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


def _ledger(klines: list[dict[str, Any]], options: RunOptions) -> list[Equation]:
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
            rows.append(Equation("trades received", f"{symbol} {interval}", received, parts))
    published = len(klines)
    lost = 120 if options.faults else 0
    for consumer in ("writer", "completeness", "lifecycle"):
        missed = lost if consumer == "writer" else 0
        parts = {"delivered": published - missed, "lagged": missed}
        rows.append(Equation("klines published", consumer, published, parts))
    delivered = published - lost
    rows.append(
        Equation("klines delivered", "writer", delivered, {"written": delivered, "dropped": 0})
    )
    short = 2 if options.verdict == "invalid" else 0
    rows.append(
        Equation("klines written", "writer", delivered, {"rows on disk": delivered - short})
    )
    return rows


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


def expectations(klines: list[dict[str, Any]], options: RunOptions) -> dict[str, Any]:
    failed = options.verdict == "invalid"
    unexpected = (
        [{"symbol": HOSTILE[0], "interval": "1m", "open_time_us": DAY_NS // 1000}] if failed else []
    )
    return {
        "rows": len(klines),
        "success": not failed,
        "expectations": [
            {
                "name": "open_time_known",
                "columns": ["open_time"],
                "rule": "no open time is missing",
                "success": True,
                "unexpected_count": 0,
                "unexpected_rows": [],
            },
            {
                "name": "count_not_negative",
                "columns": ["count"],
                "rule": "count is not negative",
                "success": not failed,
                "unexpected_count": len(unexpected),
                "unexpected_rows": unexpected,
            },
        ],
    }
