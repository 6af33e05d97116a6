"""The peers' scripts, once and small: what they make is ours, or known to be otherwise."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.day import write_day
from tests.benchmarks.peers import FIELDS, PEERS, Peer, wrong_bars
from tests.replays import replay

TRADES = 20_000


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_day(tmp_path_factory.mktemp("day"), TRADES)


@pytest.fixture(scope="module")
def klines(day: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    ran = replay(tmp_path_factory.mktemp("ours") / "run", day, "--audit", "off")
    (part,) = (ran.folder / "klines").glob("part-*.parquet")
    return part


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_makes_our_bars(peer: Peer, day: Path, klines: Path, tmp_path: Path) -> None:
    python = peer.python()
    if python is None:
        pytest.skip(f"{peer.module} is not installed")
    out = tmp_path / "klines.parquet"
    subprocess.run([python, str(peer.script), str(day), str(out)], check=True, timeout=300)
    told = wrong_bars(out, klines)
    if peer.module == "nautilus_trader":
        # A trade exactly on the minute goes into the earlier bar, and there are no sums but one.
        assert told.endswith("(has no quote_volume, count, taker_buy_volume)")
        assert "missing" not in told
    else:
        assert re.fullmatch(r"0 of 2,\d\d\d", told)


def _store(path: Path, **columns: list[float]) -> Path:
    pq.write_table(pa.table({"interval_ms": [60_000] * 3, **columns}), path)
    return path


def test_wrong_missing_and_lacking_are_told_apart(tmp_path: Path) -> None:
    opens = [0.0, 60_000.0, 120_000.0]
    fields = {name: [1.0, 2.0, 3.0] for name in FIELDS}
    right = _store(tmp_path / "right", open_time_ms=opens, **fields)
    assert wrong_bars(right, right) == "0 of 3"
    close = fields | {"close": [1.0, 2.0 + 1e-12, 3.1]}
    assert wrong_bars(_store(tmp_path / "a", open_time_ms=opens, **close), right) == "1 of 3"
    late = _store(tmp_path / "b", open_time_ms=[60_000.0, 120_000.0, 180_000.0], **fields)
    assert wrong_bars(late, right) == "3 of 3, 1 missing"
    quiet = _store(tmp_path / "c", open_time_ms=opens, **fields | {"count": [0.0, 1.0, 1.0]})
    assert wrong_bars(late, quiet) == "3 of 3"
    few = {name: column for name, column in fields.items() if name != "count"}
    lacking = _store(tmp_path / "d", open_time_ms=opens, **few)
    assert wrong_bars(lacking, right) == "0 of 3 (has no count)"
