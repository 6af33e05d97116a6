"""Lifecycle events in a tiny language.

``lives("l0@1 f0'@60.1 p1' T@60.1")``: letters are opened Live, opened Provisional, first Trade
(t), Updated, Finalized and the clock's Tick; then the step of the 1m kline, then marks: ``'`` for
trigger tick, ``"`` for end, else trade; ``@`` the instant in seconds (default: as before). A tick
tells its own instant, or what follows ``=``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from kline_harness.columns import Instrument
from kline_harness.interval import CODE, parse_interval
from kline_harness.kline import Life, LifeBatch, Trigger
from kline_harness.units import NS_PER_SECOND

from tests.checks.tables import BASE_NS, opening

Event = dict[str, Any]
LETTERS = {
    "p": Life.OPENED_PROVISIONAL,
    "l": Life.OPENED_LIVE,
    "t": Life.FIRST_TRADE,
    "u": Life.UPDATED,
    "f": Life.FINALIZED,
    "T": Life.TICK,
}
MARKS = {"": Trigger.TRADE, "'": Trigger.TICK, '"': Trigger.END}
TOKEN = re.compile(r"""([pltufT])(\d*)(['"]?)(?:@([\d.]+))?(?:=([\d.]+))?$""")


def lives(text: str, interval: str = "1m", symbol: str = "ALFAUSDT") -> list[Event]:
    """Return the events of a text."""
    events: list[Event] = []
    at_ns = BASE_NS
    for token in text.split():
        match = TOKEN.match(token)
        assert match, token
        letter, step, mark, instant, told = match.groups()
        at_ns = seconds(instant) if instant else at_ns
        if letter == "T":
            told_ns = seconds(told) if told else at_ns
            events.append(_event(None, "", Life.TICK, told_ns, at_ns, Trigger.TICK))
        else:
            open_ns = opening(interval, int(step))
            events.append(_event(symbol, interval, LETTERS[letter], open_ns, at_ns, MARKS[mark]))
    return events


def seconds(text: str) -> int:
    """Return the instant so many seconds after the base."""
    whole, _, fraction = text.partition(".")
    return BASE_NS + int(whole) * NS_PER_SECOND + int(fraction.ljust(9, "0") or "0")


def _event(
    symbol: str | None, interval: str, life: Life, open_ns: int, at_ns: int, trigger: Trigger
) -> Event:
    return {
        "symbol": symbol,
        "interval": interval,
        "life": life,
        "open_time_ns": open_ns,
        "at_ns": at_ns,
        "trigger": trigger,
    }


def life_table(events: Sequence[Event], symbols: Sequence[str] = ()) -> LifeBatch:
    """Build a table of events in the given order; `symbols` come first among the instruments."""
    named = dict.fromkeys([*symbols, *(e["symbol"] for e in events if e["symbol"])])
    names = list(named)

    def column(values: list[int], dtype: type[np.generic]) -> Any:
        return np.array(values, dtype=dtype)

    return LifeBatch(
        instruments=tuple(Instrument.of(name, 2, 3) for name in names),
        symbol=column([names.index(e["symbol"]) if e["symbol"] else -1 for e in events], np.int16),
        life=column([e["life"] for e in events], np.int8),
        interval=column(
            [CODE[parse_interval(e["interval"])] if e["symbol"] else -1 for e in events], np.int8
        ),
        open_time_ns=column([e["open_time_ns"] for e in events], np.int64),
        trades=column([0] * len(events), np.int64),
        at_ns=column([e["at_ns"] for e in events], np.int64),
        trigger=column([e["trigger"] for e in events], np.int8),
    )
