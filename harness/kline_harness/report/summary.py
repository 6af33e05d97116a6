"""The figures at the top of a report, each a plain sum over run.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kline_harness.kline import FIELDS
from kline_harness.report.data import ReportData
from kline_harness.report.format import utc
from kline_harness.report.klines import interval_order
from kline_harness.run_rows import ComparedRow, InputRow

# The sentence's first parts say what was replayed and what the comparison came to.
_SAID_FIRST = 2
CLASSES = (
    *("identical", "proved", "consistent", "unexplained", "missing", "extra"),
    *("outside", "uncompared"),
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a reader wants to know first.

    `sentence` is the first parts of the run's, `rests` the others; `figures` are (name, number,
    tone, anchor) where the tone is a verdict's or empty; `totals` the comparison's classes and
    fields summed over all series, `same_totals` over the `same` ones that have no difference;
    `mapped` is how many symbols have series.
    """

    title: str
    sentence: str
    rests: tuple[str, ...]
    symbols: tuple[str, ...]
    period: str
    figures: tuple[tuple[str, int, str, str], ...]
    totals: Mapping[str, int]
    field_totals: Mapping[str, int]
    series: Sequence[ComparedRow]
    differing: Sequence[ComparedRow]
    same: int
    mapped: int
    same_totals: Mapping[str, int]
    unbalanced: int
    files: Sequence[tuple[str, str]]


def summarise(data: ReportData) -> Summary:
    """Return the summary of a run."""
    run = data.run
    symbols = _symbols(data)
    period = period_of(run.inputs)
    series = sorted(run.compared, key=_by_interval)
    differing = [row for row in series if any(row.get(name) for name in CLASSES[1:6])]
    same = [row for row in series if not any(row.get(name) for name in CLASSES[1:6])]
    by_class = totals(series)
    fields = {
        name: sum((row.get("fields") or {}).get(name, 0) for row in series) for name in FIELDS
    }
    shown = ", ".join(symbols[:3]) + (f" and {len(symbols) - 3} more" if len(symbols) > 3 else "")
    title = f"{run.verdict.capitalize()}: {shown or 'a run'}{f', {period}' if period else ''}"
    unbalanced = sum(law["equations"] - law["balanced"] for law in run.ledger)
    first, rests = sentence_parts(run.verdict, run.sentence)
    return Summary(
        title=title,
        sentence=first,
        rests=tuple(text for text in rests if not text.startswith("see ")),
        symbols=symbols,
        period=period,
        figures=tuple(_figures(data, by_class, unbalanced)),
        totals=by_class,
        field_totals=fields,
        series=series,
        differing=differing,
        same=len(same),
        mapped=len({row["symbol"] for row in series}),
        same_totals=totals(same),
        unbalanced=unbalanced,
        files=_FILES,
    )


def sentence_parts(verdict: str, sentence: str) -> tuple[str, list[str]]:
    """Return what was replayed and what the comparison came to as a sentence, and the rest.

    The verdict itself is left out.
    """
    told = sentence.removeprefix(f"{verdict.capitalize()}: ").rstrip(".").split("; ")
    return f"{told[0][:1].upper()}{'; '.join(told[:_SAID_FIRST])[1:]}.", told[_SAID_FIRST:]


def totals(series: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many klines there are of each class."""
    return {name: sum(row.get(name, 0) for row in series) for name in CLASSES}


def _by_interval(row: ComparedRow) -> tuple[Any, ...]:
    return row["symbol"], *interval_order(row["interval"])


def symbols_of(inputs: Iterable[InputRow]) -> tuple[str, ...]:
    """Return the symbols of the input files, each once, by name."""
    return tuple(sorted({name for row in inputs for name in row.get("symbols") or ()}))


def _symbols(data: ReportData) -> tuple[str, ...]:
    named = list(symbols_of(data.run.inputs))
    named += [line.symbol for line in data.klines]
    named += [row.symbol for row in data.differences]
    return tuple(dict.fromkeys(named))


def period_of(inputs: Iterable[InputRow]) -> str:
    """Return the days of the files of trades, ``first to last``; empty where none tells."""
    days = [utc(one)[:10] for one in traded_ns(inputs) or ()]
    return " to ".join(dict.fromkeys(days))


def traded_ns(inputs: Iterable[InputRow]) -> tuple[int, int] | None:
    """Return the first and the last time in the files of trades; None where none tells."""
    trades = [row for row in inputs if row.get("role") == "trades"]
    firsts = [first for row in trades if (first := row.get("first_event_time_ns"))]
    lasts = [last for row in trades if (last := row.get("last_event_time_ns"))]
    return (min(firsts), max(lasts)) if firsts and lasts else None


def _figures(
    data: ReportData, totals: Mapping[str, int], unbalanced: int
) -> list[tuple[str, int, str, str]]:
    run = data.run
    trades = sum(row.get("rows") or 0 for row in run.inputs if row.get("role") == "trades")
    klines = sum(len(line) for line in data.klines)
    figures = [("klines stored", klines, "", "candles")]
    if run.ledger:
        figures.insert(0, ("trades read", trades, "", "replayed"))
    if run.comparison:
        figures += [
            (
                name,
                totals[name],
                _tone(name, totals[name]),
                "comparison" if name == "identical" else "differences",
            )
            for name in CLASSES[:6]
        ]
    if run.ledger:
        tone = "invalid" if unbalanced else ""
        figures.append(("ledger lines unbalanced", unbalanced, tone, "ledger"))
    figures.append(("findings", len(data.findings), "", "findings"))
    return figures


def _tone(name: str, count: int) -> str:
    if name in ("unexplained", "missing", "extra") and count:
        return "invalid"
    return ""


_FILES = (
    ("run.json", "the record of the run"),
    ("inputs.parquet", "every file that was read"),
    ("compared.parquet", "klines by class of each series that was compared"),
    ("not_compared.parquet", "what was not compared, and why"),
    ("ledger.parquet", "every line of the ledger, a row for each of its parts"),
    ("series.parquet", "how many klines of each symbol and interval were delivered"),
    ("klines/", "the stored klines, a Parquet dataset"),
    ("differences.parquet", "every differing kline, both sides, with cause and proof"),
    ("findings.ndjson", "one finding a line"),
    ("expectations.json", "the results of the expectations"),
    ("timeline.parquet", "depth, lag and flushes of each consumer over time"),
)
