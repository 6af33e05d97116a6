"""The history of runs: one page over all run folders of a directory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kline_harness.errors import InputError, writing
from kline_harness.report.data import count_klines
from kline_harness.report.format import utc, words
from kline_harness.report.overview import WORST_FIRST, tested
from kline_harness.report.page import render
from kline_harness.report.summary import (
    CLASSES,
    period_of,
    sentence_parts,
    symbols_of,
    totals,
)
from kline_harness.report.svg import Drawing, LogBars, log_bars
from kline_harness.run_record import RECORD_FILE, RunRecord, read_record
from kline_harness.units import NS_PER_DAY
from kline_harness.whole_file import write_whole

_WIDTH, _HEIGHT = 960.0, 120.0
_DAYS_SHOWN, _ROWS_SHOWN = 62, 40
# The classes of klines that make a comparison invalid.
_WRONG = ("unexplained", "missing", "extra")
# Columns of the list: heading, classes, and whether any of them is wrong.
_COUNTED = (("wrong", _WRONG, True), ("open", ("consistent",), False))
_BARS = (
    (("proved",), "proved"),
    (("consistent",), "consistent"),
    (_WRONG, "unexplained"),
)


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run of the history; `figures` are the comparison's classes, None without one.

    `subject` is the aggregator, `days` the period of the trades, `scenario` what is not default.
    `wrong` is what its checks found and which series differ, `covers` its symbols and days each
    with a verdict, and `news` what of `wrong` the run of the same subject before it had not, None
    without one.
    """

    name: str
    verdict: str
    sentence: str
    klines: int
    figures: Mapping[str, int | None]
    has_page: bool
    subject: str = ""
    symbols: str = ""
    days: str = ""
    scenario: str = ""
    version: str = ""
    wrong: frozenset[str] = frozenset()
    covers: tuple[tuple[str, str, str], ...] = ()
    news: tuple[str, ...] | None = None

    @property
    def short(self) -> str:
        """Return what was replayed and what the comparison came to."""
        return sentence_parts(self.verdict, self.sentence)[0]

    def count(self, names: Sequence[str]) -> int | None:
        """Return how many klines are of some classes; None where nothing was compared."""
        counts = [count for name in names if (count := self.figures[name]) is not None]
        return sum(counts) if len(counts) == len(names) else None


@dataclass(frozen=True, slots=True)
class Matrix:
    """The last run of each symbol and day; symbols with something wrong come first.

    `rows` are symbols, and for each of the `days` the verdict of their last run and that run, or
    None; symbols with the same results share a row. `hidden` rows and `hidden_days` earlier
    days have no room.
    """

    days: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[tuple[str, PastRun] | None, ...]], ...]
    hidden: int
    hidden_days: int


def build_index(reports_dir: Path) -> Path:
    """Build index.html over the run folders of a directory, in order of name.

    A folder whose run.json cannot be read is listed as unknown, with the reason.

    Raises OutputError when the page cannot be written.
    """
    folders = sorted(path.parent for path in reports_dir.glob(f"*/{RECORD_FILE}"))
    runs = list(_with_news([_past_run(folder) for folder in folders]))
    trend = _draw_trend(runs)
    page = render(
        "index.html.j2",
        runs=runs,
        counted=_COUNTED,
        matrix=matrix_of(runs),
        trend=trend.__html__() if trend else None,
    )
    with writing(reports_dir):
        write_whole(reports_dir / "index.html", page)
    return reports_dir / "index.html"


def _with_news(runs: Sequence[PastRun]) -> Iterator[PastRun]:
    """Yield the runs, each with what is wrong since the one of the same subject before it."""
    before: dict[str, PastRun] = {}
    for run in runs:
        last = before.get(run.subject)
        before[run.subject] = run
        yield run if last is None else replace(run, news=tuple(sorted(run.wrong - last.wrong)))


def matrix_of(runs: Sequence[PastRun]) -> Matrix | None:
    """Return which run was the last of each symbol and day; None where no run tells its days."""
    last = {(symbol, day): (verdict, run) for run in runs for symbol, day, verdict in run.covers}
    if not last:
        return None
    every = sorted({day for _, day in last})
    days = tuple(every[-_DAYS_SHOWN:])
    alike: dict[tuple[tuple[str, str] | None, ...], list[str]] = {}
    for symbol in sorted({symbol for symbol, _ in last}):
        cells = [last.get((symbol, day)) for day in days]
        key = tuple(cell and (cell[0], cell[1].name) for cell in cells)
        alike.setdefault(key, []).append(symbol)
    worst = sorted(
        alike, key=lambda key: min((WORST_FIRST.index(c[0]) for c in key if c), default=9)
    )
    rows = tuple(
        (tuple(alike[key]), tuple(last.get((alike[key][0], day)) for day in days))
        for key in worst[:_ROWS_SHOWN]
    )
    return Matrix(days, rows, len(worst) - len(rows), len(every) - len(days))


def _draw_trend(runs: Sequence[PastRun]) -> Drawing | None:
    """Draw a column per run: its verdict, and above it how many klines differ."""
    if len(runs) < 2:
        return None
    names = ", ".join(f"{run.name} {run.verdict}" for run in runs)
    drawing = Drawing(_WIDTH, _HEIGHT + 30, f"Trend of {len(runs)} runs: {names}")
    columns = [
        LogBars(
            f"{run.name}: {run.verdict}. {run.sentence}",
            tuple((run.count(names) or 0, tone) for names, tone in _BARS),
            run.verdict,
        )
        for run in runs
    ]
    log_bars(drawing, columns, _HEIGHT, foot=14)
    return drawing


def _past_run(folder: Path) -> PastRun:
    has_page = (folder / "report.html").exists()
    try:
        return _figures(folder, read_record(folder / RECORD_FILE), has_page)
    except InputError as error:
        reason = f"{Path(error.path).name}: expected {error.expected}, found {error.found}"
    return PastRun(folder.name, "unknown", reason, 0, dict.fromkeys(CLASSES), has_page)


def _figures(folder: Path, run: RunRecord, has_page: bool) -> PastRun:
    series = run.comparison["series"] if run.comparison else None
    figures = totals(series) if series is not None else dict.fromkeys(CLASSES)
    # What `compare` judged was never delivered: it is counted as it is stored.
    klines = run.series.get("klines") or count_klines(folder)
    options = dict(tested(run, symbols_of(run.inputs)))
    return PastRun(
        folder.name,
        run.verdict,
        run.sentence,
        klines,
        figures,
        has_page,
        subject=options.get("Subject", ""),
        symbols=options.get("Symbols", ""),
        days=period_of(run.inputs),
        scenario=options.get("Scenario", ""),
        version=str(run.versions.get("kline-harness", "")),
        wrong=frozenset(_wrong(run)),
        covers=tuple(_covers(run)),
    )


def _wrong(run: RunRecord) -> Iterator[str]:
    for check in run.checks:
        if check["verdict"] != "valid":
            yield from (f"{check['check']}: {words(kind)}" for kind in check["findings"])
    for row in run.compared:
        if any(row.get(name) for name in _WRONG):
            yield f"{row['symbol']} {row['interval']} differs"


def _covers(run: RunRecord) -> Iterator[tuple[str, str, str]]:
    """Yield the symbols and days of the files of trades, each with a verdict.

    It is the run's; where the comparison alone failed, a symbol without a wrong kline is valid.
    """
    failed = {check["check"] for check in run.checks if check["verdict"] != "valid"}
    wrong = {row["symbol"] for row in run.compared if any(row.get(name) for name in _WRONG)}
    compared = {row["symbol"] for row in run.compared}
    right = compared - wrong if failed == {"comparison"} and wrong else set()
    for row in run.inputs:
        first, last = row.get("first_event_time_ns"), row.get("last_event_time_ns")
        if row.get("role") != "trades" or not first or not last:
            continue
        for day in range(first // NS_PER_DAY, last // NS_PER_DAY + 1):
            for symbol in row.get("symbols") or ():
                verdict = "valid" if symbol in right else run.verdict
                yield symbol, utc(day * NS_PER_DAY)[:10], verdict
