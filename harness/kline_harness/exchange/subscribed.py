"""The streams that a service subscribed to, and what came on each: `silent_stream`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kline_harness.checks.finding_log import FindingLog
from kline_harness.exchange.served import Served, ServedSubscription
from kline_harness.nouns import counted
from kline_harness.tape import Tape
from kline_harness.units import NS_PER_DAY, NS_PER_MILLISECOND, NS_PER_SECOND, utc_text
from kline_harness.verdict import Finding, Severity, Verdict

CHECK = "silent_stream"
CONNECTIONS = "connections"
NOT_CHECKED = ("that what was sent arrived: only what the server put on the wire is known",)
# What a stream of klines or tickers may take to say what a trade changed: it is sent at intervals.
_LATEST_NS = 2 * NS_PER_SECOND
_EVERY = "!"
_OF_LAYOUT = {"aggTrades": "aggTrade", "trades": "trade"}


@dataclass(slots=True)
class _Watched:
    """A stream, the symbol it is about ("" for all), and the trades made while it was on."""

    stream: ServedSubscription
    symbol: str
    from_ns: int
    until_ns: int
    trades: int = 0
    first_ns: int | None = None


def rebase_undone(served: Served) -> Served:
    """Return a run with its times moved back to those of the files."""
    by_ns = served.rebase_days * NS_PER_DAY

    def back(time_ns: int | None) -> int | None:
        return None if time_ns is None else time_ns - by_ns

    return replace(
        served,
        started_ns=served.started_ns - by_ns,
        ended_ns=served.ended_ns - by_ns,
        connections=tuple(
            replace(one, opened_ns=one.opened_ns - by_ns, closed_ns=back(one.closed_ns))
            for one in served.connections
        ),
        subscriptions=tuple(
            replace(one, acknowledged_ns=one.acknowledged_ns - by_ns, ended_ns=back(one.ended_ns))
            for one in served.subscriptions
        ),
        faults=tuple(
            replace(
                one,
                first_ns=back(one.first_ns),
                klines={
                    name: [[time - by_ns for time in row] for row in rows]
                    for name, rows in one.klines.items()
                },
            )
            for one in served.faults
        ),
    )


def silent_streams(
    served: Served, tapes: Iterable[Tape], as_of_ns: int, layouts: Mapping[str, str]
) -> Verdict:
    """Find streams that were acknowledged, and on which nothing came while trades were made.

    `layouts` are those of the files of each symbol: a stream of the same kind has a message for
    every trade, and one that had fewer is named as well.
    """
    log = FindingLog(CHECK)
    watched = list(_watched(served, as_of_ns))
    _count(watched, tapes)
    for one in watched:
        kind = one.stream.stream.partition("@")[2]
        if one.stream.messages == 0 and one.trades:
            log.add(one.from_ns, _silent(one))
        elif one.stream.messages < one.trades and kind == _OF_LAYOUT.get(
            layouts.get(one.symbol, "")
        ):
            log.add(one.from_ns, _short(one))
    known = {one.stream for one in watched}
    for stream in served.subscriptions:
        if stream not in known:
            log.add(stream.acknowledged_ns, _unknown(stream))
    counts = {
        "streams": len(served.subscriptions),
        "with_messages": sum(one.messages > 0 for one in served.subscriptions),
        "silent": log.counts.get("silent_stream", 0),
        "fell_short": log.counts.get("fell_short", 0),
    }
    findings = log.findings()
    if not served.subscriptions:
        sentence = "the service subscribed to nothing"
        findings = [Finding(CHECK, "no_stream", Severity.DOUBT, evidence={"sentence": sentence})]
    return Verdict.of(CHECK, counts, findings, NOT_CHECKED)


def connections(served: Served, as_of_ns: int) -> Verdict:
    """Say how the service's connections ended, and what was refused."""
    findings = []
    counts = {"connections": len(served.connections), "slow": served.slow_clients}
    for one in served.connections:
        counts[str(one.closed_by or "open")] = counts.get(str(one.closed_by or "open"), 0) + 1
        if one.closed_by == "slow":
            sentence = f"it did not read what it was sent and was disconnected: {one.path}"
            findings.append(_connection("slow_client", Severity.ERROR, one.closed_ns, sentence))
    if served.connections and all(one.closed_by == "client" for one in served.connections):
        last_ns = max(one.closed_ns or 0 for one in served.connections)
        if last_ns < as_of_ns - _LATEST_NS:
            sentence = (
                f"the service left at {utc_text(last_ns)}, before the end: nothing was received "
                "from then on"
            )
            findings.append(_connection("client_left", Severity.DOUBT, last_ns, sentence))
    if not served.complete:
        sentence = f"the server came to {utc_text(as_of_ns)}, not to the end of the recording"
        findings.append(_connection("not_complete", Severity.NOTICE, as_of_ns, sentence))
    if served.late_ns > _LATEST_NS:
        sentence = (
            f"at x{served.speed} messages were sent up to {served.late_ns / NS_PER_SECOND:.1f} "
            "virtual seconds late: a service that closes klines by its own clock may have closed "
            "some without their last trades"
        )
        findings.append(_connection("late_server", Severity.NOTICE, None, sentence))
    for request in served.requests:
        if request.status >= 400:
            sentence = (
                f"{request.endpoint}: {counted(request.count, 'answer')} of status {request.status}"
            )
            findings.append(_connection("refused_request", Severity.NOTICE, None, sentence))
    counts["late_ms"] = served.late_ns // NS_PER_MILLISECOND
    counts["requests"] = sum(request.count for request in served.requests)
    return Verdict.of(CONNECTIONS, counts, findings, NOT_CHECKED)


def symbol_of_stream(stream: str, symbols: Sequence[str]) -> str | None:
    """Return the symbol of a stream's name, "" for all of them, None for one not served."""
    if stream.startswith(_EVERY):
        return ""
    name = stream.partition("@")[0].lower().removesuffix("_perpetual")
    return {symbol.lower(): symbol for symbol in symbols}.get(name)


def ends(served: Served, as_of_ns: int) -> dict[ServedSubscription, int]:
    """Return until when each stream was on: its unsubscription, or the end of its connection."""
    closed = {one.id: one.closed_ns for one in served.connections}
    found = {}
    for one in served.subscriptions:
        times = (one.ended_ns, closed.get(one.connection), as_of_ns)
        found[one] = min(time for time in times if time is not None)
    return found


def _watched(served: Served, as_of_ns: int) -> Iterator[_Watched]:
    for one, until_ns in ends(served, as_of_ns).items():
        symbol = symbol_of_stream(one.stream, served.symbols)
        if symbol is not None:
            # A trade just before the end may not have been sent yet.
            yield _Watched(one, symbol, one.acknowledged_ns, until_ns - _LATEST_NS)


def _count(watched: Sequence[_Watched], tapes: Iterable[Tape]) -> None:
    for tape in tapes:
        times = tape.event_time_ns
        codes = {instrument.symbol: k for k, instrument in enumerate(tape.instruments)}
        for one in watched:
            first, stop = np.searchsorted(times, (one.from_ns, one.until_ns), "right").tolist()
            if first >= stop or (one.symbol and one.symbol not in codes):
                continue
            mine = times[first:stop]
            if one.symbol:
                mine = mine[tape.symbol[first:stop] == codes[one.symbol]]
            if len(mine):
                one.trades += len(mine)
                one.first_ns = int(mine[0]) if one.first_ns is None else one.first_ns


def _silent(one: _Watched) -> Finding:
    assert one.first_ns is not None
    sentence = (
        f"{one.stream.stream}: acknowledged at {utc_text(one.from_ns)}, and nothing came until "
        f"{utc_text(one.until_ns)}, while {counted(one.trades, 'trade')} were made, the first at "
        f"{utc_text(one.first_ns)}"
    )
    return _stream("silent_stream", Severity.ERROR, one, sentence)


def _short(one: _Watched) -> Finding:
    missing = one.trades - one.stream.messages
    sentence = f"{one.stream.stream}: {missing:,} of {counted(one.trades, 'trade')} were not sent"
    return _stream("fell_short", Severity.NOTICE, one, sentence)


def _stream(kind: str, severity: Severity, one: _Watched, sentence: str) -> Finding:
    evidence = {
        "stream": one.stream.stream,
        "connection": one.stream.connection,
        "acknowledged": utc_text(one.from_ns),
        "until": utc_text(one.until_ns),
        "messages": one.stream.messages,
        "trades": one.trades,
        "sentence": sentence,
    }
    symbol = one.symbol or None
    return Finding(CHECK, kind, severity, symbol, at_ns=one.first_ns, evidence=evidence)


def _unknown(stream: ServedSubscription) -> Finding:
    sentence = f"{stream.stream}: acknowledged, and no such stream was served"
    evidence = {"stream": stream.stream, "sentence": sentence}
    # The end of an address such as /ws/0 is no stream that somebody waits for.
    meant = "@" in stream.stream and not stream.messages
    severity = Severity.ERROR if meant else Severity.NOTICE
    return Finding(
        CHECK, "no_such_stream", severity, at_ns=stream.acknowledged_ns, evidence=evidence
    )


def _connection(kind: str, severity: Severity, at_ns: int | None, sentence: str) -> Finding:
    return Finding(CONNECTIONS, kind, severity, at_ns=at_ns, evidence={"sentence": sentence})
