"""The record of a run: `run.json`, and the tables beside it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kline_harness.arrow import (
    array_of,
    decimals_of,
    dictionary_text,
    int64_of,
    texts_of,
    unscaled,
    words_of,
)
from kline_harness.errors import InputError, OutputError
from kline_harness.ledger import Equation, EquationTable, Ledger
from kline_harness.record_tables import (
    COMPARED_FILE,
    INPUTS_FILE,
    NOT_COMPARED_FILE,
    read_rows,
    write_rows,
)
from kline_harness.run_rows import (
    ChannelRow,
    CheckRow,
    ComparedRow,
    ComparisonRows,
    EquationRow,
    FaultRow,
    InputRow,
    LatenessRow,
    LawRow,
    Options,
    StretchRow,
    TransitionRow,
    Validities,
)
from kline_harness.run_shape import misfit
from kline_harness.units import BoolArray, Int64Array

RUN_SCHEMA = "kline-harness/run/4"
RECORD_FILE = "run.json"
LEDGER_FILE = "ledger.parquet"
SERIES_FILE = "series.parquet"
# Counts, and sums in units of 1e-18, which int64 does not hold.
_WIDE = pa.decimal128(38, 0)
_WIDE_MAX = 10**38 - 1


# What only a replay has, and no store that was judged.
_OF_REPLAYS = frozenset(
    {"receptions", "channels", "series", "lateness", "transitions", "stretches", "faults"}
)


_CLASSES = ("identical", "proved", "consistent", "unexplained", "missing", "extra")
_COUNTED = (*_CLASSES, "outside", "uncompared")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What `run.json` holds, a field for each of its keys; docs/run-folder.md says what they are.

    `ledger` are the sums of each law (`ledger_sums`); every equation is in `ledger.parquet`.
    `series` are sums too; every symbol and interval is in `series.parquet`. `inputs` and
    `comparison` are every row: run.json has their sums, and tables beside it the rows.
    `served` is there where a service's store was judged: it has no parts of a replay.
    """

    verdict: Validities
    exit_code: int | None = None
    sentence: str = ""
    command: str = ""
    scenario: Options = field(default_factory=dict)
    changed_options: Mapping[str, Any] | None = None
    seed: int | None = None
    versions: Mapping[str, str | None] = field(default_factory=dict)
    inputs: Sequence[InputRow] = ()
    receptions: Sequence[Mapping[str, Any]] = ()
    checks: Sequence[CheckRow] = ()
    ledger: Sequence[LawRow] = ()
    comparison: ComparisonRows | None = None
    channels: Sequence[ChannelRow] = ()
    series: Mapping[str, int] = field(default_factory=dict)
    lateness: Sequence[LatenessRow] = ()
    transitions: Sequence[TransitionRow] = ()
    stretches: Sequence[StretchRow] = ()
    faults: Sequence[FaultRow] = ()
    served: Mapping[str, Any] | None = None

    @property
    def compared(self) -> Sequence[ComparedRow]:
        """The series that were compared; none where no klines of the exchange's were given."""
        return self.comparison["series"] if self.comparison else ()

    @property
    def counts(self) -> dict[str, Mapping[str, int]]:
        """What each check counted, by its id."""
        return {check["check"]: check["counts"] for check in self.checks}

    def to_dict(self) -> dict[str, Any]:
        """Return `run.json` as a JSON object; a part that a run does not have is left out."""
        absent = frozenset() if self.served is None else _OF_REPLAYS
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        values |= {"inputs": self._input_sums(), "comparison": self._comparison_sums()}
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
        kept = {k: v for k, v in values.items() if v is not None or k == "comparison"}
        return {"schema": RUN_SCHEMA, **{k: v for k, v in kept.items() if k not in absent}}

    def _input_sums(self) -> dict[str, int]:
        return {
            "files": len(self.inputs),
            "bytes": sum(row.get("bytes") or 0 for row in self.inputs),
            "rows": sum(row.get("rows") or 0 for row in self.inputs),
        }

    def _comparison_sums(self) -> dict[str, int] | None:
        found = self.comparison
        if found is None:
            return None
        rows: Sequence[Mapping[str, Any]] = found["series"]
        return {
            "series": len(rows),
            **{name: sum(row.get(name) or 0 for row in rows) for name in _COUNTED},
            "not_compared": len(found.get("not_compared", ())),
        }

    def write_tables(self, folder: Path) -> None:
        """Write the rows that `run.json` has the sums of."""
        compared: ComparisonRows = self.comparison or {"series": ()}
        write_rows(folder, INPUTS_FILE, self.inputs)
        write_rows(folder, COMPARED_FILE, compared["series"])
        write_rows(folder, NOT_COMPARED_FILE, compared.get("not_compared", ()))

    @staticmethod
    def of(run: Mapping[str, Any]) -> RunRecord:
        """Return the record of a JSON object of the right shape; what is not there is empty."""
        names = [one.name for one in fields(RunRecord)]
        return RunRecord(**{name: run[name] for name in names if run.get(name) is not None})


def read_record(path: Path) -> RunRecord:
    """Read the record of a run: its `run.json`, and the rows of the tables beside it.

    Raises InputError for a file that is missing, no JSON object, of another schema, or with a
    member that is not what a run writes there.
    """
    if not path.exists():
        raise InputError(path, "the figures of a run", "no such file")
    try:
        run = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "JSON in UTF-8", str(error)) from error
    except ValueError as error:
        raise InputError(path, "JSON", str(error)) from error
    if not isinstance(run, dict):
        raise InputError(path, "a JSON object", type(run).__name__)
    if run.get("schema") != RUN_SCHEMA:
        raise InputError(path, f"the schema {RUN_SCHEMA}", repr(run.get("schema")))
    sums: dict[str, Any] = {name: run.pop(name, None) for name in ("inputs", "comparison")}
    if found := misfit(run, RunRecord) or misfit(sums, Mapping[str, Mapping[str, int] | None]):
        raise InputError(path, *found)
    if sums["inputs"] is not None:
        run["inputs"] = read_rows(path.parent, INPUTS_FILE)
    if sums["comparison"] is not None:
        names = {"series": COMPARED_FILE, "not_compared": NOT_COMPARED_FILE}
        run["comparison"] = {key: read_rows(path.parent, name) for key, name in names.items()}
    return RunRecord.of(run)


def ledger_sums(equations: Iterable[Equation]) -> list[LawRow]:
    """Return, per law in order of appearance, how many equations balance, and their sums."""
    laws: dict[str, LawRow] = {}
    of_parts: dict[str, dict[str, int]] = {}

    def add(name: str, balanced: Sequence[bool], total: int, parts: Mapping[str, int]) -> None:
        parts_of = of_parts.setdefault(name, {})
        law = laws.setdefault(
            name, LawRow(law=name, equations=0, balanced=0, total=0, parts=parts_of)
        )
        law["equations"] += len(balanced)
        law["balanced"] += sum(balanced)
        law["total"] += total
        # A part named for a symbol is in the table alone.
        shown = parts_of if len(parts) <= _PARTS_SHOWN else {}
        for part, count in parts.items():
            shown[part] = shown.get(part, 0) + count

    for block in Ledger(equations).blocks:
        if isinstance(block, EquationTable):
            balanced, step = block.balanced(), len(block.laws)
            for place, name in enumerate(block.laws if len(block) else ()):
                own = slice(place, None, step)
                sums = {part: sum(block.counts.get(part, ())[own]) for part in block.parts}
                add(name, balanced[own], sum(block.totals[own]), sums)
        else:
            for equation in block:
                add(equation.law, [equation.balanced], equation.total, equation.parts)
    return list(laws.values())


# The law of the trades read has a part for each symbol.
_PARTS_SHOWN = 20


def write_ledger(path: Path, equations: Iterable[Equation]) -> None:
    """Write a row for each part of each equation, in their order.

    Columns: `equation`, its number from 0; `law`; `subject`; `total`; `part` and `count`, which
    are empty and 0 for an equation without parts; `balanced`.

    Raises OutputError for a number of more than 38 digits.
    """
    rows = _LedgerRows(path)
    for block in Ledger(equations).blocks:
        if isinstance(block, EquationTable):
            rows.add_table(block)
        else:
            rows.add(block)
    pq.write_table(pa.table(rows.columns()), path, compression="zstd")


_Words: TypeAlias = NDArray[np.uint64]


class _LedgerRows:
    """The rows of the ledger's table, block by block; numbers are words of 128 bits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._equations = 0
        self._numbers: list[Int64Array] = []
        self._texts: dict[str, dict[str, int]] = {"law": {}, "subject": {}, "part": {}}
        self._codes: dict[str, list[NDArray[np.int32]]] = {name: [] for name in self._texts}
        self._totals: list[_Words] = []
        self._counts: list[_Words] = []
        self._balanced: list[BoolArray] = []

    def add(self, equations: Sequence[Equation]) -> None:
        """Add equations, each with parts of its own."""
        parts = [list(equation.parts.items()) or [("", 0)] for equation in equations]
        sizes = np.array([len(mine) for mine in parts], dtype=np.int64)
        self._put(
            sizes,
            {
                "law": self._code("law", [one.law for one in equations]).repeat(sizes),
                "subject": self._code("subject", [one.subject for one in equations]).repeat(sizes),
                "part": self._code("part", [name for mine in parts for name, _ in mine]),
            },
            [one.total for one in equations],
            self._words([count for mine in parts for _, count in mine]),
            [one.balanced for one in equations],
        )

    def add_table(self, table: EquationTable) -> None:
        """Add the equations of many subjects, all with the same parts."""
        if len(table) == 0:
            return
        laws, parts, subjects = len(table.laws), len(table.parts), len(table.subjects)
        counts = np.zeros((len(table), parts, 2), dtype=np.uint64)
        for place, part in enumerate(table.parts):
            if part in table.counts:
                counts[:, place] = self._words(table.counts[part])
        self._put(
            np.full(len(table), parts, dtype=np.int64),
            {
                "law": np.tile(self._code("law", table.laws).repeat(parts), subjects),
                "subject": self._code("subject", table.subjects).repeat(laws * parts),
                "part": np.tile(self._code("part", table.parts), len(table)),
            },
            table.totals,
            counts.reshape(-1, 2),
            table.balanced(),
        )

    def _put(
        self,
        sizes: Int64Array,
        codes: Mapping[str, NDArray[np.int32]],
        totals: Sequence[int],
        counts: _Words,
        balanced: Sequence[bool],
    ) -> None:
        first = self._equations
        self._equations += len(sizes)
        self._numbers.append(np.arange(first, self._equations, dtype=np.int64).repeat(sizes))
        for name, column in codes.items():
            self._codes[name].append(column)
        self._totals.append(self._words(totals).repeat(sizes, axis=0))
        self._counts.append(counts)
        self._balanced.append(np.array(balanced, dtype=np.bool_).repeat(sizes))

    def _code(self, name: str, texts: Iterable[str]) -> NDArray[np.int32]:
        known = self._texts[name]
        return np.array([known.setdefault(text, len(known)) for text in texts], dtype=np.int32)

    def _words(self, values: Sequence[int]) -> _Words:
        if max(values, default=0) > _WIDE_MAX or min(values, default=0) < -_WIDE_MAX:
            raise OutputError(f"{self._path.name}: a sum of the ledger has more than 38 digits")
        return words_of(values)

    def columns(self) -> dict[str, pa.Array]:
        """Return the columns of the table."""
        balanced = np.concatenate([np.empty(0, dtype=np.bool_), *self._balanced])
        none = np.empty((0, 2), dtype=np.uint64)

        def wide(parts: list[_Words]) -> pa.Array:
            return decimals_of(np.concatenate([none, *parts]), _WIDE)

        def texts(name: str) -> pa.Array:
            codes = np.concatenate([np.empty(0, dtype=np.int32), *self._codes[name]])
            return dictionary_text(codes, list(self._texts[name]))

        numbers = np.concatenate([np.empty(0, dtype=np.int64), *self._numbers])
        return {
            "equation": array_of(numbers, pa.int64()),
            "law": texts("law"),
            "subject": texts("subject"),
            "total": wide(self._totals),
            "part": texts("part"),
            "count": wide(self._counts),
            "balanced": array_of(balanced, pa.bool_()),
        }


def read_ledger(path: Path) -> Iterator[EquationRow]:
    """Yield every equation: its law, subject, total, parts, and whether it balances.

    Raises InputError where there is no such table.
    """
    try:
        # Unlike read_table, it does not import pandas.
        with pq.ParquetFile(path) as file:
            table = file.read()
        numbers = int64_of(table["equation"])
        (laws, law), (subjects, subject), (parts, part) = (
            texts_of(table[name]) for name in ("law", "subject", "part")
        )
        totals, counts = (_integers(table[name]) for name in ("total", "count"))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise InputError(path, "the ledger of a run", str(error)) from error
    starts = np.flatnonzero(np.diff(numbers, prepend=-1)).tolist()
    for start, stop in itertools.pairwise([*starts, len(numbers)]):
        names = [parts[code] for code in part[start:stop].tolist()]
        of_parts = dict(zip(names, counts[start:stop], strict=True))
        of_parts.pop("", None)
        yield {
            "law": laws[law[start]],
            "subject": subjects[subject[start]],
            "total": totals[start],
            "parts": of_parts,
            "balanced": totals[start] == sum(of_parts.values()),
        }


def _integers(column: pa.ChunkedArray) -> list[int]:
    found: list[int] = unscaled(column).tolist()
    return found
