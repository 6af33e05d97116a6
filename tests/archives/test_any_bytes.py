"""Whatever a file holds, reading it ends in rows or in one sentence, never in a crash."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kline_harness.archives import detect, open_trades, read_all_klines
from kline_harness.errors import UserError

from tests.replays import ROOT, UM_DAY

CASES = ROOT / "fixtures" / "cases"
SOURCES = ROOT / "fixtures" / "sources"
FILES = sorted(
    path
    for folder in (*(CASES / f"case{n:02}" for n in (1, 5, 6, 8, 11, 12, 13, 19, 20, 23)), SOURCES)
    for path in folder.iterdir()
    if path.is_file() and path.suffix not in (".toml",) and path.name != "metadata.json"
)
FILES += [UM_DAY / "ALFAUSDT-1h-2024-05-15.zip"]
TOKENS = st.sampled_from(
    (b"", b"\n", b"\r", b"\0", b",", b'"', b"-", b" ", b"{", b"[", b"}", b"null", b"[]", b"{}")
)
WORDS = st.sampled_from(
    (b"1e999999", b"9" * 40, b"9" * 5000, b"nan", b"\xff\xfe", b"2024-13-45", b"9999-12-31")
)


@contextmanager
def refusals() -> Iterator[None]:
    """Let a file be refused, in one line."""
    refused = []
    try:
        yield
    except UserError as error:
        refused.append(str(error))
    assert not any("\n" in sentence for sentence in refused)


@settings(max_examples=250, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(FILES), st.data())
def test_a_changed_file_is_read_or_refused(original: Path, data: st.DataObject) -> None:
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, min(len(content), 600)))
        length = data.draw(st.integers(0, 12))
        content[at : at + length] = data.draw(st.one_of(TOKENS, WORDS, st.binary(max_size=4)))
    if data.draw(st.integers(0, 4)) == 0:
        del content[data.draw(st.integers(0, len(content))) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / original.name
        path.write_bytes(content)
        with refusals():
            kind = detect(path)
            if kind == "klines":
                read_all_klines(path, symbol=data.draw(st.sampled_from([None, "FOXUSDT"])))
            elif kind == "trades":
                file = open_trades(path, symbol=data.draw(st.sampled_from([None, "FOXUSDT"])))
                for _ in file.chunks():
                    pass
                assert all(law.balanced for law in file.equations)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_given_file_is_read_or_refused(path: Path) -> None:
    with refusals():
        assert detect(path)
