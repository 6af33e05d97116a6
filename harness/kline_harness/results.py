"""What the verbs give a Python caller: verdicts, findings, and tables for Arrow and pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.comparison.compare import Comparison
from kline_harness.finding_text import finding_text
from kline_harness.inspection import Inspection
from kline_harness.interfaces import Consumer
from kline_harness.nouns import counted
from kline_harness.replay import Outcome
from kline_harness.report import build_report
from kline_harness.run_record import RECORD_FILE
from kline_harness.storage.dataset import KlineDataset
from kline_harness.tabular import Tabular, frame_of, plain_columns
from kline_harness.verdict import Finding, Validity, Verdict

_FINDINGS_SHOWN = 20


@dataclass(frozen=True, eq=False, repr=False)
class Table(Tabular):
    """Rows of a result, held in memory as an Arrow table."""

    rows: pa.Table

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table: exact decimals, timestamps in UTC."""
        return self.rows

    def __len__(self) -> int:
        return int(self.rows.num_rows)


@dataclass(frozen=True, eq=False, repr=False)
class KlineTable(Table):
    """Final klines: symbol, interval, open and close time, the nine fields, trade ids, instant."""

    def select(self, symbol: str | None = None, interval: str | None = None) -> KlineTable:
        """Return the klines of a symbol, of an interval such as ``"1m"``, or of both."""
        rows = self.rows
        for name, wanted in (("symbol", symbol), ("interval", interval)):
            if wanted is not None:
                texts = plain_columns(rows.select([name]))[name]
                rows = rows.filter(pa.array([text == wanted for text in texts.to_pylist()]))
        return KlineTable(rows)

    def describe(self) -> str:
        """Return how many klines of which symbols and intervals."""
        names = plain_columns(self.rows.select(["symbol", "interval"]))
        texts = (" ".join(dict.fromkeys(column.to_pylist())) for column in names.columns)
        return ", ".join([counted(len(self), "kline"), *filter(None, texts)])


class Findings(tuple[Finding, ...]):
    """Findings in the order of their checks; each prints as a sentence."""

    __slots__ = ()

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame: check, kind, severity, symbol, interval, times, sentence."""
        kinds = {name: pa.string() for name in ("check", "kind", "severity", "symbol", "interval")}
        times = {name: pa.timestamp("ns", tz="UTC") for name in ("open_time", "at")}
        rows: list[Mapping[str, Any]] = [finding.to_dict() for finding in self]
        columns = {
            name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()
        }
        for name, kind in times.items():
            columns[name] = pa.array([row[f"{name}_ns"] for row in rows], kind)
        columns["sentence"] = pa.array([finding_text(one) for one in self], pa.string())
        return frame_of(pa.table(columns))

    def __repr__(self) -> str:
        shown = [finding_text(finding) for finding in self[:_FINDINGS_SHOWN]]
        more = len(self) - len(shown)
        return "\n".join([*shown, *([f"and {more:,} more"] if more else [])]) or "no findings"


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """An answer: `verdict`, the `sentence` that says what it rests on, and every check."""

    verdict: Validity
    sentence: str
    checks: tuple[Verdict, ...]

    @property
    def findings(self) -> Findings:
        """Everything that the checks found."""
        return Findings(finding for check in self.checks for finding in check.findings)

    @property
    def exit_code(self) -> int:
        """What the command would exit with: 0 valid, 1 invalid, 3 unknown."""
        return self.verdict.exit_code

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *(f"  {_line(check)}" for check in self.checks)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(check.check)}</td><td>{check.validity.value}</td>"
            f"<td>{escape(_kinds(check))}</td></tr>"
            for check in self.checks
        )
        head = "<tr><th>check</th><th>verdict</th><th>findings</th></tr>"
        return f"<p><b>{escape(self.sentence)}</b></p><table>{head}{rows}</table>"


@dataclass(frozen=True, eq=False, repr=False)
class Replayed(Result):
    """A replay: what was published and stored, and how it stands against the exchange's klines.

    `directory` is the run folder. One that the caller did not name is deleted with this object.
    """

    outcome: Outcome

    @property
    def directory(self) -> Path:
        """The run folder."""
        return self.outcome.directory

    @property
    def comparison(self) -> Comparison | None:
        """The comparison with the exchange's klines, None where none were given."""
        return self.outcome.comparison

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The caller's own consumers, as the run left them, in the order given."""
        return self.outcome.consumers

    @property
    def klines(self) -> KlineTable:
        """The stored final klines, read into memory."""
        return KlineTable(KlineDataset(self.directory / "klines").read())

    @property
    def differences(self) -> Table:
        """Every kline that is not the exchange's: both sides, class, cause and proof."""
        return Table(pq.ParquetFile(self.directory / "differences.parquet").read())

    @property
    def report(self) -> Path:
        """The page for people who were not there; made now where it was not before."""
        page = self.directory / "report.html"
        return page if page.is_file() else build_report(self.directory)

    @property
    def record(self) -> Path:
        """The file `run.json`: everything that is known of the run, as data."""
        return self.directory / RECORD_FILE


@dataclass(frozen=True, eq=False, repr=False)
class Compared(Result):
    """Klines held against the exchange's, without a replay."""

    comparison: Comparison
    differences: Table


@dataclass(frozen=True, eq=False, repr=False)
class Inspected(Result):
    """Files looked at, each by itself and against the others."""

    inspection: Inspection

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        return self.inspection.to_dict()


def inspected(inspection: Inspection) -> Inspected:
    """Return an inspection with the sentence it comes to."""
    checks = (*(report.verdict for report in inspection.files), *inspection.across)
    count = len(inspection.files)
    found = sum(len(check.findings) for check in checks)
    what = (
        f"{count:,} file{'' if count == 1 else 's'}, {found:,} finding{'' if found == 1 else 's'}"
    )
    failed = [report.name for report in inspection.files if _fails(report.verdict)]
    failed += [check.check for check in inspection.across if _fails(check)]
    end = f"; see {', '.join(failed)}" if failed else ""
    sentence = f"{inspection.validity.value.capitalize()}: {what}{end}."
    return Inspected(inspection.validity, sentence, checks, inspection)


def _fails(check: Verdict) -> bool:
    return check.validity is not Validity.VALID


def _line(check: Verdict) -> str:
    kinds = _kinds(check)
    return f"{check.check}: {check.validity.value}{f' ({kinds})' if kinds else ''}"


def _kinds(check: Verdict) -> str:
    counts = Counter(finding.kind for finding in check.findings)
    return ", ".join(f"{kind} x {count:,}" for kind, count in sorted(counts.items()))
