"""Files for a replay, from the catalogue alone: nothing here can reach the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from kline_harness.errors import InputError, UsageError
from kline_harness.history.catalogue import Catalogue, Record, default_home
from kline_harness.history.layouts import DAILY, KLINES, MONTHLY, TRADE_KINDS
from kline_harness.history.proof import sha256_of
from kline_harness.history.selection import Selection, is_selection, parse_selection

_NAMED = 5


def files_of(words: Sequence[Path], klines: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files of trades and of klines that the words of a command stand for.

    A selection such as um:BTCUSDT:2024-07-18 is taken from the catalogue with the klines that
    belong to it; anything else is a file already.

    A file that several selections need is taken once.

    Raises UsageError for days that the catalogue does not have, or that a month's file and a day's
    would both bring, InputError for a file that is not the one recorded.
    """
    trades: list[Path] = []
    found: list[Path] = []
    covered: dict[tuple[str, ...], Record] = {}
    for word in words:
        if not is_selection(str(word)) or word.exists():
            trades.append(word)
            continue
        selection = parse_selection(str(word))
        catalogue = Catalogue(default_home())
        taken = [one for one in take(catalogue, selection) if _is_new(one, covered)]
        paths = [_checked(catalogue, record) for record in taken]
        for record, path in zip(taken, paths, strict=True):
            (found if record.data == KLINES else trades).append(path)
    return trades, [*klines, *found]


def _is_new(record: Record, covered: dict[tuple[str, ...], Record]) -> bool:
    """Enter the days of a file; tell whether it was not there yet."""
    item = record.item
    series = (item.market, item.symbol, item.interval)
    for day in Selection(item.market, item.symbol, item.first_day, item.last_day).days():
        other = covered.setdefault((*series, str(day)), record)
        if other.url == record.url and other is not record:
            return False
        if other.url != record.url:
            raise UsageError(
                f"{item.symbol} {day}: expected one file of each day, found {other.item.name} and "
                f"{item.name}; name the days in one range"
            )
    return True


def is_catalogued(path: Path) -> bool:
    """Tell whether a file is kept among the objects of the default catalogue."""
    return path.parent.parent == Catalogue(default_home()).objects


def version(path: Path, sha256: str) -> Path | None:
    """Return the version of a catalogued file whose sha256 begins so, None where none is kept.

    Raises InputError for a file that is not the one recorded.
    """
    catalogue = Catalogue(default_home())
    for record in catalogue.records():
        kept = record.sha256.startswith(sha256) and record.item.name == path.name
        if kept and not record.damaged and catalogue.path(record).is_file():
            return _checked(catalogue, record)
    return None


def take(catalogue: Catalogue, selection: Selection) -> list[Record]:
    """Return the records of a selection: trades of one kind for every day, then klines.

    Each day comes from its own file, or from its month's where the whole month is asked for.

    Raises UsageError naming what is not there.
    """
    records = [
        record
        for record in catalogue.latest().values()
        if (record.market, record.symbol) == (selection.market, selection.symbol)
    ]
    usable = [record for record in records if record.usable]
    best: list[date] | None = None
    for kind in TRADE_KINDS:
        files, lacking = _cover([one for one in usable if one.data == kind], selection)
        if not lacking:
            return [*files, *_klines(usable, selection)]
        if best is None or len(lacking) < len(best):
            best = lacking
    assert best is not None
    raise UsageError(_absent(catalogue, selection, records, best))


def _klines(usable: Iterable[Record], selection: Selection) -> Iterator[Record]:
    series: dict[str, list[Record]] = {}
    for record in usable:
        if record.data == KLINES:
            series.setdefault(record.interval, []).append(record)
    for _, records in sorted(series.items()):
        yield from _cover(records, selection)[0]


def _cover(records: Iterable[Record], selection: Selection) -> tuple[list[Record], list[date]]:
    """Return the files that cover a selection's days, and the days that none does."""
    days = {r.date: r for r in records if r.period == DAILY}
    months = {r.date: r for r in records if r.period == MONTHLY}
    wanted = selection.days()
    files: dict[str, Record] = {}
    lacking = []
    for month in dict.fromkeys(str(day)[:7] for day in wanted):
        inside = [day for day in wanted if str(day)[:7] == month]
        absent = [day for day in inside if str(day) not in days]
        whole = inside[0].day == 1 and (inside[-1] + timedelta(days=1)).day == 1
        if absent and whole and month in months:
            files[month] = months[month]
            continue
        files |= {str(day): days[str(day)] for day in inside if str(day) in days}
        lacking += absent
    return list(files.values()), lacking


def _absent(
    catalogue: Catalogue, selection: Selection, records: Iterable[Record], lacking: Sequence[date]
) -> str:
    refused = {
        record.date: record.proof
        for record in records
        if not record.usable and record.data in TRADE_KINDS
    }
    shown = [f"{d} ({refused[str(d)]})" if str(d) in refused else str(d) for d in lacking[:_NAMED]]
    first = f"{lacking[0]} --to {lacking[-1]}"
    # What is there and not proved comes no nearer by another fetch.
    first += " --accept-unproven" if any(str(day) in refused for day in lacking) else ""
    more = f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else ""
    command = f"kline-harness fetch --market {selection.market} --symbol {selection.symbol}"
    return (
        f"{selection}: expected trades of every day in the catalogue {catalogue.home}, found none "
        f"proved or accepted of {', '.join(shown)}{more}; "
        f"`{command} --from {first}` brings them"
    )


def _checked(catalogue: Catalogue, record: Record) -> Path:
    path = catalogue.path(record)
    try:
        found = sha256_of(path)
    except OSError as error:
        expected = "the file that the catalogue records"
        raise InputError(path, expected, error.strerror or str(error)) from None
    if found != record.sha256:
        expected = f"sha256 {record.sha256}, as in the catalogue"
        raise InputError(path, expected, f"{found}; fetch --refresh brings the file again")
    return path
