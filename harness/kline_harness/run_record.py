"""The record of a run: `run.json`, and `ledger.parquet` beside it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.arrow import array_of, dictionary_text, int64_of, texts_of
from kline_harness.errors import InputError, OutputError
from kline_harness.ledger import Equation

RUN_SCHEMA = "kline-harness/run/2"
RECORD_FILE = "run.json"
LEDGER_FILE = "ledger.parquet"
VERDICTS = ("valid", "invalid", "unknown")
# Counts, and sums in units of 1e-18, which int64 does not hold.
_WIDE = pa.decimal128(38, 0)
_WIDE_MAX = 10**38 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What `run.json` holds, a field for each of its keys; docs/run-folder.md says what they are.

    `ledger` are the sums of each law (`ledger_sums`); every equation is in `ledger.parquet`.
    `served` is there where a service's store was judged, and the parts of a replay are not.
    """

    verdict: str
    exit_code: int
    sentence: str
    command: str
    scenario: Mapping[str, Any]
    changed_options: Mapping[str, Any] | None = None
    seed: int | None = None
    versions: Mapping[str, str | None]
    inputs: Sequence[Mapping[str, Any]]
    receptions: Sequence[Mapping[str, Any]] | None = None
    checks: Sequence[Mapping[str, Any]]
    ledger: Sequence[Mapping[str, Any]]
    comparison: Mapping[str, Any] | None
    channels: Sequence[Mapping[str, Any]] | None = None
    series: Sequence[Mapping[str, Any]] | None = None
    lateness: Sequence[Mapping[str, Any]] | None = None
    transitions: Sequence[Mapping[str, Any]] | None = None
    stretches: Sequence[Mapping[str, Any]] | None = None
    faults: Sequence[Mapping[str, Any]] | None = None
    served: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a JSON object; a part that a run does not have is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        kept = {k: v for k, v in values.items() if v is not None or k == "comparison"}
        return {"schema": RUN_SCHEMA, **kept}


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of a run as a JSON object.

    Raises InputError for a file that is missing, no JSON object, of another schema, or without
    one of the verdicts.
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
    if run.get("verdict") not in VERDICTS:
        raise InputError(path, f"a verdict of {', '.join(VERDICTS)}", repr(run.get("verdict")))
    return run


def ledger_sums(equations: Iterable[Equation]) -> list[dict[str, Any]]:
    """Return, per law in order of appearance, how many equations balance, and their sums."""
    laws: dict[str, dict[str, Any]] = {}
    for equation in equations:
        law = laws.setdefault(
            equation.law,
            {"law": equation.law, "equations": 0, "balanced": 0, "total": 0, "parts": {}},
        )
        law["equations"] += 1
        law["balanced"] += equation.balanced
        law["total"] += equation.total
        # A part named for a symbol is told in the table alone.
        parts = law["parts"] if len(equation.parts) <= _PARTS_SHOWN else {}
        for name, count in equation.parts.items():
            parts[name] = parts.get(name, 0) + count
    return list(laws.values())


# The law of the trades read has a part for each symbol.
_PARTS_SHOWN = 20


def write_ledger(path: Path, equations: Sequence[Equation]) -> None:
    """Write a row for each part of each equation, in their order.

    Columns: `equation`, its number from 0; `law`; `subject`; `total`; `part` and `count`, which
    are empty and 0 for an equation without parts; `balanced`.

    Raises OutputError for a number of more than 38 digits.
    """
    number, part, counts = list[int](), list[str](), list[int]()
    for place, equation in enumerate(equations):
        for name, count in equation.parts.items() or (("", 0),):
            number.append(place)
            part.append(name)
            counts.append(count)
    of_row = np.array(number, dtype=np.int64)
    totals = [equations[place].total for place in number]
    balanced = np.array([equation.balanced for equation in equations], dtype=np.bool_)[of_row]
    # By their bits: Arrow's cast is in a module that costs more to import than most replays take.
    bits = np.packbits(balanced, bitorder="little").tobytes()
    columns = {
        "equation": array_of(of_row, pa.int64()),
        "law": _texts([equations[place].law for place in number]),
        "subject": _texts([equations[place].subject for place in number]),
        "total": _wide(path, totals),
        "part": _texts(part),
        "count": _wide(path, counts),
        "balanced": pa.Array.from_buffers(pa.bool_(), len(balanced), [None, pa.py_buffer(bits)]),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_ledger(path: Path) -> Iterator[dict[str, Any]]:
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


def _texts(values: Sequence[str]) -> pa.DictionaryArray:
    codes = {text: code for code, text in enumerate(dict.fromkeys(values))}
    column = np.array([codes[text] for text in values], dtype=np.int32)
    return dictionary_text(column, list(codes))


def _wide(path: Path, values: Sequence[int]) -> pa.Array:
    if any(abs(value) > _WIDE_MAX for value in values):
        raise OutputError(f"{path.name}: a sum of the ledger has more than 38 digits")
    words = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
    return pa.Array.from_buffers(_WIDE, len(values), [None, pa.py_buffer(words)])


def _integers(column: pa.ChunkedArray) -> list[int]:
    whole = column.combine_chunks()
    words = np.frombuffer(whole.buffers()[1], dtype=np.uint64).reshape(-1, 2)
    words = words[whole.offset : whole.offset + len(whole)]
    pairs = zip(words[:, 1].view(np.int64).tolist(), words[:, 0].tolist(), strict=True)
    return [(high << 64) + low for high, low in pairs]
