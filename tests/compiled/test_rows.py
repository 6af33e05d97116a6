"""The compiled loop against the grammar written as regular expressions and Python's integers."""

from __future__ import annotations

import re
from decimal import Context, Decimal, Inexact
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kline_harness.compiled import library
from kline_harness.compiled.library import load
from kline_harness.compiled.rows import (
    BOOLEAN,
    EXACT,
    INTEGER,
    count_lines,
    parse_rows,
    plain_trades,
)

pytestmark = pytest.mark.skipif(library.LIBRARY is None, reason="nothing was compiled")

WORDS = {"true": True, "True": True, "TRUE": True, "1": True}
WORDS |= {"false": False, "False": False, "FALSE": False, "0": False}
EXACT_NUMBERS = Context(prec=100, traps=[Inexact])
ALPHABET = "0123456789.,-\r\ntrueFALSE+eE x\x00\xb0"


def field(text: str, kind: int, scale: int) -> int | bool | None:
    """Return a field's value, None if it is not plain."""
    if kind == BOOLEAN:
        return WORDS.get(text)
    if kind == INTEGER:
        return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None
    if not re.fullmatch(r"[0-9]+\.?[0-9]*|\.[0-9]+", text):
        return None
    whole, _, fraction = text.partition(".")
    if fraction[scale:].strip("0") or len(whole) + scale > 18:
        return None
    if len(fraction) > scale and len(text) > 38:
        return None
    return int(EXACT_NUMBERS.scaleb(Decimal(text), scale))


def rows_of(block: bytes, kinds: list[int], scales: list[int]) -> list[list[int | bool]] | None:
    """Return the rows of a block, None if one is not plain."""
    lines = block.decode("latin-1").split("\n")
    if not lines[-1]:
        lines.pop()
    found: list[list[int | bool]] = []
    for line in lines:
        fields = line.removesuffix("\r").split(",")
        if len(fields) != len(kinds):
            return None
        values = [field(*each) for each in zip(fields, kinds, scales, strict=True)]
        if None in values:
            return None
        found.append([value for value in values if value is not None])
    return found


def parsed(block: bytes, kinds: list[int], scales: list[int]) -> list[list[int | bool]] | None:
    found = parse_rows(block, kinds, scales)
    if found is None:
        return None
    columns, decimals = found
    for column, kind in zip(columns, kinds, strict=True):
        assert column.dtype == (np.bool_ if kind == BOOLEAN else np.int64)
    for column, used, kind, scale in zip(columns, decimals, kinds, scales, strict=True):
        exact = column.tolist() if kind == EXACT else []
        assert used == max((_decimals(value, scale) for value in exact), default=0)
    return [list(row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _decimals(value: int, scale: int) -> int:
    """Return the number of decimals of a scaled integer up to the last that is no zero."""
    return scale - min(scale, len(str(value)) - len(str(value).rstrip("0"))) if value else 0


ODD = st.sampled_from([-2, -1, 0, 1, 2, 3, 10**9, 10**18, 2**62])


@settings(max_examples=300)
@given(st.lists(st.tuples(*[ODD] * 6), min_size=1, max_size=3), st.booleans(), st.booleans())
@example([(0, 1, 1, 0, 0, 2), (1, 2, 3, 1, 4, 3)], True, True)
@example([(0, 3037000500, 3037000500, 0, 0, 2)], True, True)
def test_trades_are_plain_or_left_alone(
    rows: list[tuple[int, ...]], has_raw_ids: bool, priced: bool
) -> None:
    names = ("id", "price", "quantity", "first_id", "last_id", "time")
    columns = {
        n: np.array(c, np.int64) for n, c in zip(names, zip(*rows, strict=True), strict=True)
    }
    if not has_raw_ids:
        del columns["first_id"], columns["last_id"]
    made = plain_trades(columns, (2, 2**62), 2, priced=priced)
    are_plain = all(
        identity >= 0
        and price > 0
        and quantity > 0
        and 2 <= time <= 2**62
        and (not has_raw_ids or 0 <= first <= last)
        and (not priced or price * quantity < 2**63)
        for identity, price, quantity, first, last, time in rows
    )
    assert (made is not None) is are_plain
    if made is not None and max(time for *_, time in rows) < 2**62:
        assert made["time"].tolist() == [time * 2 for *_, time in rows]
        products = [price * quantity for _, price, quantity, *_ in rows] if priced else None
        assert (made["quote"].tolist() if priced else None) == products


KINDS = st.lists(st.sampled_from([INTEGER, EXACT, BOOLEAN]), min_size=1, max_size=4)


@settings(max_examples=600)
@given(st.text(ALPHABET, max_size=60), KINDS, st.integers(0, 18))
@example("1.", [EXACT], 0)
@example(".", [EXACT], 2)
@example("-", [INTEGER], 0)
@example("1,\n", [INTEGER, BOOLEAN], 0)
@example("999999999999999999\n1000000000000000000\n", [INTEGER], 0)
@example("12345678\xb0\n", [INTEGER], 0)
@example("1\r2\n", [INTEGER], 0)
@example("\n", [INTEGER], 0)
@example("1.50000000", [EXACT], 1)
@example("1.50000001", [EXACT], 1)
@example("1." + "0" * 36, [EXACT], 1)
@example("1." + "0" * 37, [EXACT], 1)
def test_any_text_is_read_or_left_alone(text: str, kinds: list[int], scale: int) -> None:
    block = text.encode("latin-1")
    scales = [scale] * len(kinds)
    assert parsed(block, kinds, scales) == rows_of(block, kinds, scales)


@st.composite
def plain(draw: st.DrawFn) -> tuple[bytes, list[int], list[int]]:
    """A block whose rows are plain, but for one character in some."""
    kinds = draw(KINDS)
    scales = [draw(st.integers(0, 8)) for _ in kinds]
    # Integers of one length in a column, as ids and times are, or of any.
    spans = [
        (10 ** (digits - 1), 10**digits - 1) if digits else (-(10**18) + 1, 10**18 - 1)
        for digits in (draw(st.sampled_from([0, 7, 8, 9, 13, 16, 17])) for _ in kinds)
    ]
    lines = []
    for _ in range(draw(st.integers(1, 8))):
        fields = []
        for kind, scale, span in zip(kinds, scales, spans, strict=True):
            if kind == BOOLEAN:
                fields.append(draw(st.sampled_from(sorted(WORDS))))
            elif kind == INTEGER:
                fields.append(str(draw(st.integers(*span))))
            else:
                value = draw(st.integers(0, 10 ** (18 - scale) - 1))
                digits = draw(st.integers(0, scale))
                fraction = draw(st.integers(0, 10**digits - 1)) if digits else 0
                zeros = "0" * draw(st.integers(0, 9))
                fields.append(f"{value}.{fraction:0{digits}}{zeros}" if digits else str(value))
        lines.append(",".join(fields))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.sampled_from(ALPHABET)) + text[at + 1 :]
    return text.encode("latin-1"), kinds, scales


@settings(max_examples=600)
@given(plain())
def test_plain_rows_are_read(case: tuple[bytes, list[int], list[int]]) -> None:
    assert parsed(*case) == rows_of(*case)


@given(plain(), st.data())
def test_a_block_may_end_anywhere(
    case: tuple[bytes, list[int], list[int]], data: st.DataObject
) -> None:
    """A cut block never shows what lies behind its end."""
    block, kinds, scales = case
    cut = block[: data.draw(st.integers(0, len(block)))]
    assert parsed(cut, kinds, scales) == rows_of(cut, kinds, scales)


@given(st.binary(max_size=40))
def test_lines_are_counted(block: bytes) -> None:
    ends = block.count(b"\n")
    assert count_lines(block) == ends + (bool(block) and not block.endswith(b"\n"))


def test_without_a_library_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "LIBRARY", None)
    assert parse_rows(b"1\n", [INTEGER], [0]) is None


def test_a_library_is_left_out_on_demand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load() is not None
    monkeypatch.setenv("KLINE_HARNESS_COMPILED", "0")
    assert load() is None
    monkeypatch.delenv("KLINE_HARNESS_COMPILED")
    assert load(tmp_path / "none.so") is None
    (tmp_path / "text.so").write_bytes(b"no library")
    assert load(tmp_path / "text.so") is None


def test_a_library_of_another_version_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "VERSION", library.VERSION + 1)
    assert load() is None
