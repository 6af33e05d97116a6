"""The ledger breaks wherever something vanishes without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.archives.trade_file import TradeFile
from kline_harness.columns import Grouped, Rows
from kline_harness.interfaces import FeedSlice
from kline_harness.kline import Emission, KlineBatch
from kline_harness.ledger import Equation
from kline_harness.simulation.bulk_delivery import BulkListener, BulkProducer, TimedBatch
from kline_harness.simulation.feed import Feed
from kline_harness.storage.dataset import KlineDataset, Part
from kline_harness.storage.parquet_writer import ParquetWriter
from kline_harness.tape import Tape

from tests.replays import UM_DAY, UM_STREAM, Ran, replay

Plant = Callable[[pytest.MonkeyPatch], None]
TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
LAWS = ("traded count", "traded volume in 1e-18", "traded quote_volume in 1e-18")


def run(folder: Path) -> Ran:
    return replay(folder / "run", TRADES, "--intervals", "1m,5m", "--audit", "off")


def broken(ran: Ran) -> set[str]:
    return {line["law"] for line in ran.equations() if not line["balanced"]}


class Once:
    """Does something to the first call that has anything to do it to."""

    def __init__(self) -> None:
        self.done = False

    def now(self, possible: bool = True) -> bool:
        if self.done or not possible:
            return False
        self.done = True
        return True


def drop_in_the_aggregator(patch: pytest.MonkeyPatch) -> None:
    """A trade is received and counted as applied, but in no kline."""
    plain, once = ExactAggregator._accept, Once()

    def accept(self: ExactAggregator, symbols: Grouped[Tape]) -> Any:
        kept, rows = plain(self, symbols), len(symbols.table)
        if once.now(rows > 10):
            kept = np.ones(rows, dtype=np.bool_) if kept is None else kept
            kept[kept.argmax()] = False
        return kept

    patch.setattr(ExactAggregator, "_accept", accept)


def change_in_the_aggregator(patch: pytest.MonkeyPatch) -> None:
    """A final is published with one unit of volume too little."""
    plain, once = ExactAggregator.advance, Once()

    def advance(self: ExactAggregator, feed: FeedSlice) -> Emission:
        emission = plain(self, feed)
        klines = emission.klines
        if once.now(len(klines) > 0):
            volume = klines.volume.copy()
            volume[0] -= 1
            klines = klines.with_columns({"volume": volume})
        return Emission(klines, emission.events)

    patch.setattr(ExactAggregator, "advance", advance)


def kline_dropped_in_the_aggregator(patch: pytest.MonkeyPatch) -> None:
    plain, once = ExactAggregator.advance, Once()

    def advance(self: ExactAggregator, feed: FeedSlice) -> Emission:
        emission = plain(self, feed)
        start = int(once.now(len(emission.klines) > 1))
        return Emission(emission.klines[start:], emission.events)

    patch.setattr(ExactAggregator, "advance", advance)


def drop_before_the_channel(patch: pytest.MonkeyPatch) -> None:
    plain, once = BulkProducer._take, Once()

    def take(self: BulkProducer, emission: Emission, now_ns: int) -> int:
        start = int(once.now(len(emission.klines) > 1))
        return plain(self, Emission(emission.klines[start:], emission.events), now_ns)

    patch.setattr(BulkProducer, "_take", take)


def drop_in_the_channel(patch: pytest.MonkeyPatch) -> None:
    plain, once = BulkListener._deliver, Once()

    def deliver(self: BulkListener, stretch: TimedBatch, begin: int, stop: int) -> None:
        plain(self, stretch, begin + int(once.now(stop > begin)), stop)

    patch.setattr(BulkListener, "_deliver", deliver)


def drop_before_the_writer(patch: pytest.MonkeyPatch) -> None:
    plain, once = ParquetWriter.on_rows, Once()

    def on_rows(self: ParquetWriter, now_ns: int, rows: Rows[KlineBatch]) -> None:
        plain(self, now_ns, rows[int(once.now()) :])

    patch.setattr(ParquetWriter, "on_rows", on_rows)


def drop_in_the_writer(patch: pytest.MonkeyPatch) -> None:
    plain, once = KlineDataset.commit, Once()

    def commit(self: KlineDataset, groups: Iterable[pa.Table]) -> Part:
        return plain(self, [pa.concat_tables(groups).slice(int(once.now()))])

    patch.setattr(KlineDataset, "commit", commit)


def change_in_the_writer(patch: pytest.MonkeyPatch) -> None:
    """One kline is written twice in place of its neighbour: the rows are as many."""
    plain, once = KlineDataset.commit, Once()

    def commit(self: KlineDataset, groups: Iterable[pa.Table]) -> Part:
        table = pa.concat_tables(groups)
        rows = np.arange(table.num_rows)
        if once.now(table.num_rows > 2):
            rows[0] = 1
        return plain(self, [table.take(rows)])

    patch.setattr(KlineDataset, "commit", commit)


def drop_in_the_reader(patch: pytest.MonkeyPatch) -> None:
    plain, once = TradeFile.chunks, Once()

    def chunks(self: TradeFile, *, beside: int = 0) -> Iterator[Tape]:
        for tape in plain(self, beside=beside):
            yield tape[int(once.now(len(tape) > 1)) :]

    patch.setattr(TradeFile, "chunks", chunks)


def drop_in_the_feed(patch: pytest.MonkeyPatch) -> None:
    plain, once = Feed.__iter__, Once()

    def pieces(self: Feed) -> Iterator[FeedSlice]:
        for piece in plain(self):
            if once.now(len(piece.trades) > 1 and not piece.signals):
                continue
            if not once.done and len(piece.trades) > 1:
                once.done = True
                trades = piece.trades[:-1]
                stops = tuple(min(stop, len(trades)) for stop in piece.positions)
                piece = FeedSlice(trades, piece.signals, stops)
            yield piece

    patch.setattr(Feed, "__iter__", pieces)


PLANTED: dict[Plant, str] = {
    drop_in_the_aggregator: "traded count",
    change_in_the_aggregator: "traded volume in 1e-18",
    kline_dropped_in_the_aggregator: "traded count",
    drop_before_the_channel: "traded count",
    drop_in_the_channel: "sent",
    drop_before_the_writer: "delivered",
    drop_in_the_writer: "klines written",
    change_in_the_writer: "traded count",
    drop_in_the_reader: "trades read",
    drop_in_the_feed: "trades read",
}


@pytest.mark.unbalanced
@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_silent_drop_breaks_the_ledger(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    ran = run(tmp_path)
    assert PLANTED[plant] in broken(ran)
    assert (ran.exit_code, ran.run["verdict"]) == (1, "invalid")
    assert ran.check("ledger")["verdict"] == "invalid"


def test_the_ledger_is_whole(tmp_path: Path, ledgers: list[list[Equation]]) -> None:
    ran = run(tmp_path)
    assert broken(ran) == set()
    assert len(ledgers) == 1
    laws = {line["law"] for line in ran.equations()}
    assert laws >= {*LAWS, "trades read", "trades received", "published", "klines written"}


def test_each_class_of_trades_has_its_ids(tmp_path: Path) -> None:
    ran = replay(tmp_path / "run", UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip", "--audit", "off")
    classes = {f["kind"]: f["evidence"] for f in ran.findings() if f["check"] == "trades"}
    for name, evidence in classes.items():
        assert evidence["first_ids"], name
        assert evidence["trades"] >= len(evidence["first_ids"])
