"""Makes the cases of the klines specification: the feeds of `stories`, with the oracle's finals.

`python -m tests.spec.made` writes fixtures/spec/cases and fixtures/spec/cases.md; with --check it
compares with what is there and exits 1 on a difference.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from kline_harness.interfaces import AddSymbol, RemoveSymbol, Tick

from tests.feeds import Item, TradeSpec, items
from tests.oracle import OracleEvent, OracleKline, OracleTick, OracleTrade
from tests.oracle import feed_klines as oracle_klines
from tests.spec.mutants import MUTANTS, survivors
from tests.spec.stories import RULES, STORIES, Story

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "spec"
VERSION = 1
FIELDS = (
    *("open", "high", "low", "close", "volume", "quote_volume", "count"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)


def plain(value: Decimal | int) -> str:
    """Return a number as plain decimal text without needless zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def case_of(story: Story, number: int) -> dict[str, Any]:
    """Return a case as plain data: what goes in and the finals that must come out."""
    run = items(story.text)
    intervals = story.intervals.split(",")
    messages = [_message(item) for item in run]
    end_ns = max([_at_ns(item) for item in run], default=0)
    messages.append({"type": "end", "at_ns": end_ns})
    (rule,) = (rule for rule in RULES if rule.letter == story.letter)
    symbols = dict.fromkeys(
        item.symbol for item in run if isinstance(item, TradeSpec | AddSymbol | RemoveSymbol)
    )
    return {
        "spec": VERSION,
        "case": f"{story.letter}{number:02}-{story.name}",
        "rule": story.letter,
        "sentence": story.sentence,
        "source": rule.source,
        # A feed of ticks alone is about a symbol that was announced and never traded.
        "symbols": list(symbols) or ["X"],
        "intervals": intervals,
        "in": messages,
        "finals": list(_finals(run, intervals)),
    }


def _at_ns(item: Item) -> int:
    return item.arrival_ns if isinstance(item, TradeSpec) else item.at_ns


def _message(item: Item) -> dict[str, Any]:
    if isinstance(item, Tick):
        return {"type": "tick", "at_ns": item.at_ns, "time_ns": item.time_ns}
    if isinstance(item, AddSymbol | RemoveSymbol):
        name = "add_symbol" if isinstance(item, AddSymbol) else "remove_symbol"
        return {"type": name, "at_ns": item.at_ns, "symbol": item.symbol}
    assert isinstance(item, TradeSpec)
    trade = _oracle_trade(item)
    return {
        "type": "trade",
        "symbol": trade.symbol,
        "id": trade.id,
        "price": item.price,
        "quantity": item.quantity,
        "quote": plain(trade.quote),
        "first_id": trade.first_id,
        "last_id": trade.last_id,
        "event_time_ns": trade.time_ns,
        "arrival_ns": item.arrival_ns,
        "buyer_is_maker": trade.buyer_is_maker,
        "kind": trade.kind,
    }


def _oracle_trade(item: TradeSpec) -> OracleTrade:
    return OracleTrade(
        id=item.trade_id,
        price=Decimal(item.price),
        quantity=Decimal(item.quantity),
        first_id=item.trade_id if item.first_id is None else item.first_id,
        last_id=item.trade_id if item.last_id is None else item.last_id,
        time_ns=item.event_time_ns,
        buyer_is_maker=item.buyer_is_maker,
        symbol=item.symbol,
        kind=item.kind.name,
    )


def _finals(run: Sequence[Item], intervals: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the oracle's finals, each with the index of the message after which it is due."""
    events: list[OracleEvent] = []
    places: list[int] = []
    for place, item in enumerate(run):
        if isinstance(item, TradeSpec):
            events.append(_oracle_trade(item))
        elif isinstance(item, Tick):
            events.append(OracleTick(item.time_ns))
        else:
            # No rule lets a command make or change a kline.
            continue
        places.append(place)
    places.append(len(run))
    found = []
    for (symbol, interval), series in oracle_klines(events, intervals).items():
        for final in series.finals:
            place = places[final.event_index]
            found.append((place, symbol, intervals.index(interval), final.kline))
    found.sort(key=lambda one: (*one[:3], one[3].open_time_ns))
    for place, symbol, index, kline in found:
        yield {"after": place, "symbol": symbol, "interval": intervals[index]} | _row(kline)


def _row(kline: OracleKline) -> dict[str, Any]:
    # A count is an integer; every other field is decimal text.
    values = {name: plain(getattr(kline, name)) for name in FIELDS} | {"count": kline.count}
    times = {"open_time_ns": kline.open_time_ns, "close_time_ns": kline.close_time_ns}
    ids = {"first_id": kline.first_trade_id, "last_id": kline.last_trade_id}
    return times | values | ids


def cases() -> list[dict[str, Any]]:
    """Return every case, numbered within its rule."""
    numbers = dict.fromkeys((rule.letter for rule in RULES), 0)
    made = []
    for story in STORIES:
        numbers[story.letter] += 1
        made.append(case_of(story, numbers[story.letter]))
    return made


def text_of(case: dict[str, Any]) -> str:
    """Return a case as JSON with a line for each message and each final."""
    lines = ["{"]
    for name, value in case.items():
        comma = "" if name == "finals" else ","
        if name in ("in", "finals"):
            rows = [f"    {json.dumps(row, ensure_ascii=False)}" for row in value]
            lines += [f'  "{name}": [', *([",\n".join(rows)] if rows else []), f"  ]{comma}"]
        else:
            lines.append(f'  "{name}": {json.dumps(value, ensure_ascii=False)}{comma}')
    return "\n".join([*lines, "}", ""])


def table_of(made: Sequence[dict[str, Any]]) -> str:
    """Return cases.md: every case with what it says and which planted bugs it finds."""
    lines = [
        "# The cases",
        "",
        f"{len(made)} cases, version {VERSION}. Made by `scripts/make_spec`; do not edit.",
        "",
        "| case | what it says | planted bugs that it finds |",
        "|---|---|---|",
    ]
    for case in made:
        left = survivors(case)
        killed = [name for name in MUTANTS if name not in left]
        lines.append(f"| {case['case']} | {case['sentence']} | {', '.join(killed)} |")
    lines += ["", "## The planted bugs", "", "| bug | what it does |", "|---|---|"]
    lines += [f"| {name} | {what} |" for name, what in MUTANTS.items()]
    return "\n".join([*lines, ""])


def contents() -> dict[Path, str]:
    """Return every generated file with its text."""
    made = cases()
    files = {FOLDER / "cases" / f"{case['case']}.json": text_of(case) for case in made}
    return files | {FOLDER / "cases.md": table_of(made)}


def main(arguments: Sequence[str]) -> int:
    """Write the files, or compare them; return the exit code."""
    wanted = contents()
    present = {*(FOLDER / "cases").glob("*.json")}
    if "--check" in arguments:
        wrong = sorted({*present - set(wanted)} | {p for p, t in wanted.items() if _text(p) != t})
        print("\n".join(f"differs: {path.relative_to(FOLDER)}" for path in wrong) or "as made")
        return 1 if wrong else 0
    for path in present - set(wanted):
        path.unlink()
    (FOLDER / "cases").mkdir(parents=True, exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    print(f"{len(wanted) - 1} cases in {FOLDER.relative_to(FOLDER.parents[1])}")
    return 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
