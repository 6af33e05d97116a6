"""The verbs for Python callers: files or lists of them in, a result to look into out."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from kline_harness.aggregators.loader import NamedFactory
from kline_harness.archives import ColumnMap, ExchangeKlines, open_trades
from kline_harness.archives import read_klines as read_kline_file
from kline_harness.columns import concat
from kline_harness.comparison.summary import sentence_of
from kline_harness.contracts import contract_size as contract_size_of
from kline_harness.errors import UsageError
from kline_harness.inspection import inspect_files
from kline_harness.interfaces import Aggregator, Consumer, Subject
from kline_harness.interval import Interval, parse_interval, parse_intervals
from kline_harness.replay import Audit, Scenario
from kline_harness.replay import replay as replay_files
from kline_harness.replay.assembly import NONE, Substitutions
from kline_harness.replay.decode import decode
from kline_harness.replay.file_comparison import compare_files
from kline_harness.replay.own_consumers import own_factories
from kline_harness.replay.scenario_file import scenario_of
from kline_harness.replay.tables import differences_table
from kline_harness.results import Compared, Inspected, Replayed, Table, inspected
from kline_harness.tape import Tape

Files: TypeAlias = "str | Path | Sequence[str | Path]"
Intervals: TypeAlias = "str | Iterable[str | Interval]"
# What makes an aggregator of the intervals asked for, such as its class.
AggregatorFactory: TypeAlias = "Callable[..., Aggregator]"
ConsumerFactory: TypeAlias = "Callable[[], Consumer]"


def replay(
    trades: Files,
    *,
    klines: Files = (),
    aggregator: str | Aggregator | Subject | type[Subject] | AggregatorFactory | None = None,
    consumers: Sequence[Consumer | ConsumerFactory] = (),
    scenario: Scenario | str | Path | None = None,
    out: str | Path | None = None,
    report: bool | None = None,
    **options: Any,
) -> Replayed:
    """Replay files of trades through an aggregator, and check and compare every kline.

    `klines` are the exchange's own to compare with. `aggregator` is a name (``"exact"``,
    a registered one, ``"module:Class"``, ``"file.py:Class"``), a class or factory called with the
    intervals and the symbols as far as it takes them, or an aggregator, which is copied for each
    run. `consumers` listen to the klines beside the run's own: each is a class, a factory, or an
    object, which is copied for each run; its verdict is a check of the run under its name, and
    the result's `consumers` are those that listened. `scenario` is a `Scenario` or a TOML file of
    one; `options` are its fields and come before its own, such as ``intervals="1m,5m"``,
    ``audit="off"``, ``seed=3``.

    The run folder is `out`. Without it a temporary one lives as long as the result. `report`
    says whether its page is written at once: by default where `out` is given.

    Raises UserError for anything the caller can mend; nothing is left half-written then.
    """
    chosen = _scenario(scenario, options, aggregator)
    inputs, exchange = _paths(trades), _paths(klines)
    place = Path(tempfile.mkdtemp(prefix="kline-harness-")) if out is None else None
    target = Path(str(out)) if place is None else place / "run"
    try:
        outcome = replay_files(
            chosen,
            inputs,
            exchange,
            target,
            command=_call(inputs, exchange),
            report=out is not None if report is None else report,
            substitutions=_substitutions(aggregator, consumers),
        )
    except BaseException:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
        raise
    result = Replayed(outcome.validity, outcome.sentence, outcome.checks, outcome)
    if place is not None:
        weakref.finalize(result, shutil.rmtree, place, ignore_errors=True)
    return result


def compare(
    ours: Files | Replayed,
    klines: Files | Replayed,
    *,
    symbol: str | None = None,
    contract_size: Decimal | str | None = None,
) -> Compared:
    """Compare klines (files of them, run folders, or a replay) with the exchange's, exactly.

    Longer intervals that ours lack are rolled up from shorter ones. `contract_size` is what a
    contract is worth, of klines of contracts settled in the base asset.

    Raises UserError where a file cannot be read or an interval cannot be made.
    """
    comparison = compare_files(_paths(ours), _paths(klines), symbol, _size(contract_size))
    verdict = comparison.verdict()
    sentence = sentence_of(comparison)
    differences = Table(differences_table(comparison.differences))
    return Compared(verdict.validity, sentence, (verdict,), comparison, differences)


def inspect(
    files: Files,
    *,
    symbol: str | None = None,
    market: str | None = None,
    columns: ColumnMap | str | Path | None = None,
    contract_size: Decimal | str | None = None,
) -> Inspected:
    """Look for what is missing, doubled, out of place or wrong in files of trades and klines.

    `columns`, or a TOML file of it, says what the columns of tables and CSV files are;
    `contract_size` what a contract is worth, where files are of such.

    Raises UserError for what holds neither trades nor klines.
    """
    found = inspect_files(
        _paths(files),
        symbol=symbol,
        market=market,
        columns=_columns(columns),
        contract_size=_size(contract_size),
    )
    return inspected(found)


def read_trades(
    files: Files,
    *,
    symbol: str | None = None,
    market: str | None = None,
    columns: ColumnMap | str | Path | None = None,
) -> Tape:
    """Read files of trades into memory, one after the other, in their own order.

    Raises UserError for the first bad row, and for files that hold no trades.
    """
    chosen = _columns(columns)
    tapes = [
        tape
        for path in _paths(files)
        for tape in open_trades(path, symbol=symbol, market=market, columns=chosen).chunks()
    ]
    if not tapes:
        raise UsageError("expected files of trades, found none")
    return concat(tapes)


def read_klines(
    path: str | Path, *, symbol: str | None = None, interval: str | Interval | None = None
) -> ExchangeKlines:
    """Read a file of the exchange's klines: one symbol, one interval, the fields that it has.

    Raises UserError for the first bad row, and where symbol or interval is not known.
    """
    chosen = parse_interval(interval) if isinstance(interval, str) else interval
    return read_kline_file(_paths(path)[0], symbol=symbol, interval=chosen)


def _scenario(
    given: Scenario | str | Path | None, options: dict[str, Any], aggregator: Any
) -> Scenario:
    name = aggregator if isinstance(aggregator, str) else None
    if _is_subject(aggregator):
        subject = decode(aggregator, {}, "aggregator") if callable(aggregator) else aggregator
        options |= {"aggregator": NamedFactory.given(subject).name, "subject": subject}
    if isinstance(given, str | Path):
        scenario = scenario_of(Path(given), aggregator=name)
    else:
        scenario = Scenario() if given is None else given
    known = [one.name for one in fields(Scenario)]
    for unknown in options.keys() - set(known):
        raise UsageError(f"unknown option {unknown!r}: expected one of {', '.join(known)}")
    if name is not None:
        options["aggregator"] = name
        if scenario.subject is not None and name != scenario.aggregator:
            raise UsageError(
                f"aggregator {name!r}: expected {scenario.aggregator!r}, whose tables the "
                "scenario has, or a scenario without them"
            )
    if "intervals" in options:
        options["intervals"] = _intervals(options["intervals"])
    if isinstance(options.get("audit"), str):
        options["audit"] = _audit(options["audit"])
    if "columns" in options:
        options["columns"] = _columns(options["columns"])
    return replace(scenario, **options)


def _intervals(given: Intervals) -> tuple[Interval, ...]:
    if isinstance(given, str):
        return parse_intervals(given)
    return tuple(one if isinstance(one, Interval) else parse_interval(one) for one in given)


def _audit(text: str) -> Audit:
    try:
        return Audit(text)
    except ValueError:
        expected = " or ".join(one.value for one in Audit)
        raise UsageError(f"audit: expected {expected}, found {text!r}") from None


def _columns(given: ColumnMap | str | Path | None) -> ColumnMap | None:
    return ColumnMap.read(Path(given)) if isinstance(given, str | Path) else given


def _size(given: Decimal | str | None) -> Decimal | None:
    return given if given is None else contract_size_of(str(given))


def _is_subject(given: Any) -> bool:
    """Tell whether an aggregator is given with what else belongs to it, or its class."""
    return isinstance(given, Subject) or (isinstance(given, type) and issubclass(given, Subject))


def _substitutions(aggregator: Any, consumers: Sequence[Any]) -> Substitutions:
    """Return the parts that the caller gave: an aggregator for the scenario's, and consumers."""
    chosen = NONE
    if aggregator is not None and not isinstance(aggregator, str) and not _is_subject(aggregator):
        chosen = Substitutions(aggregator=NamedFactory.given(aggregator).build)
    return replace(chosen, consumers=own_factories(consumers))


def _paths(given: Files | Replayed) -> list[Path]:
    if isinstance(given, Replayed):
        return [given.directory]
    if isinstance(given, str | Path):
        return [Path(given)]
    try:
        return [Path(path) for path in given]
    except TypeError:
        raise UsageError(f"expected a path or a list of paths, found {given!r}") from None


def _call(trades: Sequence[Path], klines: Sequence[Path]) -> str:
    """Return the call for the run's record, with files by name: where they lie changes nothing."""
    names = [[path.name for path in paths] for paths in (trades, klines)]
    return f"kline_harness.replay({names[0]!r}" + (f", klines={names[1]!r})" if klines else ")")
