"""Which public archives there are: hosts, folders, names and packing, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DAILY, MONTHLY = "daily", "monthly"
KLINES = "klines"
# Where both cover a day, raw trades make exact klines and aggregates may straddle a boundary.
TRADE_KINDS = ("trades", "aggTrades")


@dataclass(frozen=True, slots=True)
class Archive:
    """One market of an archive.

    `host` and `listing` are URLs; `listing` is answered as S3's XML or as a page of links.
    `paths` maps (data, period) to the file's path below `host`, with the placeholders {symbol},
    {interval}, {date} (2024-07-18 or 2024-07) and, for dates written otherwise, {first:%Y%m%d} and
    {last:%Y%m%d}, the days that a file begins and ends with in the codes of strftime. `checksum` is
    what a CHECKSUM file's name adds, "" where the archive has none; `intervals` are names that
    differ from ours.
    """

    source: str
    host: str
    listing: str
    listed_as: Literal["s3", "links"]
    packing: Literal["zip", "gz"]
    checksum: str
    paths: Mapping[tuple[str, str], str]
    intervals: Mapping[str, str] = field(default_factory=dict)


def _binance(folder: str) -> Archive:
    paths = {}
    for period in (DAILY, MONTHLY):
        for data in TRADE_KINDS:
            path = f"data/{folder}/{period}/{data}/{{symbol}}/{{symbol}}-{data}-{{date}}.zip"
            paths[data, period] = path
        path = f"data/{folder}/{period}/klines/{{symbol}}/{{interval}}/"
        paths[KLINES, period] = path + "{symbol}-{interval}-{date}.zip"
    return Archive(
        source="binance",
        host="https://data.binance.vision",
        listing="https://s3-ap-northeast-1.amazonaws.com/data.binance.vision",
        listed_as="s3",
        packing="zip",
        checksum=".CHECKSUM",
        paths=paths,
        intervals={"1M": "1mo"},
    )


def _bybit(paths: Mapping[tuple[str, str], str]) -> Archive:
    host = "https://public.bybit.com"
    return Archive("bybit", host, host, "links", "gz", "", paths)


# Sources: the README of the exchange's public data repository ("binance-public-data"); the pages
# of links below public.bybit.com.
ARCHIVES: Mapping[str, Archive] = {
    "spot": _binance("spot"),
    "um": _binance("futures/um"),
    "cm": _binance("futures/cm"),
    "bybit-um": _bybit({("trades", DAILY): "trading/{symbol}/{symbol}{date}.csv.gz"}),
    "bybit-spot": _bybit(
        {
            ("trades", DAILY): "spot/{symbol}/{symbol}_{date}.csv.gz",
            ("trades", MONTHLY): "spot/{symbol}/{symbol}-{date}.csv.gz",
        }
    ),
}
