"""The streams that a service subscribed to, and what came on each: `silent_stream`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kline_harness.checks.finding_log import FindingLog
from kline_harness.exchange.served import Served, Subscribed
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_SECOND, utc_text
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "silent_stream"
NOT_CHECKED = ("that what was sent arrived: only what the server put on the wire is known",)
# What a kline stream or a ticker may take to say what a trade changed: it is sent at intervals.
_LATEST_NS = 2 * NS_PER_SECOND
_EVERY = "!"


@dataclass(slots=True)
class _Watched:
    """A stream, the symbol it is about ("" for all), and the trades made while it was silent."""

    stream: Subscribed
    symbol: str
    from_ns: int
    until_ns: int
    trades: int = 0
    first_ns: int | None = None


def silent_streams(served: Served, tapes: Iterable[Tape], as_of_ns: int) -> Verdict:
    """Find streams that were acknowledged, and on which nothing came while trades were made.

    From the acknowledgement, or the last message, up to the end of the subscription.
    """
    log = FindingLog(CHECK)
    watched = list(_watched(served, as_of_ns))
    _count(watched, tapes)
    for one in watched:
        if one.trades:
            log.add(one.from_ns, _finding(one))
    counts = {
        "streams": len(served.subscriptions),
        "with_messages": sum(one.messages > 0 for one in served.subscriptions),
        "silent": log.counts.get("silent_stream", 0),
        "fell_silent": log.counts.get("fell_silent", 0),
    }
    findings = log.findings()
    if not served.subscriptions:
        sentence = "the service subscribed to nothing"
        findings = [Finding(CHECK, "no_stream", Severity.DOUBT, evidence={"sentence": sentence})]
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)


def symbol_of_stream(stream: str, symbols: Sequence[str]) -> str | None:
    """Return the symbol of a stream's name, "" for all of them, None for one not served.

    The exchange knows streams by the lower-case symbol alone: ``BTCUSDT@aggTrade`` is
    acknowledged and delivers nothing.
    """
    if stream.startswith(_EVERY):
        return ""
    name = stream.partition("@")[0].removesuffix("_perpetual")
    known = {symbol.lower(): symbol for symbol in symbols}
    return known.get(name.lower())


def _watched(served: Served, as_of_ns: int) -> Iterator[_Watched]:
    for one in served.subscriptions:
        symbol = symbol_of_stream(one.stream, served.symbols)
        if symbol is None:
            continue
        from_ns = one.acknowledged_ns if one.last_ns is None else one.last_ns + _LATEST_NS
        until_ns = min(as_of_ns, as_of_ns if one.until_ns is None else one.until_ns)
        # A trade just before the end may not have been sent yet.
        yield _Watched(one, symbol, from_ns, until_ns - _LATEST_NS)


def _count(watched: Sequence[_Watched], tapes: Iterable[Tape]) -> None:
    for tape in tapes:
        times = tape.event_time_ns
        codes = {instrument.symbol: k for k, instrument in enumerate(tape.instruments)}
        for one in watched:
            first, stop = np.searchsorted(times, (one.from_ns, one.until_ns), "right").tolist()
            if first >= stop:
                continue
            mine = times[first:stop]
            if one.symbol:
                if one.symbol not in codes:
                    continue
                mine = mine[tape.symbol[first:stop] == codes[one.symbol]]
            if len(mine):
                one.trades += len(mine)
                one.first_ns = int(mine[0]) if one.first_ns is None else one.first_ns


def _finding(one: _Watched) -> Finding:
    stream = one.stream
    assert one.first_ns is not None
    at = utc_text(one.from_ns)
    silent = stream.last_ns is None
    since = "acknowledged" if silent else "the last message"
    return Finding(
        CHECK,
        "silent_stream" if silent else "fell_silent",
        Severity.ERROR,
        one.symbol or None,
        at_ns=one.first_ns,
        evidence={
            "stream": stream.stream,
            "connection": stream.connection,
            "messages": stream.messages,
            "trades": one.trades,
            "until": utc_text(one.until_ns),
            "sentence": f"{stream.stream}: {since} at {at}, and nothing came after it while "
            f"{one.trades:,} trades were made, the first at {utc_text(one.first_ns)}",
        },
    )
