"""The input files of a run: trades in order of time, the exchange's klines, what they cover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path

from kline_harness.archives import (
    ExchangeKlines,
    FileInfo,
    KlineFiles,
    TradeFile,
    files_given,
    files_of_symbol,
    id_rule_of,
    is_mapped,
    open_trades,
    opened,
)
from kline_harness.archives.early_trades import EarlyTrades
from kline_harness.archives.read_ahead import ReadAhead
from kline_harness.checks.contradicting_names import names_contradict
from kline_harness.checks.files import CHECK as FILES
from kline_harness.checks.files import FileWatch
from kline_harness.checks.row_laws import ContractSize
from kline_harness.columns import by_symbol, concat
from kline_harness.comparison.compare import ReferenceKlines
from kline_harness.comparison.coverage import Coverage, FileTime
from kline_harness.contracts import is_size_documented, size_of
from kline_harness.errors import UsageError
from kline_harness.id_rule import IdRule
from kline_harness.ledger import Equation
from kline_harness.replay.assembly import TradeSource
from kline_harness.replay.references import outside_of_name, reference_of
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.trade_numbers import Numbering, refuse_mixture, refuse_overlap
from kline_harness.replay.trade_set import TradeSet
from kline_harness.run_rows import InputRow
from kline_harness.simulation.feed import Disorder, Reception, in_order, received, streamed
from kline_harness.simulation.merge import merged
from kline_harness.tape import Tape
from kline_harness.verdict import Finding


@dataclass(slots=True)
class Sources:
    """The files of a run, opened and put in order.

    `left_out` are those given as the exchange's klines that hold none, and the other files of
    directories, by name, with what they hold.
    """

    trades: list[TradeFile]
    klines: list[ExchangeKlines]
    clock_offset_ns: int | None = None
    receptions: list[Reception] = field(default_factory=list)
    numbering: Numbering = field(default_factory=Numbering)
    left_out: dict[str, str] = field(default_factory=dict)
    _watches: list[FileWatch] = field(default_factory=list)

    @staticmethod
    def open(
        paths: Sequence[Path],
        kline_paths: Sequence[Path],
        scenario: Scenario,
        early: EarlyTrades | None = None,
    ) -> Sources:
        """Open every file; a kline file among the trades is taken as the exchange's klines.

        Of a directory its files of trades and klines are taken. What `early` has opened already
        is not opened again.

        Raises UsageError when there are no trades or two files hold the same ones.
        """
        columns, symbol = scenario.columns, scenario.symbol
        paths, others = files_of_symbol(*files_given(paths, columns), symbol)
        kline_paths, more = files_given(kline_paths)
        mapped = [p for p in paths if columns is not None and is_mapped(p, columns)]
        if columns is not None and not mapped:
            raise UsageError("the column map's names are in the header of none of the files")
        ready = (
            early.take(paths, symbol, scenario.market, scenario.contract_size) if early else None
        )
        trades, extra = ([ready], []) if ready else _opened(paths, mapped, scenario)
        for file in trades:
            file.peek()
        # One directory may be named for both.
        given = KlineFiles(list(dict.fromkeys([*kline_paths, *extra])), symbol)
        klines = list(given.klines())
        if not trades:
            raise UsageError("no file of trades was given, only klines")
        sources = Sources(sorted(trades, key=_first_time), klines, scenario.clock_offset_ns)
        sources.left_out = {**others, **more, **given.left_out}
        infos = [file.peek() for file in sources.trades]
        refuse_overlap(infos)
        refuse_mixture(infos)
        return sources

    def symbols(self) -> list[str]:
        """Return the symbols of the files, in order of their names."""
        return sorted({symbol for file in self.trades for symbol in file.peek().symbols})

    def delay_ns(self) -> int:
        """Return the average latency of the recordings, 0 without any."""
        return max((reception.latency_mean_ns for reception in self.receptions), default=0)

    def until_ns(self) -> int | None:
        """Return the end of the time that the files' names claim, if any does.

        Where trades stop long before it, nobody knows what came then: it is the last trade's.
        Complete once `tapes` is exhausted.
        """
        ends = [watch.window for watch in self._watches if watch.claimed is not None]
        return max((window[1] for window in ends if window), default=None)

    def tapes(self, *, whole: bool) -> Iterator[Tape]:
        """Return the trades of all files merged by arrival.

        With `whole`, archives are read into memory and sorted, for those not in order.

        Raises Disorder, while it yields, when an archive is not in order and `whole` is false.
        """
        self.receptions.clear()
        self.numbering.clear()
        watches: dict[str, list[FileWatch]] = {}
        recordings = [file for file in self.trades if file.info.receive_unit]
        archives: dict[str, list[TradeFile]] = {}
        for file in self.trades:
            if file not in recordings:
                archives.setdefault(file.info.symbols[0], []).append(file)
        merging = self._merged(recordings, list(archives.values()), watches, whole)
        return self._whole(merging, watches)

    def _merged(
        self,
        recordings: list[TradeFile],
        archives: list[list[TradeFile]],
        watches: dict[str, list[FileWatch]],
        whole: bool,
    ) -> Iterator[Tape]:
        groups = [*([file] for file in recordings), *archives]
        with ExitStack() as stack:
            ahead = stack.enter_context(ReadAhead(len(groups))) if len(groups) > 1 else None
            lines = [_InTurn(files, ahead, len(groups) - 1) for files in groups]
            sources: list[Iterator[Tape]] = []
            for number, line in enumerate(lines):
                chunks = (self._watched(*one, watches) for one in line)
                if number < len(recordings):
                    sources.append(self._recorded(recordings[number], next(chunks)))
                else:
                    joined = chain.from_iterable(chunks)
                    sources.append(_sorted(joined) if whole else streamed(joined))
            yield from merged(sources, soon=lambda source: lines[source].prepare())

    def _whole(
        self, tapes: Iterator[Tape], watches: Mapping[str, list[FileWatch]]
    ) -> Iterator[Tape]:
        yield from tapes
        # A pass that is not read to its end says nothing new of the files.
        self._watches = list(chain.from_iterable(watches.values()))

    def claimed(self) -> tuple[int, int] | None:
        """Return the time that the files' names claim together, if each of them claims some."""
        named = [file.peek().coverage for file in self.trades]
        windows = [window for window in named if window]
        if len(windows) < len(named):
            return None
        return min(w[0] for w in windows), max(w[1] for w in windows)

    def watches(self) -> list[FileWatch]:
        """Return what was seen of each file and symbol; complete once `tapes` is exhausted."""
        return self._watches

    def latency_max_ns(self) -> int:
        """Return the largest latency of the recordings, 0 without any."""
        return max((one.latency_max_ns for one in self.receptions), default=0)

    def source(self, *, whole: bool) -> TradeSource:
        """Return the trades of all files, read anew each time."""
        return TradeSource(
            lambda: self.tapes(whole=whole),
            self.symbols,
            self.delay_ns,
            self.latency_max_ns,
            self.until_ns,
            self.place_of,
        )

    def trade_set(self, *, whole: bool) -> TradeSet:
        """Return the trades of all files in memory, with what is known of their latency."""
        tapes = list(self.tapes(whole=whole))
        return TradeSet(concat(tapes), self.delay_ns(), self.latency_max_ns(), self.until_ns())

    def coverage(self) -> dict[str, Coverage]:
        """Return what time each symbol's trades cover; complete once `tapes` is exhausted."""
        recorded = {Path(file.path).name for file in self.trades if file.info.is_recording}
        return Coverage.by_symbol(
            [
                FileTime(w.symbol, w.window, w.claimed, w.name in recorded, w.is_from_first)
                for w in self._watches
            ]
        )

    def equations(self) -> list[Equation]:
        """Return the laws that every line of the files was read as what it is."""
        of_klines = [law for klines in self.klines for law in klines.equations]
        return [law for file in self.trades for law in file.equations] + of_klines

    def closed_klines(self) -> dict[str, int]:
        """Return, by name, how many closed klines are in recordings not given as klines as well."""
        given = {klines.info.path for klines in self.klines}
        others = [file for file in self.trades if file.closed_klines and file.path not in given]
        return {Path(file.path).name: file.closed_klines for file in others}

    def misnamed(self) -> list[Finding]:
        """Find the files whose names contradict each other, or their rows."""
        outside = (one for klines in self.klines for one in outside_of_name(FILES, klines))
        return [*names_contradict(FILES, self.rows()), *outside]

    def references(self) -> list[ReferenceKlines]:
        """Return the exchange's klines as tables to compare with."""
        return [reference_of(klines) for klines in self.klines]

    def unnumbered(self) -> frozenset[str]:
        """Return the symbols whose files do not state trade ids."""
        infos = (file.info for file in self.trades)
        return frozenset(symbol for i in infos if not i.ids_stated for symbol in i.symbols)

    def unsided(self) -> frozenset[str]:
        """Return the symbols of which some file does not state who took."""
        infos = (file.info for file in self.trades)
        return frozenset(s for info in infos if "sides" in info.not_stated for s in info.symbols)

    def id_rules(self) -> dict[str, IdRule]:
        """Return by symbol what its sources' documents say of ids that no trade has."""
        rules: dict[str, IdRule] = {}
        strict_first = list(IdRule)
        for file in self.trades:
            info = file.info
            one = id_rule_of(info)
            for symbol in info.symbols:
                rules[symbol] = max(one, rules.get(symbol, one), key=strict_first.index)
        return rules

    def rows(self) -> list[InputRow]:
        """Return what is known of every file as rows of run.json."""
        infos = [("trades", file.info) for file in self.trades]
        infos += [("klines", klines.info) for klines in self.klines]
        # Files by name: where they lie must not change a byte of the run folder.
        return [
            InputRow({"role": role, **info.to_dict(), "path": Path(info.path).name})
            for role, info in infos
        ]

    def place_of(self, symbol: str, trade_id: int, event_time_ns: int) -> str:
        """Return the file and data row of a trade, from 1; its symbol where no file holds it."""
        for file in self.trades:
            info, rows = file.peek(), 0
            for tape in file.chunks() if symbol in info.symbols else ():
                found = tape.event_time_ns == event_time_ns
                if info.ids_stated:
                    found &= tape.trade_id == trade_id
                for row in found.nonzero()[0].tolist():
                    if tape.symbol_text(row) == symbol:
                        return f"{Path(file.path).name}, row {rows + row + 1}: {symbol}"
                rows += len(tape)
        return symbol

    def _recorded(self, file: TradeFile, chunks: Iterator[Tape]) -> Iterator[Tape]:
        tapes = list(chunks)
        if tapes:
            tape, reception = received(Path(file.path).name, concat(tapes), self.clock_offset_ns)
            self.receptions.append(reception)
            yield tape

    def _watched(
        self, file: TradeFile, chunks: Iterator[Tape], watches: dict[str, list[FileWatch]]
    ) -> Iterator[Tape]:
        """Return a file's chunks; once they are read, `watches` by symbol have what was seen."""
        info = file.peek()
        mine: dict[str, FileWatch] = {}

        def watched(tape: Tape) -> Tape:
            for _, part in by_symbol(tape):
                symbol = part.symbol_text(0)
                if symbol not in mine:
                    mine[symbol] = watch_of(info, symbol, file.contract_size)
                mine[symbol].add(part)
            return tape

        yield from map(watched, self.numbering.tapes(file, chunks))
        for watch in mine.values():
            for other in watches.get(watch.symbol, ()):
                if watch.overlaps(other):
                    one, two = sorted((watch, other), key=lambda w: w.is_aggregated)
                    raise UsageError(
                        f"{one.name} holds raw trades and {two.name} aggregates of the same "
                        f"{watch.symbol} trades and time, which would count twice: give one of "
                        "them (inspect holds one against the other)"
                    )
        for symbol, watch in mine.items():
            watches.setdefault(symbol, []).append(watch)


class _InTurn:
    """Files that are read one after the other, with their chunks.

    `beside` are how many other such lines of files are read at the same time; `ahead` makes the
    next chunk before it is asked for.
    """

    def __init__(self, files: Sequence[TradeFile], ahead: ReadAhead | None, beside: int) -> None:
        self._files = files
        chunks = [file.chunks(beside=beside) for file in files]
        self._ahead = [ahead.over(one) for one in chunks] if ahead else []
        self._chunks: Sequence[Iterator[Tape]] = self._ahead or chunks
        self._place = 0

    def __iter__(self) -> Iterator[tuple[TradeFile, Iterator[Tape]]]:
        for place, pair in enumerate(zip(self._files, self._chunks, strict=True)):
            self._place = place
            yield pair

    def prepare(self) -> None:
        """Have the next chunk of the file that is being read made."""
        self._ahead[self._place].prepare()


def _opened(
    paths: Sequence[Path], mapped: Sequence[Path], scenario: Scenario
) -> tuple[list[TradeFile], list[Path]]:
    """Open files of trades; return those of klines as well."""
    files = [(path, None if path in mapped else opened(path)) for path in paths]
    klines = [path for path, known in files if known is not None and known.holds == "klines"]
    trades = [
        open_trades(
            path,
            symbol=scenario.symbol,
            market=scenario.market,
            contract_size=scenario.contract_size,
            columns=scenario.columns if path in mapped else None,
            known=known,
        )
        for path, known in files
        if path not in klines
    ]
    return trades, klines


def watch_of(info: FileInfo, symbol: str, given: Decimal | None = None) -> FileWatch:
    """Return the watch over one symbol's trades of a file, as its first lines describe it.

    Base quantities that it states are held to the `given` contract size, else to the one that the
    documents name for the symbol.
    """
    size = None
    if info.layout == "trades" and info.market == "cm":
        known = size_of(symbol, given) if given or is_size_documented(symbol) else None
        size = ContractSize() if known is None else ContractSize(float(known), float(known))
    return FileWatch(
        Path(info.path).name,
        symbol,
        info.coverage,
        sides_stated="sides" not in info.not_stated,
        ids_stated=info.ids_stated,
        is_aggregated=info.layout == "aggTrades",
        is_recorded=info.layout == "stream",
        quotes_stated=info.layout == "trades" and info.market != "cm",
        size_assumed="contract size" in info.not_stated and not is_size_documented(symbol),
        size=size,
    )


def _first_time(file: TradeFile) -> tuple[int, str]:
    return file.peek().first_event_time_ns or 0, file.path


def _sorted(chunks: Iterator[Tape]) -> Iterator[Tape]:
    tapes = [chunk for chunk in chunks if len(chunk)]
    if tapes:
        yield in_order(concat(tapes))


__all__ = ["Disorder", "Sources"]
