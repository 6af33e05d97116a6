"""The check of what pulls are answered: deltas that tell every change, snapshots that are true.

Source of the rules: docs/klagg.md, "Deltas and snapshots" and "The gateway"; docs/defects.md, Q15,
Q16, Q22, Q24 and Q25.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from kline_harness.checks.finding_log import FindingLog
from kline_harness.checks.kline_sanity import field_text
from kline_harness.interval import INTERVALS
from kline_harness.kline import FIELDS, KlineBatch, Life, LifeBatch
from kline_harness.verdict import Finding, Verdict

CHECK = "pulls"
SeriesKey: TypeAlias = tuple[str, str]
_OPENED = (Life.OPENED_PROVISIONAL, Life.OPENED_LIVE)
NOT_CHECKED = (
    "changes of a bar that has had its first trade, until it closes: no event tells of them",
    "changes after the last pull",
)


class Bar(Protocol):
    """A bar as deltas and snapshots show it."""

    @property
    def symbol(self) -> str: ...
    @property
    def interval(self) -> str: ...
    @property
    def open_time_ns(self) -> int: ...
    @property
    def count(self) -> int: ...


class Answer(Protocol):
    """The open klines of an instant, as a pull gave them."""

    @property
    def at_ns(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def records(self) -> Sequence[Bar]: ...


class PullChecker:
    """Follows changes, finals and answers in order of time.

    * A bar that opened or had its first trade must be in the next deltas, by its series.
    * The last deltas that show a bar, up to the first after it closed, must show it as its final.
    * A snapshot names every row's symbol, shows a series once, and no bar without a trade.

    What happens at the very instant of a pull may be in its answer or in the next.
    """

    def __init__(self) -> None:
        self._log = FindingLog(CHECK)
        self._counts = {"deltas": 0, "snapshots": 0, "records": 0, "changes": 0, "finals": 0}
        self._position = 0
        # Per series, what no deltas have shown yet: the event's instant and its bar.
        self._changes: dict[SeriesKey, tuple[int, int, str]] = {}
        self._shown: dict[tuple[str, str, int], Bar] = {}
        self._finals: list[tuple[int, tuple[str, str, int], dict[str, str]]] = []
        self._has_pulled = False

    def on_event(self, at_ns: int, key: SeriesKey, open_ns: int, life: Life) -> None:
        """Learn of a transition in the life of a bar."""
        if life in _OPENED or life is Life.FIRST_TRADE:
            self._counts["changes"] += 1
            self._changes.setdefault(key, (at_ns, open_ns, life.name.lower()))

    def on_final(self, at_ns: int, key: SeriesKey, open_ns: int, values: dict[str, str]) -> None:
        """Learn how a bar closed."""
        self._finals.append((at_ns, (*key, open_ns), values))

    def on_removed(self, symbol: str) -> None:
        """Forget a removed symbol: its changes are not owed any more."""
        for key in [key for key in self._changes if key[0] == symbol]:
            del self._changes[key]
        self._finals = [final for final in self._finals if final[1][0] != symbol]

    def on_answer(self, answer: Answer) -> None:
        """Judge an answer."""
        self._position += 1
        self._counts["records"] += len(answer.records)
        if answer.kind == "snapshot":
            self._counts["snapshots"] += 1
            self._judge_snapshot(answer)
            return
        self._counts["deltas"] += 1
        shown = {(bar.symbol, bar.interval, bar.open_time_ns): bar for bar in answer.records}
        self._shown |= shown
        self._judge_changes(answer, {key[:2] for key in shown})
        self._judge_finals(answer)
        self._has_pulled = True

    def verdict(self) -> Verdict:
        """Return the changes that no answer showed, or showed wrongly."""
        counts = self._counts | dict(sorted(self._log.counts.items()))
        return Verdict.of(CHECK, counts, self._log.findings(), NOT_CHECKED)

    def _judge_changes(self, answer: Answer, answered: set[SeriesKey]) -> None:
        for key, (at_ns, open_ns, event) in list(self._changes.items()):
            if key in answered:
                del self._changes[key]
            elif at_ns < answer.at_ns:
                del self._changes[key]
                evidence = {"changed_at_ns": at_ns, "event": event}
                self._tell("delta_starved", answer, key, open_ns, evidence)

    def _judge_finals(self, answer: Answer) -> None:
        """Hold the last that deltas showed of a bar to its final."""
        waiting = []
        for at_ns, key, values in self._finals:
            shown = self._shown.get(key)
            if at_ns == answer.at_ns and shown is None:
                waiting.append((at_ns, key, values))
                continue
            # A bar that closed before anybody pulled has been told to nobody.
            if not self._has_pulled and shown is None:
                continue
            self._counts["finals"] += 1
            self._shown.pop(key, None)
            differing = _differing(shown, values)
            if differing:
                self._tell("close_not_shown", answer, key[:2], key[2], differing)
        self._finals = waiting

    def _judge_snapshot(self, answer: Answer) -> None:
        seen: set[SeriesKey] = set()
        for record in answer.records:
            key = (record.symbol, record.interval)
            if not record.symbol or record.symbol.startswith("UNKNOWN_"):
                self._tell("ghost_row", answer, key, record.open_time_ns, {"count": record.count})
            elif key in seen:
                self._tell("row_twice", answer, key, record.open_time_ns, {"count": record.count})
            elif record.count == 0:
                self._tell("phantom_row_visible", answer, key, record.open_time_ns, {})
            seen.add(key)

    def _tell(
        self, kind: str, answer: Answer, key: SeriesKey, open_ns: int, evidence: dict[str, Any]
    ) -> None:
        finding = Finding(
            *(CHECK, kind),
            symbol=key[0],
            interval=key[1],
            open_time_ns=open_ns,
            at_ns=answer.at_ns,
            evidence=evidence,
        )
        self._log.add(self._position, finding)


def _differing(shown: Bar | None, values: dict[str, str]) -> dict[str, str]:
    if shown is None:
        return {"shown": "never"}
    return {
        f"{name}_{side}": text
        for name, final in values.items()
        if Decimal(str(getattr(shown, name))) != Decimal(final)
        for side, text in (("shown", str(getattr(shown, name))), ("final", final))
    }


def batch_steps(checker: PullChecker, klines: KlineBatch, events: LifeBatch) -> Iterable[Any]:
    """Yield, for every row of an emission, its instant and trigger, what to call, and with what."""
    for row, (at_ns, life) in enumerate(
        zip(events.at_ns.tolist(), events.life.tolist(), strict=True)
    ):
        if life != Life.TICK:
            key = (events.symbol_text(row), INTERVALS[int(events.interval[row])].text)
            open_ns = int(events.open_time_ns[row])
            trigger = int(events.trigger[row])
            yield at_ns, trigger, checker.on_event, (at_ns, key, open_ns, Life(life))
    for row, at_ns in enumerate(klines.at_ns.tolist()):
        key = (klines.symbol_text(row), INTERVALS[int(klines.interval[row])].text)
        values = {name: field_text(klines, row, name) for name in FIELDS}
        arguments = (at_ns, key, int(klines.open_time_ns[row]), values)
        yield at_ns, int(klines.trigger[row]), checker.on_final, arguments
