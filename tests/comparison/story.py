"""What was traded, what the aggregator applied and what the exchange published, in few words."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from kline_harness.columns import Instrument, concat
from kline_harness.comparison.compare import Comparison, Difference, ReferenceKlines
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.explain import Witnesses, explain
from kline_harness.comparison.pairs import compare
from kline_harness.comparison.retained_trades import RetainedTrades, collect
from kline_harness.comparison.retention import Refused, retention_plan
from kline_harness.comparison.series_rows import RowsInMemory
from kline_harness.comparison.stored import Stored
from kline_harness.interval import CODE, parse_interval
from kline_harness.kline import FIELDS, KlineBatch
from kline_harness.ledger import SeriesAccount, TradeAccount
from kline_harness.replay.tables import write_differences
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import narrow

from tests.comparison.reprove import reprove
from tests.oracle import EXACT, OracleKline, OracleTrade, klines, next_open, open_time

NS = 1_000_000_000
MINUTE = 60 * NS
# Wednesday 2024-05-15 00:00 UTC.
START = 1_715_731_200 * NS
SYMBOL = "ALFAUSDT"


def trades(text: str, first_id: int = 1, **common: object) -> list[OracleTrade]:
    """Read trades: ``"0.5 100x2, 61 101x1 sell, 62 90x1 fund"``: seconds, price, quantity, words.

    Words: sell (the buyer is maker), fund, adl, sentinel, zero, ``id=N``, ``raw=N`` (an
    aggregate of N raw trades), ``at=S`` (arrives at S seconds).
    """
    out: list[OracleTrade] = []
    trade_id = first_id
    for part in text.split(","):
        seconds, traded, *words = part.split()
        price, _, quantity = traded.partition("x")
        values = dict(word.split("=") for word in words if "=" in word)
        trade_id = int(values.get("id", trade_id))
        raw = int(values.get("raw", 1))
        kind = next((KINDS[word] for word in words if word in KINDS), "MARKET")
        at = values.get("at", seconds)
        trade = OracleTrade(
            id=trade_id,
            price=Decimal(price),
            quantity=Decimal(quantity),
            first_id=-1 if kind == "SENTINEL" else trade_id,
            last_id=-1 if kind == "SENTINEL" else trade_id + raw - 1,
            time_ns=START + int(Decimal(seconds) * NS),
            buyer_is_maker="sell" in words,
            symbol=SYMBOL,
            arrival_ns=START + int(Decimal(at) * NS),
            kind=kind,
        )
        out.append(trade)
        trade_id += raw
    return out


KINDS = {
    "fund": "INSURANCE_FUND",
    "adl": "ADL",
    "sentinel": "SENTINEL",
    "zero": "ZERO_QUANTITY",
}


def as_market(listed: Iterable[OracleTrade]) -> list[OracleTrade]:
    """Return trades as if every one were a MARKET trade."""
    out = []
    for trade in listed:
        if trade.first_id < 0:
            # The oracle counts raw ids: a row without counts as one.
            trade = replace(trade, first_id=trade.id, last_id=trade.id)
        out.append(replace(trade, kind="MARKET"))
    return out


def tape_of(listed: Sequence[OracleTrade]) -> Tape:
    """Return trades as a tape, in their order, at the scales they need."""
    tapes = []
    for symbol in dict.fromkeys(trade.symbol for trade in listed):
        mine = [(row, trade) for row, trade in enumerate(listed) if trade.symbol == symbol]
        tapes.append((_one_symbol(symbol, [trade for _, trade in mine]), [row for row, _ in mine]))
    if not tapes:
        return Tape.empty()
    order = np.argsort(np.concatenate([rows for _, rows in tapes]))
    return concat([tape for tape, _ in tapes]).take(order)


def _one_symbol(symbol: str, listed: Sequence[OracleTrade]) -> Tape:
    price, quantity = (
        max(max(0, -int(getattr(trade, name).as_tuple().exponent)) for trade in listed)
        for name in ("price", "quantity")
    )
    given = [trade.quote_quantity is not None for trade in listed]
    instrument = Instrument.of(symbol, price, quantity)
    quote = None
    if any(given):
        instrument = Instrument(symbol, price, quantity, 8)
        quote = _ints([trade.quote for trade in listed], 8)
    return Tape.of(
        instrument,
        trade_id=_ids([trade.id for trade in listed]),
        price=_ints([trade.price for trade in listed], price),
        quantity=_ints([trade.quantity for trade in listed], quantity),
        quote=quote,
        first_id=_ids([trade.first_id for trade in listed]),
        last_id=_ids([trade.last_id for trade in listed]),
        event_time_ns=_ids([trade.time_ns for trade in listed]),
        arrival_ns=_ids([trade.arrival_ns or trade.time_ns for trade in listed]),
        buyer_is_maker=np.array([trade.buyer_is_maker for trade in listed]),
        kind=np.array([TradeKind[trade.kind] for trade in listed], dtype=np.int8),
    )


def _ids(values: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def _ints(values: Sequence[Decimal], scale: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    whole = [int(EXACT.scaleb(value, scale)) for value in values]
    return narrow(np.array(whole, dtype=object))


def table_of(rows: Sequence[OracleKline], interval: str, symbol: str = SYMBOL) -> pa.Table:
    """Return oracle klines as a table of finals, published a second after their close."""
    price, quantity, quote = 8, 8, 16
    scales = dict.fromkeys(("open", "high", "low", "close"), price)
    scales |= dict.fromkeys(("volume", "taker_buy_volume"), quantity)
    scales |= dict.fromkeys(("quote_volume", "taker_buy_quote_volume"), quote)
    columns: dict[str, object] = {
        name: _ints([getattr(row, name) for row in rows], scale) for name, scale in scales.items()
    }
    for name in ("count", "open_time_ns", "first_trade_id", "last_trade_id"):
        columns[name] = _ids([getattr(row, name) for row in rows])
    columns |= {
        "symbol": np.zeros(len(rows), dtype=np.int16),
        "interval": np.full(len(rows), CODE[parse_interval(interval)], dtype=np.int8),
        "at_ns": _ids([row.close_time_ns + NS for row in rows]),
        "trigger": np.ones(len(rows), dtype=np.int8),
    }
    return KlineBatch.build((Instrument(symbol, price, quantity, quote),), columns).to_arrow()


@dataclass
class Story:
    """One symbol's recorded trades, and both sides' klines by interval.

    `late` are the ids late in every interval; `ours` and `theirs` are made by the oracle where
    they are not given: ours of what was applied, theirs of all MARKET trades.
    """

    recorded: Sequence[OracleTrade]
    theirs: Mapping[str, Sequence[OracleKline]]
    late: Sequence[int] = ()
    ours: Mapping[str, Sequence[OracleKline]] = field(default_factory=dict)
    coverage: tuple[int, int] = (START, START + 24 * 60 * MINUTE)
    fields: tuple[str, ...] = FIELDS
    others: Sequence[OracleTrade] = ()
    revised: Mapping[str, Sequence[OracleKline]] = field(default_factory=dict)
    before_fault: Sequence[OracleTrade] | None = None
    applies_all_kinds: bool = False

    def tape(self) -> Tape:
        """Return all recorded trades in order of arrival."""
        listed = [*self.recorded, *self.others]
        return tape_of(sorted(listed, key=lambda trade: trade.arrival_ns or trade.time_ns))

    def account(self) -> TradeAccount:
        """Return what an exact aggregator would say became of the trades."""
        seen: set[int] = set()
        account = TradeAccount()
        for trade in sorted(self.recorded, key=lambda one: one.arrival_ns or one.time_ns):
            account.received += 1
            if trade.kind != "MARKET" and not self.applies_all_kinds:
                account.rejected.setdefault(trade.kind.lower(), []).append(trade.id)
            elif trade.id in seen:
                account.duplicate.append(trade.id)
            seen.add(trade.id)
        for interval in self.theirs:
            account.series[interval] = SeriesAccount(late=list(self.late))
        return account

    def our_klines(self, interval: str) -> Sequence[OracleKline]:
        """Return what was published: the klines of the applied trades, flat on to the end."""
        if interval in self.ours:
            return self.ours[interval]
        applied = [trade for trade in self.recorded if trade.id not in self.late]
        if self.applies_all_kinds:
            applied = as_market(applied)
        return extended(klines(applied, interval), interval, self.theirs[interval])

    def explained(self) -> Comparison:
        """Compare and explain."""
        found, witnesses, _ = self._witnesses()
        return explain(found, witnesses)

    def differences(self) -> list[Difference]:
        """Return every difference, explained or not; every proof has been run again."""
        found = self.explained().differences
        tape = self.tape()
        undone = [] if self.before_fault is None else [("fault", tape_of(self.before_fault))]
        for row in stored_rows(found):
            explained = row["class"] in ("proved", "consistent")
            assert reprove(row, tape, undone) == explained
            if explained and row["theirs_volume"] is not None:
                # No proof holds for a kline that is anything else.
                other = {**row, "theirs_volume": row["theirs_volume"] + Decimal("1e-9")}
                assert row["cause"] == "revised_archive" or not reprove(other, tape, undone)
        return found

    def causes(self, interval: str = "1m") -> dict[int, str | None]:
        """Return the cause of each difference, by the number of the kline since the start."""
        length = next_open(interval, START) - START
        return {
            (d.open_time_ns - START) // length: None if d.proof is None else d.proof.cause
            for d in self.differences()
            if d.interval.text == interval
        }

    def _witnesses(self) -> tuple[Comparison, Witnesses, Mapping[str, RetainedTrades]]:
        tables = [table_of(self.our_klines(interval), interval) for interval in self.theirs]
        stored = Stored.of(pa.concat_tables(tables).unify_dictionaries())
        references = [self._reference(i, rows, "file.csv") for i, rows in self.theirs.items()]
        references += [self._reference(i, rows, "revised.csv") for i, rows in self.revised.items()]
        coverage = {SYMBOL: Coverage.of([self.coverage])}
        found = compare(stored, references, coverage)
        # Files given for the same klines are compared too; only the first one's are asked about.
        found = Comparison(found.series[: len(self.theirs)])
        refused = Refused.of(self.account())
        plans = {SYMBOL: retention_plan(found.differences, refused, stored)}
        evidence = collect(plans, chunks(self.tape()))
        undone: dict[str, list[tuple[str, RetainedTrades]]] = {}
        if self.before_fault is not None:
            kept = collect(
                {SYMBOL: replace(plans[SYMBOL], refused=Refused())},
                [tape_of(self.before_fault)],
            )
            undone = {SYMBOL: [("fault", kept[SYMBOL])]}
        return found, Witnesses(evidence, coverage, references, undone), evidence

    def _reference(
        self, interval: str, rows: Sequence[OracleKline], source: str
    ) -> ReferenceKlines:
        table = RowsInMemory(table_of(rows, interval))
        return ReferenceKlines(SYMBOL, parse_interval(interval), table, self.fields, source)


def stored_rows(differences: Sequence[Difference]) -> list[dict[str, Any]]:
    """Return differences as they are read back from differences.parquet."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "differences.parquet"
        write_differences(path, differences)
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def chunks(tape: Tape, size: int = 7) -> list[Tape]:
    """Cut a tape into small chunks, as readers do."""
    return [tape[start : start + size] for start in range(0, len(tape), size)]


def extended(
    rows: list[OracleKline], interval: str, beside: Sequence[OracleKline]
) -> list[OracleKline]:
    """Add flat klines until the last one beside: ticks go on when trades do not."""
    rows = list(rows)
    while rows and beside and rows[-1].open_time_ns < beside[-1].open_time_ns:
        rows.append(flat(rows[-1].close_time_ns, interval, rows[-1].close))
    return rows


def flat(open_ns: int, interval: str, price: Decimal) -> OracleKline:
    """Return a quiet kline."""
    zero = Decimal(0)
    close_ns = next_open(interval, open_ns)
    return OracleKline(
        open_ns, close_ns, price, price, price, price, zero, zero, 0, zero, zero, -1, -1
    )


def with_trades_of(
    rows: Sequence[OracleKline], interval: str, number: int, listed: Iterable[OracleTrade]
) -> list[OracleKline]:
    """Replace the kline of a number by that of other trades of its time."""
    changed = list(rows)
    opened = rows[number].open_time_ns
    inside = [trade for trade in listed if open_time(interval, trade.time_ns) == opened]
    (changed[number],) = klines(inside, interval)
    return changed
