"""A run with nothing to compare with reads its stored klines by columns, never whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from kline_harness.comparison.stored import Stored
from kline_harness.storage.dataset import KlineDataset

from tests.replays import UM_STREAM, replay

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"


def test_the_stored_table_is_not_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    read = KlineDataset.read_part

    def noted(
        self: KlineDataset,
        path: Path,
        columns: Sequence[str] | None = None,
        group: int | None = None,
    ) -> pa.Table:
        asked.append(columns)
        return read(self, path, columns, group)

    monkeypatch.setattr(KlineDataset, "read_part", noted)
    ran = replay(tmp_path / "run", TRADES, "--audit", "off")
    assert ran.exit_code in (0, 3), ran.output
    assert asked
    assert None not in asked


def test_columns_read_alone_are_those_of_the_table(tmp_path: Path) -> None:
    replay(tmp_path / "run", TRADES, "--audit", "off")
    dataset = KlineDataset(tmp_path / "run" / "klines")
    lazy, whole = Stored(dataset.readers()), Stored.of(dataset.read())
    assert len(lazy) == len(whole) == dataset.rows() > 0
    assert lazy.table.to_pylist() == whole.table.to_pylist()
    for symbol, interval in whole.rows:
        assert lazy.series(symbol, interval).to_pylist() == (
            whole.series(symbol, interval).to_pylist()
        )
