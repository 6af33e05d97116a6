"""The messages to a page: the whole state once, then what has changed."""

from __future__ import annotations

from typing import Any

from kline_harness.checks.lifecycle import LifecycleChecker
from kline_harness.interval import Interval
from kline_harness.live.balance import lines
from kline_harness.live.klines import Row, rows_of
from kline_harness.live.model import LiveRun, series_of
from kline_harness.live.open_candle import OpenCandle
from kline_harness.live.pace import FeedGate
from kline_harness.replay.run import transition_rows
from kline_harness.report.format import utc
from kline_harness.report.lifecycle import draw_lifecycle
from kline_harness.units import NS_PER_MILLISECOND, NS_PER_MINUTE, NS_PER_SECOND

# Candles that a page is sent of a series at once.
CANDLES_MAX = 3_000
# What changes slowly, or is large, is sent so often at most, in seconds.
_SLOW_SECONDS = 0.5
_BINS = 240
# Rows of a store that a page is sent again with each reading.
_STORED_MAX = 300


class PageView:
    """One page: the series it shows, and what has been sent to it."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was seen: another run is shown, or this one anew."""
        self.symbol = ""
        self.interval = ""
        self._at_ns: int | None = None
        self._look_ns: int | None = None
        self._cursor = 0
        self._theirs_ns = 0
        self._reading = 0
        self._number = 0
        self._epoch = -1
        self._marked = (-1, -1)
        self._stamp: Any = None
        self._candle: OpenCandle | None = None
        self._slow_due = 0.0
        self._fresh = True

    def choose(self, model: LiveRun, symbol: str, interval: str, at_ns: int | None) -> None:
        """Show another series, or another time of it; nothing where there is no such series."""
        if series_of(model, symbol, interval) is not None:
            self.symbol, self.interval, self._at_ns = symbol, interval, at_ns
            self._fresh = True

    def look(self, at_ns: int | None) -> None:
        """Show consumers, ledger and lifecycle as they were at a time; None shows the present."""
        self._look_ns = at_ns
        self._stamp, self._slow_due = None, 0.0

    def frame(self, model: LiveRun, pace: FeedGate, now: float) -> dict[str, Any] | None:
        """Return what has changed since the last one, None where nothing has.

        `now` is what a clock says, in seconds.
        """
        with model.lock:
            if not self.symbol and model.symbols:
                self.choose(model, model.symbols[0], model.finest.text, None)
            found = model.found() if model.phase == "running" else len(model.findings.entries)
            stamp = (
                *(model.now_ns, found, model.findings.entries.changes, model.phase),
                *(pace.held, pace.speed, pace.seeking, sum(model.counts.values())),
                model.stored.readings,
            )
            slow = now >= self._slow_due
            if stamp == self._stamp and not self._fresh:
                return None
            frame: dict[str, Any] = {"type": "frame", "clock": clock(model, pace)}
            frame["counts"] = dict(model.counts)
            frame["findings"] = self._findings(model)
            frame["series"] = self._series(model)
            if slow or self._fresh or pace.held or model.phase != "running":
                self._slow_due = now + _SLOW_SECONDS
                frame |= {"strip": strip(model)} | self._state(model)
            if model.outcome is not None:
                frame["verdict"] = verdict(model)
            # What is sent slowly comes after the last change all the same.
            self._stamp = stamp if "strip" in frame else None
            self._fresh = False
            return frame

    def _state(self, model: LiveRun) -> dict[str, Any]:
        """Return the state at the time that is looked at, and when that was if it is over."""
        past = self._look_ns is not None and self._look_ns < model.now_ns
        kept = model.moments.at(self._look_ns or 0) if past else None
        if kept is None:
            return state(model) | {"as_of": None}
        return {**kept[1], "as_of": utc(kept[0])}

    def _findings(self, model: LiveRun) -> dict[str, Any]:
        entries = model.findings.entries
        if entries.epoch != self._epoch:
            self._epoch, self._number = entries.epoch, 0
        changed = entries.since(self._number)
        self._number = entries.changes
        kinds = [[*kind, count] for kind, count in sorted(entries.kinds.items())]
        return {"epoch": self._epoch, "changed": changed, "kinds": kinds}

    def _series(self, model: LiveRun) -> dict[str, Any] | None:
        known = series_of(model, self.symbol, self.interval)
        if known is None:
            return None
        symbol, interval = known
        fresh, entries = self._fresh, model.findings.entries
        if fresh:
            self._candle = OpenCandle(symbol, interval, model.finest)
        ours: list[Row] = []
        if fresh:
            ours, newest = _window(model, symbol, interval, self._at_ns)
            self._cursor, self._theirs_ns = model.finals.end, 0
            begin_ns = ours[0][0] * NS_PER_SECOND if ours else 0
        else:
            newest, begin_ns = True, self._theirs_ns
            for batch in model.finals.since(self._cursor, symbol, interval):
                ours += rows_of(batch)
            self._cursor = model.finals.end
        forming = None
        if model.phase == "running":
            assert self._candle is not None
            forming = self._candle.row(model.finals, model.recent, model.now_ns)
        until_ns = interval.open_time_ns(model.now_ns)
        if fresh and not newest:
            forming, until_ns = None, ours[-1][0] * NS_PER_SECOND + 1
        theirs = model.other.between(
            symbol, self.interval, max(begin_ns, self._theirs_ns), until_ns
        )
        self._theirs_ns = max(self._theirs_ns, until_ns)
        if self._reading != model.stored.readings:
            # Rows of a store may be written, or mended, long after their time.
            self._reading = model.stored.readings
            since_ns = max(0, until_ns - _STORED_MAX * (interval.length_ns or NS_PER_MINUTE))
            theirs = model.other.between(symbol, self.interval, since_ns, until_ns)
        sent: dict[str, Any] = {"ours": ours, "theirs": theirs, "forming": forming}
        marked = (entries.epoch, entries.changes)
        if fresh or marked != self._marked:
            self._marked = marked
            sent["marks"] = entries.of_series(symbol, interval)
        if fresh:
            sent |= {"symbol": symbol, "interval": self.interval, "newest": newest}
            sent["at"] = None if self._at_ns is None else self._at_ns // NS_PER_SECOND
            sent["compared"] = (symbol, self.interval) in model.other.series()
        return sent


def _window(
    model: LiveRun, symbol: str, interval: Interval, at_ns: int | None
) -> tuple[list[Row], bool]:
    """Return the newest finals of a series, or those around a time; whether they are the newest."""
    count = place = 0
    for batch in model.finals.since(0, symbol, interval):
        count += len(batch)
        place += 0 if at_ns is None else int((batch.open_time_ns <= at_ns).sum())
    start = max(0, count - CANDLES_MAX)
    if at_ns is not None:
        start = min(start, max(0, place - CANDLES_MAX // 2))
    stop = start + CANDLES_MAX
    found: list[Row] = []
    for batch in model.finals.since(0, symbol, interval):
        first = max(0, start)
        found += rows_of(batch[first : first + CANDLES_MAX - len(found)])
        start -= len(batch)
    return found, stop >= count


def hello(model: LiveRun, pace: FeedGate) -> dict[str, Any]:
    """Return what does not change: symbols, intervals, the scenario's options."""
    with model.lock:
        scenario = model.run.scenario
        return {
            "type": "hello",
            "symbols": model.symbols,
            "intervals": [one.text for one in model.intervals],
            "aggregator": scenario.aggregator,
            "audit": scenario.audit.value,
            "other": "service's" if pace.follows else "exchange's",
            "changed": sorted(scenario.changed()),
        }


def clock(model: LiveRun, pace: FeedGate) -> dict[str, Any]:
    """Return where virtual time is, and how it passes."""
    return {
        "now": utc(model.now_ns // NS_PER_MILLISECOND * NS_PER_MILLISECOND),
        "now_ms": model.now_ns // NS_PER_MILLISECOND,
        "phase": model.phase,
        "held": pace.held and pace.seeking is None,
        "seeking": None if pace.seeking is None else pace.seeking.value,
        "speed": "max" if pace.speed is None else str(pace.speed),
        "follows": pace.follows,
        "store": model.store_said,
    }


def state(model: LiveRun) -> dict[str, Any]:
    """Return what consumers, writer, ledger and lifecycle have come to."""
    return {
        "consumers": consumers(model),
        "writer": writer(model),
        "ledger": lines(model),
        "life": life(model),
    }


def consumers(model: LiveRun) -> list[dict[str, Any]]:
    """Return what each consumer was sent and given."""
    return [
        {
            "name": one.name,
            "channel": one.channel,
            "delivered": one.delivered,
            "waiting": one.waiting,
            "peak": one.peak,
            "lost": one.lagged,
            "dead": model.run.lost_while_down(one.name),
            "behind_ms": None
            if one.last_ns is None
            else max(0, model.now_ns - one.last_ns) // NS_PER_MILLISECOND,
        }
        for one in model.consumers
    ]


def writer(model: LiveRun) -> dict[str, Any]:
    """Return what the writer did so far."""
    counters, log = model.run.writer.counters, model.run.writer.flush_log
    last = log[-1] if log else None
    return {
        "flushes": len(log),
        "last": None if last is None else [utc(last[0]), last[1]],
        "parts": counters.parts,
        "written": counters.committed,
        "dropped": counters.dropped,
    }


def strip(model: LiveRun) -> dict[str, Any]:
    """Return all of virtual time in bins of trades, with what was planted and what was found."""
    start_ns = model.start_ns if model.start_ns is not None else 0
    end_ns = max(model.now_ns, start_ns + NS_PER_MINUTE)
    if model.claimed is not None:
        start_ns, end_ns = min(start_ns, model.claimed[0]), max(end_ns, model.claimed[1])
    width_ns = max(NS_PER_MINUTE, -(-(end_ns - start_ns) // _BINS))
    bins = [0] * min(_BINS + 1, (end_ns - start_ns) // width_ns + 1)
    for minute, count in model.minutes.items():
        place = (minute * NS_PER_MINUTE - start_ns) // width_ns
        if 0 <= place < len(bins):
            bins[place] += count
    shades = []
    for one in model.disturbances():
        begin, end = one.within((start_ns, end_ns))
        if not one.all_along:
            shades.append([one.name, begin // NS_PER_MILLISECOND, end // NS_PER_MILLISECOND])
    events: dict[tuple[int, str], list[Any]] = {}
    for entry in model.findings.entries.since(0):
        if entry["at_ms"] is not None and not entry["gone"]:
            place = (entry["at_ms"] * NS_PER_MILLISECOND - start_ns) // width_ns
            events.setdefault((place, entry["severity"]), [entry["at_ms"], entry["severity"], 0])[
                2
            ] += 1
    return {
        "from_ms": start_ns // NS_PER_MILLISECOND,
        "to_ms": end_ns // NS_PER_MILLISECOND,
        "bin_ms": width_ns // NS_PER_MILLISECOND,
        "bins": bins,
        "shades": shades,
        "events": list(events.values()),
    }


def life(model: LiveRun) -> str | None:
    """Return the picture of the transitions that happened, None without a lifecycle audit."""
    audit = model.findings.audits.get("lifecycle")
    if not isinstance(audit, LifecycleChecker):
        return None
    drawing = draw_lifecycle(transition_rows(audit))
    return None if drawing is None else drawing.__html__()


def verdict(model: LiveRun) -> dict[str, Any]:
    """Return what the run came to."""
    assert model.outcome is not None
    return {
        "verdict": model.outcome.validity.value,
        "sentence": model.outcome.sentence,
        "folder": model.outcome.directory.name,
        "report": (model.outcome.directory / "report.html").is_file(),
        "checks": [[check.check, check.validity.value] for check in model.outcome.checks],
    }
