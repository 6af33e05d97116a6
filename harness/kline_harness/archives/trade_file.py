"""A file of trades of any layout, to read as often as needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path, PurePath

from kline_harness.archives.column_map import ColumnMap
from kline_harness.archives.compressed import BLOCK_BYTES, LinesRead, TextFile
from kline_harness.archives.exchanges.binance.recordings import Recording
from kline_harness.archives.exchanges.binance.trade_files import read_trades
from kline_harness.archives.fields import unit_name
from kline_harness.archives.file_names import (
    check_contracts,
    check_market,
    market_of,
    name_symbol,
    named_time,
)
from kline_harness.archives.foreign_trades import ForeignTrades
from kline_harness.archives.info import FileInfo
from kline_harness.archives.mapped_text import MappedText
from kline_harness.archives.name_claims import contradictions
from kline_harness.archives.recognition import Opened, open_text, sniff
from kline_harness.archives.registry import exchange_of
from kline_harness.archives.table import Layout
from kline_harness.background import Begun, in_background
from kline_harness.columns import gathered
from kline_harness.errors import InputError, NoTrades
from kline_harness.ledger import Equation
from kline_harness.tape import Tape
from kline_harness.units import Int64Array

_PEEK_BYTES = 64 << 10
# A block of longer rows is joined with the next: by the parser's thread, which has more time than
# whoever takes the chunks.
_ROW_BYTES = 80
# Of all files that are read side by side, as much text as this is looked at in one go.
_TOGETHER_BYTES = 192 << 20
_BLOCK_BYTES_MIN = 256 << 10
# What a line that is cut by the end of a block may take of the next.
_LINE_BYTES = 1 << 10
# Chunks that are made before anybody asks for them: of 8 MB each.
_EARLY_CHUNKS = 4


class TradeFile:
    """Trades of one file; `info` is complete after a full pass over `chunks`.

    So are `equations`: every line of the file, counted where its bytes are read, is a row read or
    something else that the reader names.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        symbol: str | None = None,
        market: str | None = None,
        block_bytes: int = BLOCK_BYTES,
        lenient: bool = False,
        columns: ColumnMap | None = None,
        contract_size: Decimal | None = None,
        known: Opened | None = None,
    ) -> None:
        check_market(market)
        check_contracts(market, contract_size)
        # Only contracts settled in the base asset have a size in USD.
        market = market if contract_size is None else "cm"
        self.contract_size = contract_size
        self.path = str(path)
        self._file: TextFile
        if known is not None:
            self._file, self._layout = known.file, known.layout
        elif columns is None:
            self._file = open_text(path)
            self._layout = sniff(self._file)
        else:
            self._file = table = MappedText(path, columns)
            self._layout = table.layout
        self._block_bytes = block_bytes
        self._lenient = lenient
        self._symbol = self._given = symbol
        self._market = market
        self._info: FileInfo | None = None
        self.equations: tuple[Equation, ...] = ()
        # Of a recording that was read to its end.
        self.closed_klines = 0
        self._peeked: FileInfo | None = None
        self._begun: Begun[Tape] | None = None
        if self._layout.kind == "klines":
            raise InputError(self.path, "trades", "klines")
        self._foreign: ForeignTrades | None = None
        if self._layout.dialect is not None:
            self._foreign = ForeignTrades(self._file, self._layout, symbol, contract_size)
            self._market = market or self._layout.dialect.market
        elif self._layout.kind != "stream":
            self._name_csv(self._layout)

    def _name_csv(self, layout: Layout) -> None:
        self._symbol = self._symbol or name_symbol(self.path, self._file.member)
        if self._symbol is None:
            raise InputError(self.path, "a symbol, in the file's name or given", "none")
        best, base = "best" in layout.columns, "base" in layout.columns
        self._market = self._market or market_of(self._symbol, best_match=best, base=base)

    @property
    def info(self) -> FileInfo:
        """What is known of the file; all of it once `chunks` has been read to its end."""
        return self._info or self.peek()

    def peek(self) -> FileInfo:
        """Return what the first lines show, cheaply; without sha256, rows are those looked at."""
        if self._peeked is None:
            recording, _, tapes = self._read(_PEEK_BYTES, background=False)
            span = _Span()
            for tape in tapes:
                span.added(tape)
                break
            if recording is not None and not span.rows:
                raise self._no_trades(recording)
            self._peeked = self._describe(span, recording)
            self._file.forget_head()
        return self._peeked

    def begin(self) -> None:
        """Have the first chunks made in a thread from now on; the next pass goes on with them."""
        self._begun = Begun(self._chunks(), _EARLY_CHUNKS)

    def forget_begun(self) -> None:
        """Let go of the chunks that were made and not asked for."""
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.close()

    def chunks(self, *, beside: int = 0) -> Iterator[Tape]:
        """Return the trades as tapes of some hundred thousand rows, each call from the start.

        With many files that are read `beside` it tapes are smaller, and nothing is read ahead.

        Raises InputError for the first bad row, or where the file breaks its packing's promise.
        """
        if self._begun is not None and not beside:
            begun, self._begun = self._begun, None
            return iter(begun)
        self.forget_begun()
        chunks = self._chunks(beside)
        # Parsed in a thread of its own, one tape ahead: it runs outside the interpreter lock.
        return chunks if beside else in_background(chunks, depth=1)

    def _chunks(self, beside: int = 0) -> Iterator[Tape]:
        block_bytes = min(self._block_bytes, max(_BLOCK_BYTES_MIN, _TOGETHER_BYTES // (beside + 1)))
        if beside:
            # A small rest would keep all that decompressing needs between two blocks; so would a
            # block that ends where the text does, before that is known.
            blocks = max(1, round(self._file.text_bytes / block_bytes))
            block_bytes = max(block_bytes, self._file.text_bytes // blocks + _LINE_BYTES)
        recording, read, tapes = self._read(block_bytes, background=not beside)
        span = _Span()
        joined = tapes if beside else gathered(tapes, block_bytes // _ROW_BYTES)
        yield from map(span.added, joined)
        if span.rows == 0:
            raise self._no_trades(recording)
        self._info = replace(self._describe(span, recording), sha256=self._file.sha256)
        # Not counted to the end: no number of lines that any reading could agree with.
        name, lines = Path(self.path).name, -1 if self._file.lines is None else self._file.lines
        if recording is not None:
            self.equations = tuple(recording.equations(name, lines, span.rows))
            self.closed_klines = recording.closed_klines
        else:
            self.equations = (read.equation(name, lines, span.rows),)

    def _no_trades(self, recording: Recording | None) -> InputError:
        if recording is None:
            return InputError(self.path, "trades", "none")
        found = f"none in {recording.messages()}"
        if self._symbol is not None:
            found = f"none of {self._symbol} in {recording.messages()}"
        return NoTrades(self.path, "a trade or aggTrade event", found)

    def _read(
        self, block_bytes: int, *, background: bool
    ) -> tuple[Recording | None, LinesRead, Iterator[Tape]]:
        if self._layout.kind == "stream":
            recording = Recording(self.path, self._symbol, self._market, self.contract_size)
            tapes = recording.tapes(self._file, block_bytes, background=background)
            return recording, LinesRead(), tapes
        if self._foreign is not None:
            # Each pass has its own reader: a look at the first rows must not disturb another's.
            given = (self._symbol, self.contract_size)
            self._foreign = foreign = ForeignTrades(self._file, self._layout, *given)
            return None, foreign.lines, foreign.tapes(block_bytes, background=background)
        assert self._symbol is not None
        assert self._market is not None
        lines = LinesRead()
        tapes = read_trades(
            self._file,
            self._layout,
            self._symbol,
            self._market,
            block_bytes,
            background=background,
            lenient=self._lenient,
            lines=lines,
            contract_size=self.contract_size,
        )
        return None, lines, tapes

    def _describe(self, span: _Span, recording: Recording | None) -> FileInfo:
        foreign, dialect = self._foreign, self._layout.dialect
        unit = recording.unit if recording else self._layout.unit
        receive = recording.receive_unit if recording else None
        if foreign and "receive" in self._layout.columns:
            receive = unit
        symbol = foreign.symbol if foreign else self._symbol
        market = recording.market if recording else self._market
        not_stated = foreign.not_stated if foreign else self._sizes_not_stated(market)
        known = span.rows > 0 and "trade ids" not in not_stated
        # Only Binance's names are known to mean days in UTC, cut by the trade time.
        return FileInfo(
            path=self.path,
            sha256=None,
            bytes=self._file.size,
            layout=self._layout.kind,
            market=market,
            symbols=tuple(recording.symbols) if recording else (symbol or "",),
            unit=unit_name(unit) if unit else "",
            header=self._layout.header,
            compression=self._file.compression,
            rows=span.rows,
            skipped=recording.skipped if recording else 0,
            first_trade_id=span.ids[0] if known else None,
            last_trade_id=span.ids[1] if known else None,
            first_event_time_ns=span.times[0] if span.rows else None,
            last_event_time_ns=span.times[1] if span.rows else None,
            coverage=None if dialect else named_time(self.path, self._file.member),
            receive_unit=unit_name(receive) if receive else None,
            source=self._layout.source,
            not_stated=not_stated,
            unread_columns=self._layout.unread,
            contradictions=self._contradictions(recording),
        )

    def _sizes_not_stated(self, market: str | None) -> tuple[str, ...]:
        is_stated = "base" in self._layout.columns or "quote" in self._layout.columns
        is_assumed = market == "cm" and not is_stated and self.contract_size is None
        return ("contract size",) if is_assumed else ()

    def _contradictions(self, recording: Recording | None) -> tuple[str, ...]:
        stated: tuple[str, ...] = ()
        if recording is not None:
            stated = tuple(recording.symbols)
        elif self._foreign is not None and "symbol" in self._layout.columns:
            stated = (self._foreign.symbol or "",)
        path, member = PurePath(self.path), PurePath(self._file.member or self.path)
        is_named = recording is not None or f"-{self._layout.kind}" in path.name
        if not stated and self._given is None and path.stem == member.stem and is_named:
            # One name, and nothing that it could contradict.
            return ()
        # A recording can hold trades of both kinds.
        kind = () if recording is not None else (self._layout.kind,)
        return contradictions(
            self.path,
            self._file.member,
            pattern=exchange_of(self._layout.source).symbol_in_name,
            stated={"symbol": stated, "kind": kind},
            given=self._given,
        )


class _Span:
    """Rows, smallest and largest id and event time of the tapes added, each given back."""

    def __init__(self) -> None:
        self.rows = 0
        self.ids = (0, 0)
        self.times = (0, 0)

    def added(self, tape: Tape) -> Tape:
        ids, times = _ends(tape.trade_id), _ends(tape.event_time_ns)
        if self.rows:
            ids = min(ids[0], self.ids[0]), max(ids[1], self.ids[1])
            times = min(times[0], self.times[0]), max(times[1], self.times[1])
        self.ids, self.times = ids, times
        self.rows += len(tape)
        return tape


def _ends(values: Int64Array) -> tuple[int, int]:
    return int(values.min()), int(values.max())
