"""The ledger while it is still open: totals, the parts they went to, what is on its way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kline_harness.ledger import Equation
from kline_harness.live.model import LiveRun
from kline_harness.storage.restarting_writer import RestartingWriter


def lines(model: LiveRun) -> list[dict[str, Any]]:
    """Return the lines of the ledger as data: law, subject, total, parts, and what is left over.

    What is left over is on its way while the run goes on, and an error when it is over.
    """
    return [
        {
            "law": one.law,
            "subject": one.subject,
            "total": one.total,
            "parts": dict(one.parts),
            "left": one.total - sum(one.parts.values()),
        }
        for one in _equations(model)
    ]


def _equations(model: LiveRun) -> Iterator[Equation]:
    counts, run = model.counts, model.run
    if model.start_ns is not None:
        kept_back = sum(run.feed.trade_filter.lost.values())
        parts = {"given": counts["given"], "kept back": kept_back} | run.rows_changed()
        yield Equation("trades read", "the feed", counts["read"], parts)
    if model.equations:
        yield _joined(model.equations)
    for one in model.consumers:
        parts = {"delivered": one.delivered, "lost": one.lagged}
        yield Equation(f"{one.channel} sent", one.name, one.sent, parts)
    writer = run.writer
    counters = writer.counters
    parts = {"written": counters.committed, "dropped": counters.dropped}
    if not isinstance(writer, RestartingWriter):
        open_part = counters.flushed - counters.committed - counters.dropped
        buffered = counters.received - counters.flushed
        parts |= {"buffered": buffered, "in an open file": max(0, open_part)}
    yield Equation("klines taken", writer.name, counters.received, parts)


def _joined(equations: list[Equation]) -> Equation:
    """Return one line of many of one law: each has to balance for the sums to."""
    total, parts = 0, dict[str, int]()
    for one in equations:
        total += one.total
        for name, count in one.parts.items():
            parts[name] = parts.get(name, 0) + count
    wrong = sum(not one.balanced for one in equations)
    subject = f"{len(equations):,} series" + (f", {wrong:,} off" if wrong else "")
    return Equation(equations[0].law, subject, total, parts)
