"""The input files of a run: trades in order of time, the exchange's klines, what they cover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from kline_harness.archives import (
    ExchangeKlines,
    FileInfo,
    TradeFile,
    detect,
    is_table,
    open_trades,
    read_klines,
)
from kline_harness.columns import concat
from kline_harness.comparison.compare import Reference
from kline_harness.comparison.coverage import Coverage
from kline_harness.errors import UsageError
from kline_harness.replay.market import Market
from kline_harness.replay.numbering import Numbering, refuse_mixture
from kline_harness.replay.references import reference_of
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.wiring import TradeSource
from kline_harness.simulation.feed import Disorder, Reception, in_order, merged, received, streamed
from kline_harness.tape import Tape


@dataclass(slots=True)
class Sources:
    """The files of a run, opened and put in order."""

    trades: list[TradeFile]
    klines: list[ExchangeKlines]
    clock_offset_ns: int | None = None
    receptions: list[Reception] = field(default_factory=list)
    numbering: Numbering = field(default_factory=Numbering)
    _windows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _unnamed: set[str] = field(default_factory=set)

    @staticmethod
    def open(paths: Sequence[Path], kline_paths: Sequence[Path], scenario: Scenario) -> Sources:
        """Open every file; a kline file among the trades is taken as the exchange's klines.

        Raises UsageError when there are no trades or two files hold the same ones.
        """
        mapped = [path for path in paths if scenario.columns is not None and is_table(path)]
        extra = [path for path in paths if path not in mapped and detect(path) == "klines"]
        trades = [
            open_trades(
                path,
                symbol=scenario.symbol,
                market=scenario.market,
                columns=scenario.columns if path in mapped else None,
            )
            for path in paths
            if path not in extra
        ]
        klines = [read_klines(path, symbol=scenario.symbol) for path in [*kline_paths, *extra]]
        if not trades:
            raise UsageError("no file of trades was given, only klines")
        sources = Sources(sorted(trades, key=_first_time), klines, scenario.clock_offset_ns)
        sources._refuse_overlap()
        refuse_mixture([file.peek() for file in sources.trades])
        return sources

    def symbols(self) -> list[str]:
        """Return the symbols of the files, in order of their names."""
        return sorted({symbol for file in self.trades for symbol in file.peek().symbols})

    def delay_ns(self) -> int:
        """Return the average latency of the recordings, 0 without any."""
        return max((reception.latency_mean_ns for reception in self.receptions), default=0)

    def until_ns(self) -> int | None:
        """Return the end of the time that the files' names claim, if any does."""
        ends = [file.peek().coverage for file in self.trades]
        return max((window[1] for window in ends if window), default=None)

    def tapes(self, *, whole: bool) -> Iterator[Tape]:
        """Return the trades of all files merged by arrival.

        With `whole`, archives are read into memory and sorted, for those not in order.

        Raises Disorder, while it yields, when an archive is not in order and `whole` is false.
        """
        self.receptions.clear()
        self.numbering.clear()
        self._windows.clear()
        self._unnamed.clear()
        recordings = [file for file in self.trades if file.info.receive_unit]
        archives: dict[str, list[TradeFile]] = {}
        for file in self.trades:
            if file not in recordings:
                archives.setdefault(file.info.symbols[0], []).append(file)
        sources: list[Iterator[Tape]] = [self._recorded(file) for file in recordings]
        for files in archives.values():
            chunks = chain.from_iterable(self._watched(file) for file in files)
            sources.append(_sorted(chunks) if whole else streamed(chunks))
        return merged(sources)

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
            self.until_ns(),
        )

    def market(self, *, whole: bool) -> Market:
        """Return the trades of all files in memory, with what is known of their latency."""
        tapes = list(self.tapes(whole=whole))
        return Market(concat(tapes), self.delay_ns(), self.latency_max_ns(), self.until_ns())

    def coverage(self) -> dict[str, Coverage]:
        """Return what time each symbol's trades cover; complete once `tapes` is exhausted."""
        return {
            symbol: Coverage.of(windows, () if symbol in self._unnamed else None)
            for symbol, windows in self._windows.items()
        }

    def references(self) -> list[Reference]:
        """Return the exchange's klines as tables to compare with."""
        return [reference_of(klines) for klines in self.klines]

    def unnumbered(self) -> frozenset[str]:
        """Return the symbols whose files do not state trade ids."""
        infos = (file.info for file in self.trades)
        return frozenset(symbol for i in infos if not i.ids_stated for symbol in i.symbols)

    def to_list(self) -> list[dict[str, Any]]:
        """Return what is known of every file as plain data for JSON."""
        infos = [("trades", file.info) for file in self.trades]
        infos += [("klines", klines.info) for klines in self.klines]
        # Files by name: where they lie must not change a byte of the run folder.
        return [
            {"role": role, **info.to_dict(), "path": Path(info.path).name} for role, info in infos
        ]

    def _recorded(self, file: TradeFile) -> Iterator[Tape]:
        tapes = list(self._watched(file))
        if tapes:
            tape, reception = received(Path(file.path).name, concat(tapes), self.clock_offset_ns)
            self.receptions.append(reception)
            yield tape

    def _watched(self, file: TradeFile) -> Iterator[Tape]:
        yield from self.numbering.tapes(file)
        info = file.info
        for symbol in info.symbols:
            window = info.coverage
            if window is None and info.first_event_time_ns is not None:
                assert info.last_event_time_ns is not None
                # The last trade itself is covered, the rest of its millisecond may not be.
                window = (info.first_event_time_ns, info.last_event_time_ns)
                if info.receive_unit is None:
                    # A recording was on all that time; of a file nobody knows what was cut off.
                    self._unnamed.add(symbol)
            if window is not None:
                self._windows.setdefault(symbol, []).append(window)

    def _refuse_overlap(self) -> None:
        """Refuse two files that hold the same symbol's trades of the same time."""
        seen: dict[str, FileInfo] = {}
        for file in self.trades:
            info = file.peek()
            for symbol in info.symbols:
                before = seen.get(symbol)
                if before is not None and _same_start(before, info):
                    raise UsageError(
                        f"{before.path} and {info.path} both hold {symbol} trades of the same "
                        "time: give one of them"
                    )
                seen[symbol] = info


def _first_time(file: TradeFile) -> tuple[int, str]:
    return file.peek().first_event_time_ns or 0, file.path


def _same_start(first: FileInfo, second: FileInfo) -> bool:
    if first.coverage and second.coverage:
        return first.coverage[0] < second.coverage[1] and second.coverage[0] < first.coverage[1]
    return first.first_event_time_ns == second.first_event_time_ns


def _sorted(chunks: Iterator[Tape]) -> Iterator[Tape]:
    tapes = [chunk for chunk in chunks if len(chunk)]
    if tapes:
        yield in_order(concat(tapes))


__all__ = ["Disorder", "Sources"]
