"""Differences and findings as compact blocks that a page's script unfolds, cut to a size budget.

All rows are reachable: what does not fit the report goes to evidence pages beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from kline_harness.finding_text import detail_text
from kline_harness.kline import FIELDS
from kline_harness.ledger import amount, law_name
from kline_harness.report.differences import CLASSES, DifferenceRow
from kline_harness.report.flow import is_of_files, lost_share
from kline_harness.report.format import number, readable, size, utc, words
from kline_harness.report.glossary import cause_sentence
from kline_harness.run_rows import EquationEvidence, EquationRow, FindingRow, InputRow
from kline_harness.run_shape import misfit
from kline_harness.units import NS_PER_MILLISECOND
from kline_harness.verdict import Severity

# An evidence page may be larger than the report, for it holds nothing else.
PAGE_BUDGET = 4_000_000
# How much of a finding's text stands in its row.
_SAID = 160
# The worst first.
SEVERITIES = tuple(one.value for one in Severity)
# What would end a script element early, open markup, or break a line of a script.
_UNSAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of encoded rows for one page; `first` is the number of its first row, from 1."""

    kind: str
    first: int
    rows: tuple[str, ...]
    head: Mapping[str, Any]

    @property
    def last(self) -> int:
        """Return the number of the last row."""
        return self.first + len(self.rows) - 1

    @property
    def size(self) -> int:
        """Return how many characters the rows take on the page."""
        return sum(len(row) + 1 for row in self.rows)

    def block(self, total: int) -> str:
        """Return the JSON text of the rows and what their codes stand for."""
        head = script_json({**self.head, "first": self.first, "total": total})
        return f'{head[:-1]},"rows":[{",".join(self.rows)}]}}'


def script_json(value: Any) -> str:
    """Write JSON that is inert wherever it stands inside of a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_UNSAFE)


def encode_differences(differences: Sequence[DifferenceRow]) -> tuple[Mapping[str, Any], list[str]]:
    """Return what the codes stand for, and each difference as JSON text.

    A row is [symbol, interval, open time in ms, class, fields as bits, our nine values, theirs
    with ``=`` where equal, cause or -1, proof, trades, instant of publication where ours was not
    stored]; the last three are left out where there are none.
    """
    symbols, intervals, causes = _Codes(), _Codes(), _Codes()
    kinds = _Codes(CLASSES)
    rows = [
        script_json(
            [
                symbols[row.symbol],
                intervals[row.interval],
                row.open_time_ns // NS_PER_MILLISECOND,
                kinds[row.kind],
                sum(1 << bit for bit, name in enumerate(FIELDS) if name in row.differing),
                _joined(row.ours, ()),
                _joined(row.theirs, row.ours),
                -1 if row.cause is None else causes[row.cause],
                *_evidence(row),
            ]
        )
        for row in differences
    ]
    head = {"symbols": symbols.names, "intervals": intervals.names, "classes": kinds.names}
    values = {"causes": causes.names, "told": list(map(cause_sentence, causes.names))}
    return head | values | {"fields": list(FIELDS)}, rows


def encode_findings(
    findings: Sequence[FindingRow],
) -> tuple[Mapping[str, Any], list[str]]:
    """Return what the codes stand for, and each finding as JSON text.

    A row is [check, kind, severity, symbol or -1, interval or -1, open time, instant, evidence,
    the same in words, cut short]; the last is left out where there is no evidence.
    """
    codes = {name: _Codes() for name in ("check", "kind", "symbol", "interval")}
    codes["severity"] = _Codes(SEVERITIES)
    rows = [
        script_json(
            [
                *(codes[name][str(row.get(name))] for name in ("check", "kind", "severity")),
                *(_optional(codes[name], row.get(name)) for name in ("symbol", "interval")),
                *map(_time, (row.get("open_time_ns"), row.get("at_ns"))),
                *_said(row, _in_units(row.get("evidence") or {})),
            ]
        )
        for row in findings
    ]
    heads = {"checks": "check", "kinds": "kind", "severities": "severity"}
    heads |= {"symbols": "symbol", "intervals": "interval"}
    return {name: codes[source].names for name, source in heads.items()}, rows


def _said(row: FindingRow, evidence: Mapping[str, Any]) -> list[Any]:
    shown = _tabulate(readable("", evidence))
    if not evidence:
        return [shown]
    text = detail_text(str(row.get("check")), str(row.get("kind")), evidence)
    return [shown, text if len(text) <= _SAID else f"{text[:_SAID].rpartition(' ')[0]} …"]


def _in_units(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return evidence with the numbers of an equation in the unit of its law."""
    if misfit(evidence, EquationEvidence):
        return dict(evidence)
    law = evidence["law"]
    parts = {name: amount(law, count) for name, count in evidence["parts"].items()}
    total = amount(law, evidence["total"])
    return {**evidence, "law": law_name(law), "total": total, "parts": parts}


def in_order(ledger: Sequence[EquationRow]) -> list[EquationRow]:
    """Return the lines of the ledger as pages number them: unbalanced ones before others.

    Among them those come first that lost the largest share of their total; those of files, of
    which there can be thousands, come last.
    """
    return sorted(
        ledger,
        key=lambda row: (bool(row.get("balanced")), -lost_share(row), is_of_files(row)),
    )


def encode_ledger(ledger: Sequence[EquationRow]) -> tuple[Mapping[str, Any], list[str]]:
    """Return what the codes stand for, and each line of the ledger as JSON text.

    A row is [law, subject, total, parts as text, what it is off by or nothing]; numbers are text.
    """
    codes = _Codes()
    rows = []
    for row in in_order(ledger):
        write = partial(amount, str(row["law"]))
        parts = ", ".join(f"{words(name)} {write(count)}" for name, count in row["parts"].items())
        off = row["total"] - sum(row["parts"].values())
        law = law_name(str(row["law"]))
        text = "" if row.get("balanced") else write(off)
        rows.append(
            script_json([codes[law], str(row["subject"]), write(row["total"]), parts, text])
        )
    return {"laws": codes.names}, rows


def encode_inputs(inputs: Sequence[InputRow]) -> tuple[Mapping[str, Any], list[str]]:
    """Return what the codes stand for, and each input file as JSON text.

    A row is [role, path, symbols, rows, skipped, size, first and last time, ids, format, sha256].
    """
    roles = _Codes()
    rows = []
    for row in inputs:
        ids = ""
        first, last = row.get("first_trade_id"), row.get("last_trade_id")
        if isinstance(first, int) and isinstance(last, int):
            ids = f"{first} to {last}"
        header = "header" if row.get("header") else "no header"
        names = (*(row.get(name) for name in ("market", "layout", "unit", "compression")), header)
        rows.append(
            script_json(
                [
                    roles[str(row.get("role"))],
                    str(row.get("path")),
                    ", ".join(row.get("symbols") or ()),
                    *(number(row.get(name) or 0) for name in ("rows", "skipped")),
                    size(row.get("bytes")),
                    *(utc(row.get(f"{name}_event_time_ns")) for name in ("first", "last")),
                    ids,
                    " · ".join(str(name) for name in names if name),
                    row.get("sha256") or "",
                ]
            )
        )
    return {"roles": roles.names}, rows


def cut(kind: str, encoded: tuple[Mapping[str, Any], list[str]], first_budget: int) -> list[Chunk]:
    """Cut rows into one chunk within the first budget and as many within the page budget."""
    head, rows = encoded
    chunks, start, used, budget = [], 0, 0, first_budget
    for stop, row in enumerate(rows):
        length = len(row.encode("utf-8", "replace")) + 1
        if used + length > budget:
            chunks.append(Chunk(kind, start + 1, tuple(rows[start:stop]), head))
            start, used, budget = stop, 0, PAGE_BUDGET
        used += length
    return [*chunks, Chunk(kind, start + 1, tuple(rows[start:]), head)]


def _evidence(row: DifferenceRow) -> list[Any]:
    values = [
        None if one is None else _tabulate(readable("", one)) for one in (row.proof, row.trades)
    ]
    if row.published_ns is not None and row.ours[0] is None:
        values.append(row.published_ns // NS_PER_MILLISECOND)
    while values and values[-1] is None:
        values.pop()
    return values


class _Codes:
    """Numbers for names in the order of their first use."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)
        self._codes = {name: code for code, name in enumerate(names)}

    def __getitem__(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self.names)
            self.names.append(name)
        return code


def _optional(codes: _Codes, name: Any) -> int:
    return -1 if name is None else codes[str(name)]


def _time(time_ns: int | None) -> str | None:
    return None if time_ns is None else utc(time_ns)


def _joined(values: Sequence[str | None], same: Sequence[str | None]) -> str:
    """Join values to one text; ``-`` is none, ``=`` the value of `same` at that place."""
    pairs = zip(values, [*same, *[None] * (len(values) - len(same))], strict=True)
    return " ".join(
        "-" if value is None else "=" if value == other else value for value, other in pairs
    )


def _tabulate(value: Any) -> Any:
    """Write a list of like objects as ``{"": [names, rows]}``, so that names stand once."""
    if isinstance(value, dict):
        return {name: _tabulate(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    if value and all(isinstance(item, dict) for item in value):
        names = list(value[0])
        if names and all(list(item) == names for item in value):
            return {"": [names, [[_tabulate(item[name]) for name in names] for item in value]]}
    return [_tabulate(item) for item in value]


def pages_beside(chunks: Sequence[Chunk]) -> Iterator[tuple[str, Chunk]]:
    """Yield the file name and the chunk of each evidence page beside the report."""
    for place, chunk in enumerate(chunks[1:], start=2):
        yield f"report-{chunk.kind}-{place}.html", chunk
