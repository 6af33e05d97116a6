"""What pulls are answered, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kline_harness.columns import Rows
from kline_harness.klagg.gateway import DeltaBatch, DeltaReader, Gateway, GatewayOptions
from kline_harness.klagg.pulls import Answer, PullChecker
from kline_harness.klagg.snapshot_writer import SnapshotOptions, SnapshotWriter
from kline_harness.kline import Life
from kline_harness.units import NS_PER_MILLISECOND
from kline_harness.verdict import Validity, Verdict

from tests.checks.tables import opening, series, table

KEY = ("ALFA", "1m")


@dataclass(frozen=True)
class Shown:
    symbol: str = "ALFA"
    interval: str = "1m"
    open_time_ns: int = 60
    count: int = 1
    close: str = "100"


@dataclass(frozen=True)
class EmissionRows:
    at_ns: int
    records: Sequence[Shown] = field(default_factory=tuple)
    kind: str = "deltas"


def kinds(verdict: Verdict) -> list[str]:
    return [finding.kind for finding in verdict.findings]


def test_a_change_is_in_the_next_deltas() -> None:
    checker = PullChecker()
    checker.on_event(5, KEY, 60, Life.OPENED_LIVE)
    checker.on_event(5, ("BETA", "1m"), 60, Life.OPENED_PROVISIONAL)
    checker.on_answer(EmissionRows(6, (Shown(),)))
    # At the instant of a pull, the answer may or may not have it; the next one must.
    checker.on_event(8, KEY, 60, Life.FIRST_TRADE)
    checker.on_answer(EmissionRows(8))
    assert kinds(checker.verdict()) == ["delta_starved"]
    checker.on_answer(EmissionRows(9))
    findings = checker.verdict().findings
    assert [(f.symbol, f.at_ns, f.evidence["event"]) for f in findings] == [
        ("BETA", 6, "opened_provisional"),
        ("ALFA", 9, "first_trade"),
    ]


def test_nothing_is_asked_of_a_removed_symbol() -> None:
    checker = PullChecker()
    checker.on_event(5, KEY, 60, Life.OPENED_LIVE)
    checker.on_final(5, KEY, 60, {"close": "1"})
    checker.on_removed("ALFA")
    checker.on_answer(EmissionRows(6))
    assert checker.verdict().validity is Validity.VALID


def test_the_last_deltas_of_a_bar_are_its_final() -> None:
    for close, found in (("100.0", []), ("101", ["close_not_shown"])):
        checker = PullChecker()
        checker.on_answer(EmissionRows(6, (Shown(),)))
        checker.on_final(7, KEY, 60, {"close": close})
        checker.on_answer(EmissionRows(8))
        assert kinds(checker.verdict()) == found
    evidence = checker.verdict().findings[0].evidence
    assert evidence == {"close_shown": "100", "close_final": "101"}


def test_a_bar_that_deltas_never_showed() -> None:
    checker = PullChecker()
    checker.on_answer(EmissionRows(6))
    checker.on_final(7, KEY, 60, {"close": "100"})
    checker.on_answer(EmissionRows(8))
    assert checker.verdict().findings[0].evidence == {"shown": "never"}


def test_snapshots() -> None:
    checker = PullChecker()
    rows = (Shown(), Shown(), Shown(symbol=""), Shown("UNKNOWN_2"), Shown("BETA", count=0))
    answer: Answer = EmissionRows(6, rows, "snapshot")
    checker.on_answer(answer)
    found = ["ghost_row", "ghost_row", "phantom_row_visible", "row_twice"]
    assert sorted(kinds(checker.verdict())) == found


def test_a_gateway_loses_what_comes_too_late_and_a_reader_what_it_does_not_see() -> None:
    batches: list[DeltaBatch] = []
    gateway, reader = Gateway(GatewayOptions(), batches.append), DeltaReader()
    ms = NS_PER_MILLISECOND
    for asked, answered, records in (
        *((0, 200 * ms, (1,)), (500 * ms, 701 * ms, (2, 3)), (1_000 * ms, 1_201 * ms, ())),
        *(
            (1_500 * ms, 1_500 * ms, ()),
            (2_000 * ms, 2_000 * ms, (4,)),
            (2_500 * ms, 2_500 * ms, (5,)),
        ),
    ):
        gateway.on_answer(asked, answered, records)
    verdict = gateway.verdict()
    assert kinds(verdict) == ["deltas_lost"]
    assert verdict.counts == {
        "answers": 6,
        "batches": 3,
        "empty": 1,
        "timeouts": 2,
        "records_lost": 2,
    }
    assert [batch.batch_id for batch in batches] == [0, 1, 2]
    reader.on_batch(1, batches[0])
    reader.on_batch(2, batches[2])
    assert (reader.seen, reader.missed, kinds(reader.verdict())) == (2, 1, ["batches_missed"])


def test_a_row_overwritten_by_a_lesser_one() -> None:
    finals = table(series("0 1", symbol="ALFA"))
    record = Shown(open_time_ns=opening("1m", 0), count=2)
    for guard, found in ((False, ["overwritten_by_lesser"]), (True, [])):
        writer = SnapshotWriter(SnapshotOptions(guard=guard))
        writer.on_snapshot(1, (record, Shown(open_time_ns=0)))
        writer.on_rows(2, Rows.all(finals))
        writer.on_snapshot(3, (record,))
        assert kinds(writer.verdict()) == found
        assert writer.kept == int(guard)
        assert len(writer.rows) == 2
