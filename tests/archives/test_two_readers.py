"""The compiled loop and pyarrow read the same files: same trades, or the same line refused."""

from __future__ import annotations

import re
import tempfile
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kline_harness.compiled import library
from kline_harness.errors import InputError

from tests.archives.files import START_MS, read
from tests.replays import ROOT

CASES = ROOT / "fixtures" / "cases" / "crashes"

digits = st.text("0123456789", min_size=1, max_size=20)
odd_numbers = st.sampled_from(
    (
        "",
        "0",
        "1",
        "-1",
        "+1",
        "-0",
        "00",
        ".5",
        "5.",
        ".",
        "-",
        "1e5",
        "1E-5",
        "5.e2",
        " 1",
        "1 ",
        '"1"',
    )
)
odder_numbers = st.sampled_from(
    ("0x1", "1_0", "NaN", "inf", "true", "False", "1.50", "1\r", "\r", "1\t", "\u0661", "9" * 18)
)
long_numbers = st.sampled_from(
    ("9" * 19, "0" * 30 + "7", "1." + "0" * 30, "0." + "0" * 17 + "1", "9" * 39, "9" * 5000)
)
spellings = st.one_of(
    odd_numbers,
    odder_numbers,
    long_numbers,
    digits,
    st.builds("{}.{}".format, digits, digits),
)
booleans = st.sampled_from(
    ["true", "false", "True", "FALSE", "1", "0", "tRue", "yes", "", " true", "true ", "01", "truee"]
)
usual = (
    st.integers(0, 999).map(str),
    st.sampled_from(["10.5", "7", "0.25", "63943.90"]),
    st.sampled_from(["1.25", "0", "3"]),
    st.sampled_from(["13.125", "6"]),
    st.integers(START_MS, START_MS + 999).map(str),
    st.sampled_from(["true", "false", "1", "0", "True"]),
    st.sampled_from(["True", "true", "False", "0"]),
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A spot trades file, mostly of usual rows, with an odd field or line somewhere."""
    lines = [[draw(field) for field in usual] for _ in range(draw(st.integers(1, 6)))]
    for _ in range(draw(st.integers(0, 2))):
        row, column = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, 6))
        lines[row][column] = draw(booleans if column > 4 else spellings)
    texts = [",".join(fields) for fields in lines]
    if draw(st.integers(0, 3)) == 0:
        odd = draw(st.sampled_from(["", " ", "1,2,3", texts[0] + ",", "," + texts[0]]))
        texts.insert(draw(st.integers(0, len(texts))), odd)
    end = draw(st.sampled_from(["\n", "\r\n"]))
    last = draw(st.sampled_from(["", end, end * 3]))
    return (end.join(texts) + last).encode()


def outcome(path: Path, block_bytes: int, *, compiled: bool) -> object:
    """The rows, or the line that is refused and what was found there."""
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(library, "LIBRARY", None)
        try:
            return read(path, block_bytes=block_bytes)
        except InputError as error:
            return error.line, error.expected, error.found


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(files(), st.sampled_from([1, 60, 4096]))
@example(b"0,7,3,6,999999999999999999,true,true\n1,7,3,6,1715731200000,true,true", 60)
def test_both_readers_read_the_same_files(content: bytes, block_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "YUSDT-trades.csv"
        path.write_bytes(content)
        first = outcome(path, block_bytes, compiled=True)
        assert first == outcome(path, block_bytes, compiled=False)
    lines = content.decode().split("\n")
    if isinstance(first, list):
        # By hand: what is read is what the text says.
        rows = [line.rstrip("\r").split(",") for line in lines if line.strip("\r")]
        assert [(row.id, row.price, row.quantity) for row in first] == [
            (int(r[0]), Decimal(r[1]), Decimal(r[2])) for r in rows
        ]
    elif isinstance(first, tuple) and first[0] is not None and first[0] > 1:
        *before, line = lines[: first[0]]
        # Usual by itself, a time may be in another unit than those before.
        assert odd(line) or any(len(time(one)) != len(time(line)) for one in before), first


def time(line: str) -> str:
    return ",".join(line.split(",")[4:5])


def odd(line: str) -> bool:
    """Whether a line is not a row of a spot trades file in the grammar of docs/sources.md."""
    fields = line.removesuffix("\r").split(",")
    if len(fields) != 7 or any(f.strip() != f or not f.isascii() or "_" in f for f in fields):
        return True
    words = {"true", "True", "TRUE", "false", "False", "FALSE", "0", "1"}
    try:
        numbers = [Decimal(field) for field in fields[:4]]
        whole = int(fields[0]) >= 0 and START_MS <= int(fields[4]) < START_MS + 10**6
    except (ValueError, InvalidOperation):
        return True
    digits = [fields[0], fields[4], *(re.sub("[eE]-?", "", f) for f in fields[1:4])]
    plain = all(set(f) <= set("0123456789.-") and len(f) <= 18 for f in digits)
    finite = all(n.is_finite() for n in numbers)
    positive = finite and all(n >= 0 for n in numbers) and (numbers[1] > 0 or numbers[2] == 0)
    return not (whole and plain and positive and words >= set(fields[5:]))


def test_a_maker_flag_in_digits_beside_one_in_words() -> None:
    for compiled in (True, False):
        (row,) = read(CASES / "YUSDT-trades.csv")
        assert (row.price, row.maker) == (Decimal("10.5"), True)
        assert isinstance(outcome(CASES / "YUSDT-trades.csv", 4096, compiled=compiled), list)
