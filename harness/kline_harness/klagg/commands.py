"""klagg's command path: symbols added to and removed from a running aggregator."""

from __future__ import annotations

from collections.abc import Collection, Container, Sequence
from typing import Protocol

from kline_harness.aggregators.per_event import Amount
from kline_harness.interfaces import AddSymbol, RemoveSymbol
from kline_harness.klagg.board import Board
from kline_harness.klagg.numbers import Measure, Numbers
from kline_harness.klagg.quirks import Quirk
from kline_harness.klagg.slots import Slot
from kline_harness.klagg.symbols import SymbolMap
from kline_harness.klagg.ticker import Ticker
from kline_harness.kline import Life
from kline_harness.ledger import SeriesAccount


class CommandHost(Protocol):
    """What the command path asks of its aggregator."""

    def code_of(self, symbol: str) -> int:
        """Return a symbol's index in the aggregator's instruments."""
        ...

    def accounts_of(self, symbol: str) -> Sequence[SeriesAccount]:
        """Return a symbol's accounts, a period each."""
        ...

    def note_life(self, life: Life, index: int, place: int) -> None:
        """Publish a transition of a slot."""
        ...

    def end_bar(self, index: int, place: int) -> None:
        """Publish a slot's open bar as its last one."""
        ...

    def observe(self, kind: str, symbol: str, **evidence: object) -> None:
        """Note something that no check of the outputs can see."""
        ...

    def abort(self, kind: str, symbol: str, **evidence: object) -> None:
        """Stop for good, as a crashed process does."""
        ...


class Commands:
    """Adds and removes symbols.

    `unsubscribable` symbols are those whose subscription fails, so that adding them is answered
    with an error.
    """

    def __init__(
        self,
        host: CommandHost,
        board: Board,
        symbols: SymbolMap,
        numbers: Numbers,
        quirks: Container[Quirk],
        unsubscribable: Collection[str] = (),
    ) -> None:
        self._host = host
        self._board = board
        self._symbols = symbols
        self._numbers = numbers
        self._quirks = quirks
        self._unsubscribable = unsubscribable
        self._genesis = min(
            range(len(board.periods)), key=lambda place: board.periods[place].order_ns
        )

    # --- add -----------------------------------------------------------------------------------

    def add(self, command: AddSymbol, now_ns: int) -> None:
        """Give a symbol slots, seed them from its ticker, subscribe, and tell the caller."""
        board, symbol = self._board, command.symbol
        refusal = self._refusal(symbol)
        if refusal:
            self._host.observe("command_refused", symbol, command="add", reason=refusal)
            return
        if board.managed >= len(board.names):
            self._host.abort("capacity_lost_by_removal", symbol, names=len(board.names))
            return
        index = board.assign(symbol, self._host.accounts_of(symbol))
        self._seed(command, index)
        if symbol in self._unsubscribable:
            self._host.observe("command_refused", symbol, command="add", reason="subscription")
        elif not self._symbols.add(self._host.code_of(symbol), index, now_ns):
            counts = {"aggregator_count": board.managed, "map_count": len(self._symbols.current)}
            self._host.observe("index_drift", symbol, **counts)

    def _refusal(self, symbol: str) -> str | None:
        board = self._board
        if board.managed >= board.capacity:
            return "capacity"
        if symbol in board.index_of and Quirk.DUPLICATE_SYMBOL not in self._quirks:
            return "duplicate"
        if symbol in self._unsubscribable and Quirk.FAILED_ADD_KEPT not in self._quirks:
            return "subscription"
        return None

    def _seed(self, command: AddSymbol, index: int) -> None:
        slots = self._board.rows[index].slots
        if Quirk.GENESIS_FROM_TICKER not in self._quirks:
            for place, slot in enumerate(slots):
                slots[place] = Slot(account=slot.account, dirty=slot.dirty, waits=True)
            return
        ticker = command.stated or Ticker()
        if ticker.first_time_ns <= 0:
            return
        close = self._numbers.parse(ticker.close, Measure.PRICE)
        self._seed_genesis(ticker, index)
        for place in range(len(slots)):
            if self._is_seeded_flat(place):
                self._begin(index, place, ticker.first_time_ns, close)
                self._host.note_life(Life.OPENED_PROVISIONAL, index, place)
                if Quirk.SEEDS_UNANNOUNCED not in self._quirks:
                    self._board.touch(index, place)

    def _is_seeded_flat(self, place: int) -> bool:
        if Quirk.SEEDING_SKIPS_FIRST in self._quirks:
            return place != 0
        return place != self._genesis

    def _seed_genesis(self, ticker: Ticker, index: int) -> None:
        """Put the ticker's numbers, which are of 24 hours, into the shortest period's bar."""
        parse = self._numbers.parse
        texts = (ticker.open, ticker.high, ticker.low, ticker.close)
        prices = [parse(text, Measure.PRICE) for text in texts]
        volume = parse(ticker.volume, Measure.QUANTITY)
        quote_volume = parse(ticker.quote_volume, Measure.QUOTE)
        slot = self._begin(index, self._genesis, ticker.first_time_ns, prices[3])
        slot.set_fields((*prices, volume, quote_volume, 0, 0), 1)
        self._host.note_life(Life.OPENED_LIVE, index, self._genesis)
        self._board.touch(index, self._genesis)

    def _begin(self, index: int, place: int, time_ns: int, close: Amount) -> Slot:
        period, slot = self._board.periods[place], self._board.rows[index].slots[place]
        open_time_ns = period.seed_time_ns(time_ns)
        slot.seed(open_time_ns, period.next_open_ns(open_time_ns), close)
        return slot

    # --- remove --------------------------------------------------------------------------------

    def remove(self, command: RemoveSymbol, now_ns: int) -> None:
        """Take a symbol off, shift the later ones down, and tell the caller."""
        index = self._board.index_of.get(command.symbol)
        if index is None:
            self._host.observe(
                "command_refused", command.symbol, command="remove", reason="unknown"
            )
            return
        for place, slot in enumerate(self._board.rows[index].slots):
            if Quirk.REMOVAL_DISCARDS in self._quirks:
                slot.account.discarded += slot.rows - slot.foreign
            elif slot.count:
                self._host.end_bar(index, place)
        moved = self._board.remove(index)
        codes = {self._host.code_of(symbol): new for symbol, new in moved.items()}
        self._symbols.remove(self._host.code_of(command.symbol), codes, now_ns)
