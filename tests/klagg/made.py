"""From the data of a defect to files: a recording of its trades, and its two scenarios."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kline_harness.tape import TradeKind

from tests.feeds import TradeSpec, at, items
from tests.klagg.defects import DEFECTS, Defect

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "klagg"
REPLAYED = tuple(defect for defect in DEFECTS if defect.trades)
_INSTANT = re.compile(r"<([\d:.]+)>")
_MS = 1_000_000


def files_of(defect: Defect) -> dict[str, str]:
    """Return the contents of a defect's files by name."""
    stem = defect.name.lower()
    return {
        f"{stem}.txt": recording(defect.trades),
        f"{stem}.toml": scenario(defect, on=True),
        f"{stem}-off.toml": scenario(defect, on=False),
    }


def every_file() -> dict[str, str]:
    """Return the contents of all files by name, with the papers of the folder."""
    made = {name: text for defect in REPLAYED for name, text in files_of(defect).items()}
    listing = {
        name: {
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            "rows": text.count("\n") if name.endswith(".txt") else 0,
        }
        for name, text in sorted(made.items())
    }
    about = {
        "name": FOLDER.name,
        "what": "Known defects of klagg, each as a recording of a few trades "
        "and two scenarios, with it and without it.",
        "how_made": "scripts/make_defects",
        "licence": "CC0-1.0",
        "files": listing,
    }
    return made | {"metadata.json": json.dumps(about, indent=2) + "\n"}


def recording(text: str) -> str:
    """Return trades as a recorded stream of aggregate trades."""
    trades = [item for item in items(text) if isinstance(item, TradeSpec)]
    return "".join(_line(trade) + "\n" for trade in trades)


def _line(trade: TradeSpec) -> str:
    first = trade.trade_id if trade.first_id is None else trade.first_id
    last = trade.trade_id if trade.last_id is None else trade.last_id
    if trade.kind is TradeKind.SENTINEL:
        first = last = -1
    time_ms = trade.event_time_ns // _MS
    data = {
        "e": "aggTrade",
        "E": time_ms,
        "s": trade.symbol,
        "a": trade.trade_id,
        "p": trade.price,
        "q": trade.quantity,
        "f": first,
        "l": last,
        "T": time_ms,
        "m": trade.buyer_is_maker,
    }
    envelope = {"stream": f"{trade.symbol.lower()}@aggTrade", "data": data}
    return f"{trade.arrival_ns} {json.dumps(envelope, separators=(',', ':'))}"


def scenario(defect: Defect, *, on: bool) -> str:
    """Return a defect's scenario, with it or without it."""
    what = "" if on else "without: "
    lines = [f"# {defect.name}, {what}{defect.sentence}", 'aggregator = "klagg"']
    lines += ["# Receiver and exchange have one clock.", "clock_offset = 0", defect.head, ""]
    tables = [defect.tables, defect.on if on else defect.off]
    if defect.quirks is not None:
        quirks = f"quirks = {defect.quirks[0] if on else defect.quirks[1]}\n"
        text = "".join(tables)
        if "[klagg]\n" in text:
            tables = [text.replace("[klagg]\n", "[klagg]\n" + quirks)]
        else:
            tables.append("[klagg]\n" + quirks)
    if "[clock]\n" not in "".join(tables):
        tables.append('[clock]\ngrace = "110ms"\n')
    elif "grace" not in "".join(tables):
        tables = ["".join(tables).replace("[clock]\n", '[clock]\ngrace = "110ms"\n')]
    return instants("\n".join(lines) + "\n" + _apart("".join(tables)))


def _apart(tables: str) -> str:
    return re.sub(r"\n\[", "\n\n[", tables)


def instants(text: str) -> str:
    """Write ``<1:30>`` as the date and time it stands for."""

    def written(match: re.Match[str]) -> str:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at(match[1]) // 1_000)
        return moment.isoformat().replace("+00:00", "Z")

    return _INSTANT.sub(written, text)
