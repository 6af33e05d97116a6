"""Klines against klines, without a replay: files or run folders against the exchange's files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from kline_harness.archives import ExchangeKlines, KlineFiles, files_given, read_all_klines
from kline_harness.checks.contradicting_names import names_contradict
from kline_harness.checks.kline_sanity import ohlc_order, taker_exceeds_total
from kline_harness.checks.left_out import file_without_klines
from kline_harness.checks.quote_sanity import quote_outside_of_prices, rules_of
from kline_harness.comparison.compare import CHECK, Comparison
from kline_harness.comparison.coverage import Coverage
from kline_harness.comparison.extent import OURS, NotCompared
from kline_harness.comparison.pairs import compare_series
from kline_harness.comparison.series_rows import ascending, chunks
from kline_harness.comparison.stored import Reader, Stored, in_memory
from kline_harness.errors import InputError, UsageError, writing
from kline_harness.interval import parse_interval
from kline_harness.kline import FIELDS, PRICE_FIELDS, SCHEMA, KlineBatch
from kline_harness.nouns import counted
from kline_harness.quote_rule import no_quote_rule
from kline_harness.replay.folder import write_lines
from kline_harness.replay.references import outside_of_name, readers_of, reference_of
from kline_harness.roll_up import roll_up_pieces
from kline_harness.run_rows import InputRow
from kline_harness.storage.dataset import KlineDataset
from kline_harness.units import NS_PER_MICROSECOND, BoolArray, mask
from kline_harness.verdict import Finding, Severity

# What a row breaks, the fields that it takes to tell, and how it is said.
_LAWS: dict[str, tuple[Callable[[KlineBatch], BoolArray], set[str], str]] = {
    "ohlc_order": (ohlc_order, set(PRICE_FIELDS), "high is not the highest or low not the lowest"),
    "taker_exceeds_total": (
        taker_exceeds_total,
        {"volume", "quote_volume", "taker_buy_volume", "taker_buy_quote_volume"},
        "takers bought more than was traded",
    ),
    "count_volume_mismatch": (
        lambda klines: mask((klines.count == 0) != (klines.volume == 0)),
        {"count", "volume"},
        "only one of count and volume is 0",
    ),
}


@dataclass(frozen=True, slots=True)
class FilesCompared:
    """A comparison of files: what it came to, our klines, and each file as JSON."""

    comparison: Comparison
    ours: Stored
    inputs: Sequence[InputRow]


def compare_files(
    ours: Sequence[Path],
    klines: Sequence[Path],
    symbol: str | None = None,
    contract_size: Decimal | None = None,
) -> Comparison:
    """Compare our klines with the exchange's, as `files_compared`; return what it came to.

    Raises UserError when a file cannot be read or an interval cannot be made.
    """
    return files_compared(ours, klines, symbol, contract_size).comparison


def files_compared(
    ours: Sequence[Path],
    klines: Sequence[Path],
    symbol: str | None = None,
    contract_size: Decimal | None = None,
) -> FilesCompared:
    """Compare our klines (kline files, directories of them, or run folders) with the exchange's.

    An interval that ours lack is rolled up from the longest of ours that divides it; only klines
    of which we have every part are compared then. Only fields that both sides state are compared,
    and every kline of either side that has no partner is counted with the reason. The quote
    volumes of both sides' files are held to their prices; `contract_size` is what a contract is
    worth that is settled in the base asset.

    Raises UserError when a file cannot be read or an interval cannot be made.
    """
    folders = [path for path in ours if path.is_dir() and KlineDataset(_klines(path)).parts()]
    given, _ = files_given([path for path in ours if path not in folders])
    every = [one for path in given for one in read_all_klines(path, symbol=symbol)]
    files = [one for one in every if symbol in (None, one.symbol)] or every
    given, others = files_given(klines)
    read = KlineFiles(given, symbol)
    theirs = list(read.klines())
    readers = [
        *(reader for folder in folders for reader in _dataset(folder)),
        *(reader for one in files for reader in readers_of(one)),
    ]
    fields = _fields(files)
    stored, used = _with_longer(readers, files, theirs, fields)
    references = [reference_of(one) for one in theirs]
    covers = _coverage(stored, files)
    found = compare_series(stored, references, covers, fields, _overlapping(files))
    # What was rolled up for the comparison was compared in what it was rolled up to.
    kept = tuple(
        one
        for one in found.not_compared
        if one.reason != "interval_without_klines" or (one.symbol, one.interval) not in used
    )
    left_out = sorted((others | read.left_out).items())
    inputs = list(_inputs(folders, files, theirs))
    notes = [
        *found.notes,
        *(note for one in (*files, *theirs) for note in _quotes(one, contract_size)),
        *(note for one in (*files, *theirs) for note in _rows(one)),
        *(file_without_klines(CHECK, name, holds) for name, holds in left_out),
        *names_contradict(CHECK, inputs),
        *(note for one in (*files, *theirs) for note in outside_of_name(CHECK, one)),
    ]
    comparison = replace(found, not_compared=(*kept, *_unread(files)), notes=tuple(notes))
    return FilesCompared(comparison, stored, inputs)


def _with_longer(
    readers: list[Reader],
    files: Sequence[ExchangeKlines],
    theirs: Sequence[ExchangeKlines],
    fields: dict[tuple[str, str], tuple[str, ...]],
) -> tuple[Stored, set[tuple[str, str]]]:
    """Return our klines with the intervals of theirs that ours lack, and what these are made of.

    What those state is added to `fields`.
    """
    stored, used = Stored(readers), set()
    for one in theirs:
        series = (one.symbol, one.interval.text)
        if series not in stored.rows and any(symbol == one.symbol for symbol, _ in stored.rows):
            child, batch = _make(one, files)
            used.add((child.symbol, child.interval.text))
            fields[series] = tuple(n for n in child.fields if n in FIELDS)
            readers.append(in_memory(batch.to_arrow()))
            stored = Stored(readers)
    return stored, used


def _inputs(
    folders: Sequence[Path], files: Sequence[ExchangeKlines], theirs: Sequence[ExchangeKlines]
) -> Iterator[InputRow]:
    for folder in folders:
        yield {"role": "ours", "path": folder.name}
    for role, read in (("ours", files), ("klines", theirs)):
        for one in read:
            yield {"role": role, **one.info.to_dict(), "path": Path(one.info.path).name}


def _quotes(klines: ExchangeKlines, size: Decimal | None) -> Iterator[Finding]:
    """Find the quote volumes of a file that its prices do not allow, and those of no rule."""
    series, source = (klines.symbol, klines.interval.text), Path(klines.info.path).name
    rules = rules_of((batch for batch, _ in klines.rows.pieces()), klines.fields, size)
    opens: list[int] = []
    rows = 0
    for batch, _ in klines.rows.pieces():
        found = np.flatnonzero(quote_outside_of_prices(batch, klines.fields, size, rules))
        opens += batch.open_time_ns[found[:1]].tolist()
        rows += len(found)
    if rows:
        many = "kline's quote volume" if rows == 1 else "klines' quote volumes"
        sentence = f"{rows:,} {many} in {source} not within volume x [low, high]"
        evidence = {"sentence": sentence, "source": source, "klines": rows}
        opens_ns = opens[0]
        kind = "quote_outside_of_prices"
        yield Finding(CHECK, kind, Severity.ERROR, *series, opens_ns, evidence=evidence)
    for symbol in rules.unknown():
        evidence = {"sentence": f"not checked: {no_quote_rule(symbol)}", "source": source}
        yield Finding(CHECK, "quotes_not_checked", Severity.NOTICE, *series, evidence=evidence)


def _rows(klines: ExchangeKlines) -> Iterator[Finding]:
    """Find the rows of a file that are no klines whatever they are held against."""
    series, source = (klines.symbol, klines.interval.text), Path(klines.info.path).name
    rows, first = dict.fromkeys(_LAWS, 0), dict.fromkeys(_LAWS, 0)
    for batch, _ in klines.rows.pieces():
        for kind, (law, fields, _) in _LAWS.items():
            if fields <= set(klines.fields) and (wrong := np.flatnonzero(law(batch))).size:
                first[kind] = first[kind] or int(batch.open_time_ns[wrong[0]])
                rows[kind] += len(wrong)
    for kind, count in rows.items():
        if count:
            sentence = f"{counted(count, 'kline')} in {source}: {_LAWS[kind][2]}"
            evidence = {"sentence": sentence, "source": source, "klines": count}
            yield Finding(CHECK, kind, Severity.ERROR, *series, first[kind], evidence=evidence)


def _unread(files: Sequence[ExchangeKlines]) -> Iterator[NotCompared]:
    """Yield the columns of ours with names that are not known."""
    for one in files:
        names = one.info.unread_columns
        if names:
            reason = "columns_not_read" if set(FIELDS) - set(one.fields) else "columns_unknown"
            series, source = (one.symbol, one.interval.text), Path(one.info.path).name
            yield NotCompared(*series, OURS, reason, names=names, source=source)


def write_findings(path: Path, comparison: Comparison) -> None:
    """Write every finding of a comparison, one JSON object a line.

    Raises OutputError where the file cannot be written.
    """
    with writing(path):
        write_lines(path, (finding.to_dict() for finding in comparison.verdict().findings))


def _fields(files: Sequence[ExchangeKlines]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return what each series of ours states: of two files of one, what both do."""
    fields: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in files:
        series = (one.symbol, one.interval.text)
        stated = reference_of(one).stated
        fields[series] = tuple(n for n in fields.get(series, stated) if n in stated)
    return fields


def _overlapping(files: Sequence[ExchangeKlines]) -> set[tuple[str, str]]:
    """Return the series of several files, none of which has two rows of one open time."""
    once: dict[tuple[str, str], list[bool]] = {}
    for one in files:
        opens = one.rows.opens_ns()
        is_once = len(np.unique(opens)) == len(opens)
        once.setdefault((one.symbol, one.interval.text), []).append(is_once)
    return {series for series, each in once.items() if len(each) > 1 and all(each)}


def _klines(folder: Path) -> Path:
    inner = folder / "klines"
    return inner if inner.is_dir() else folder


def _dataset(folder: Path) -> Iterator[Reader]:
    """Yield what reads the files of a run folder.

    Raises InputError, as what is yielded does, for a damaged file.
    """
    dataset = KlineDataset(_klines(folder))

    @contextmanager
    def named() -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, KeyError) as error:
            found = str(error).partition("\n")[0]
            raise InputError(dataset.directory, "Parquet files with klines", found) from error

    def read(part: Reader, names: Sequence[str] | None) -> pa.Table:
        with named():
            return part(names).select(SCHEMA.names if names is None else list(names))

    with named():
        readers = dataset.readers()
    yield from (partial(read, part) for part in readers)


def _make(
    wanted: ExchangeKlines, files: Sequence[ExchangeKlines]
) -> tuple[ExchangeKlines, KlineBatch]:
    """Roll up the longest of our klines that divide an interval, and return both."""
    children = [
        one
        for one in files
        if one.symbol == wanted.symbol and one.interval.refines(wanted.interval)
    ]
    if not children:
        raise UsageError(
            f"{wanted.info.path}: expected {wanted.symbol} {wanted.interval} klines of ours, or "
            "shorter ones to make them of, found none"
        )
    longest = max(children, key=lambda one: one.interval.length_ns or 0)
    made, whole = roll_up_pieces(_by_time(longest), wanted.interval)
    return longest, made.take(whole)


def _coverage(stored: Stored, files: Sequence[ExchangeKlines]) -> dict[tuple[str, str], Coverage]:
    """Cover the time from the first to the last kline of each series of ours.

    What the names of its symbol's files claim says which klines beyond were not meant, if all
    of them claim something.
    """
    claimed: dict[str, list[tuple[int, int] | None]] = {}
    for one in files:
        claimed.setdefault(one.symbol, []).append(one.info.coverage)
    covers = {}
    for symbol, interval in stored.rows:
        opens = stored.integers(symbol, interval, "open_time") * NS_PER_MICROSECOND
        closes = parse_interval(interval).close_times_ns(opens)
        named = claimed.get(symbol, [None])
        windows = [window for window in named if window is not None]
        claims = windows if len(windows) == len(named) else []
        covers[symbol, interval] = Coverage.of([(int(opens.min()), int(closes.max()))], claims)
    return covers


def _by_time(klines: ExchangeKlines) -> Iterator[KlineBatch]:
    """Yield the klines of a file in order of time, some at a time."""
    order = ascending(klines.rows.opens_ns())
    for some in chunks(len(klines)):
        rows = np.arange(some.start, some.stop) if order is None else order[some]
        yield klines.rows.take(rows)[0]
