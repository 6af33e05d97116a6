"""A campaign's file: which trades, with which klines, through which aggregators and scenarios."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from kline_harness.aggregators.names import EXACT
from kline_harness.archives import ColumnMap, open_trades
from kline_harness.archives.file_names import name_coverage, name_symbol
from kline_harness.archives.given_files import KlineFiles
from kline_harness.campaign.day_cache import Reading
from kline_harness.errors import InputError, UsageError
from kline_harness.history.catalogue import Catalogue, default_home
from kline_harness.history.held_files import take
from kline_harness.history.layouts import KLINES
from kline_harness.history.selection import is_selection, parse_selection
from kline_harness.interval import parse_intervals
from kline_harness.replay import Scenario
from kline_harness.replay.decode import decode
from kline_harness.replay.scenario_file import scenario_of
from kline_harness.toml_file import read_toml

TASK_SECONDS = 5
RETRIES = 2


@dataclass(frozen=True, slots=True)
class CampaignOptions:
    """The keys of a campaign's file.

    `trades` and `klines` are files, patterns of files, or days of the catalogue; paths, those of
    `scenarios` too, are relative to the campaign's file. Each scenario is replayed with each of
    the `aggregators`; without any there is the default one. A task is at least `task_seconds` of
    work, unless a symbol has less; a lost worker's task is tried again `retries` times.
    """

    trades: tuple[str, ...]
    klines: tuple[str, ...] = ()
    aggregators: tuple[str, ...] = (EXACT,)
    scenarios: tuple[str, ...] = ()
    intervals: str | None = None
    expectations: bool = True
    report: bool = True
    market: str | None = None
    contract_size: Decimal | None = None
    columns: str | None = None
    task_seconds: int = TASK_SECONDS
    retries: int = RETRIES


@dataclass(frozen=True, slots=True)
class Variant:
    """A scenario with an aggregator, and the name that its runs bear."""

    name: str
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class SymbolFiles:
    """One symbol's files of trades in order of time, and the exchange's klines of it.

    `market` is that of a selection of the catalogue, else of the campaign's file.
    """

    symbol: str
    market: str | None
    trades: tuple[Path, ...]
    klines: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name the symbol, with its market where that was given."""
        return f"{self.market}-{self.symbol}" if self.market else self.symbol

    @property
    def size(self) -> int:
        """The bytes of its files of trades."""
        return bytes_of(self.trades)


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is to be run: every symbol with every variant."""

    options: CampaignOptions
    symbols: tuple[SymbolFiles, ...]
    variants: tuple[Variant, ...]

    def reading(self) -> Reading:
        """Return how the files are read: as each variant's replay reads them."""
        first = self.variants[0].scenario
        every = tuple(i for variant in self.variants for i in variant.scenario.intervals)
        return Reading(
            Reading.frame_of(every), None, self.options.market, first.contract_size, first.columns
        )


def bytes_of(paths: Iterable[Path]) -> int:
    """Return how many bytes files have together."""
    return sum(path.stat().st_size for path in paths)


def load_campaign(path: Path) -> Campaign:
    """Read a campaign's file and find the files that it names.

    Raises UsageError for a key or value that does not fit, and for files that are not there,
    InputError where it is no TOML.
    """
    options = decode(CampaignOptions, read_toml(path), str(path))
    assert isinstance(options, CampaignOptions)
    _check(options, path)
    base = path.parent
    files = _Files(base, options)
    return Campaign(options, files.symbols(), tuple(_variants(options, base)))


def _check(options: CampaignOptions, path: Path) -> None:
    for name in ("trades", "aggregators"):
        if not getattr(options, name):
            raise UsageError(f"{path}.{name}: expected at least one, found none")


def _variants(options: CampaignOptions, base: Path) -> Iterator[Variant]:
    """Yield every aggregator with every scenario.

    Raises UsageError for two of one name.
    """
    seen: set[str] = set()
    files: Sequence[str | None] = options.scenarios or (None,)
    intervals = parse_intervals(options.intervals) if options.intervals else None
    columns = ColumnMap.read(base / options.columns) if options.columns else None
    for file in files:
        for aggregator in options.aggregators:
            place = None if file is None else base / file
            named = aggregator if aggregator != EXACT or file is None else None
            scenario = scenario_of(
                place,
                aggregator=named,
                intervals=intervals,
                market=options.market,
                contract_size=options.contract_size,
                columns=columns,
            )
            scenario = replace(
                scenario, expectations=scenario.expectations and options.expectations
            )
            name = _name(scenario.aggregator) + (f"-{place.stem}" if place else "")
            if name in seen:
                raise UsageError(f"two runs named {name}: expected scenarios of different names")
            seen.add(name)
            yield Variant(name, scenario)


def _name(aggregator: str) -> str:
    text = "process" if aggregator.startswith("process:") else aggregator.rpartition(":")[2]
    return "".join(c if c.isalnum() else "_" for c in text)


class _Files:
    """The files that a campaign names, by symbol."""

    def __init__(self, base: Path, options: CampaignOptions) -> None:
        self._base, self._options = base, options
        self._trades: dict[tuple[str | None, str], list[Path]] = {}
        self._klines: dict[tuple[str | None, str], list[Path]] = {}
        for word in options.trades:
            self._add(word)
        for word in options.klines:
            for path in self._paths(word):
                named = name_symbol(path.name)
                symbols = {named} if named else {k.symbol for k in KlineFiles([path]).klines()}
                for symbol in sorted(symbols):
                    self._klines.setdefault((options.market, symbol), []).append(path)

    def symbols(self) -> tuple[SymbolFiles, ...]:
        """Return every symbol that has trades, by name."""
        found = []
        for key in sorted(self._trades, key=lambda key: (key[0] or "", key[1])):
            market, symbol = key
            trades = sorted(dict.fromkeys(self._trades[key]), key=_first)
            klines = tuple(dict.fromkeys(self._klines.get(key, ())))
            found.append(SymbolFiles(symbol, market, tuple(trades), klines))
        return tuple(found)

    def _add(self, word: str) -> None:
        if is_selection(word) and not (self._base / word).exists():
            selection = parse_selection(word)
            catalogue = Catalogue(default_home())
            key = (selection.market, selection.symbol)
            for record in take(catalogue, selection):
                book = self._klines if record.data == KLINES else self._trades
                book.setdefault(key, []).append(catalogue.path(record))
            return
        for path in self._paths(word):
            self._trades.setdefault((self._options.market, _symbol_of(path)), []).append(path)

    def _paths(self, word: str) -> list[Path]:
        """Return the files of a word: one, or those of a pattern.

        Raises UsageError where there are none.
        """
        place, root = self._base / word, Path(word).anchor
        base, pattern = (Path(root), word[len(root) :]) if root else (self._base, word)
        found = [place] if place.is_file() else sorted(base.glob(pattern))
        if not found:
            raise UsageError(f"{place}: expected a file or a pattern of files, found none")
        return [path.resolve() for path in found]


def _symbol_of(path: Path) -> str:
    """Return the symbol of a file, by its name where that tells.

    Raises InputError for a file of several symbols.
    """
    named = name_symbol(path.name)
    if named is not None:
        return named
    symbols = open_trades(path).peek().symbols
    if len(symbols) != 1:
        raise InputError(path, "trades of one symbol", ", ".join(symbols))
    return symbols[0]


def _first(path: Path) -> tuple[int, str]:
    named = name_coverage(path.name)
    return (named[0] if named else open_trades(path).peek().first_event_time_ns or 0), path.name
