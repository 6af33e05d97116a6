"""Lines are counted where the bytes are read: a reader that loses some is found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kline_harness.archives import foreign_trades, kline_reader, open_trades
from kline_harness.archives.exchanges.binance import trade_files
from kline_harness.archives.exchanges.binance.messages import Line
from kline_harness.archives.table import ExactTable
from kline_harness.compiled import library
from kline_harness.compiled.rows import count_feeds

from tests.archives.files import START_MS
from tests.replays import ROOT, UM_DAY, UM_STREAM, command, replay

AGGREGATES = UM_DAY / "ALFAUSDT-aggTrades-2024-05-15.zip"
KLINES = UM_DAY / "ALFAUSDT-1m-2024-05-15.zip"
RECORDING = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
OTHERS = ROOT / "fixtures" / "sources"
Plant = Callable[[pytest.MonkeyPatch], None]


def lose_rows_of_a_block(patch: pytest.MonkeyPatch) -> None:
    """The parser returns a block's columns without 5 rows in the middle."""
    plain = ExactTable.read

    def read(self: ExactTable, block: bytes, line: int) -> dict[str, Any]:
        columns = plain(self, block, line)
        if len(next(iter(columns.values()))) > 20:
            return {name: np.delete(column, slice(7, 12)) for name, column in columns.items()}
        return columns

    patch.setattr(ExactTable, "read", read)


def lose_first_lines(patch: pytest.MonkeyPatch) -> None:
    """Each block of a file is read without its first line."""
    plain = ExactTable.read

    def read(self: ExactTable, block: bytes, line: int) -> dict[str, Any]:
        return plain(self, block[block.find(b"\n") + 1 :] or block, line)

    patch.setattr(ExactTable, "read", read)


def lose_the_last_block(patch: pytest.MonkeyPatch) -> None:
    """What comes last of a file's blocks is thrown away."""
    for module in (trade_files, kline_reader, foreign_trades):
        plain = module.bodies

        def bodies(*arguments: Any, plain: Any = plain) -> Iterator[bytes]:
            blocks = list(plain(*arguments))
            cut = blocks[-1][:-1].rfind(b"\n") + 1
            yield from [*blocks[:-1], *([blocks[-1][:cut]] if len(blocks) == 1 else [])]

        patch.setattr(module, "bodies", bodies)


def lose_messages(patch: pytest.MonkeyPatch) -> None:
    """One line in a hundred is taken for a message of another kind."""
    plain = Line.messages

    def messages(self: Line) -> Iterator[dict[str, Any]]:
        yield from [{}] if self.number % 100 == 0 else plain(self)

    patch.setattr(Line, "messages", messages)


@pytest.mark.unbalanced
@pytest.mark.parametrize(
    ("plant", "files"),
    [
        (lose_rows_of_a_block, [AGGREGATES]),
        (lose_rows_of_a_block, [OTHERS / "BTCUSDT2024-05-15.csv"]),
        (lose_rows_of_a_block, [OTHERS / "XBTUSD.csv"]),
        (lose_first_lines, [AGGREGATES]),
        (lose_first_lines, [OTHERS / "BTC-USD-trades.csv"]),
        (lose_the_last_block, [AGGREGATES]),
        (lose_the_last_block, [OTHERS / "BTCUSDT_2024-05-15.csv"]),
        (lose_messages, [RECORDING]),
    ],
)
def test_a_reader_that_loses_trades_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Plant, files: list[Path]
) -> None:
    plant(monkeypatch)
    ran = replay(tmp_path / "run", *files, "--intervals", "1m", "--audit", "off")
    assert ran.exit_code == 1
    broken = [law for law in ran.equations() if not law["balanced"]]
    assert [law["subject"] for law in broken] == [files[0].name]
    assert command("inspect", *files).exit_code == 1


@pytest.mark.parametrize("plant", [lose_rows_of_a_block, lose_first_lines, lose_the_last_block])
def test_a_reader_that_loses_klines_is_found(monkeypatch: pytest.MonkeyPatch, plant: Plant) -> None:
    plant(monkeypatch)
    ran = command("inspect", KLINES)
    assert (ran.exit_code, "lines_not_read" in ran.output) == (1, True)


def test_a_list_of_trades_is_not_another_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = {"e": "trade", "s": "X", "p": "1.5", "q": "2", "m": True}
    rows = [event | {"t": n, "T": START_MS + n} for n in (1, 2, 3)]
    path = tmp_path / "recording.txt"
    lines = [f"{START_MS + 5} {json.dumps(row)}\n" for row in (rows[0], rows[1:])]
    path.write_text("".join(lines))
    assert sum(map(len, open_trades(path).chunks())) == 3

    plain = Line.messages

    def messages(self: Line) -> Iterator[dict[str, Any]]:
        yield from [{}] if b"[" in self.text else plain(self)

    monkeypatch.setattr(Line, "messages", messages)
    file = open_trades(path)
    assert sum(map(len, file.chunks())) == 1
    assert [law.balanced for law in file.equations] == [True, False]
    assert command("inspect", path).exit_code == 1


def test_the_lines_of_a_run_stand_in_its_ledger(tmp_path: Path) -> None:
    """Header, blank last lines and carriage returns are lines too."""
    path = tmp_path / "ALFAUSDT-trades.csv"
    header = "id,price,qty,quote_qty,time,is_buyer_maker\r\n"
    path.write_bytes((header + f"1,2,3,6,{START_MS},true\r\n\r\n\n").encode())
    ran = replay(tmp_path / "run", path, "--intervals", "1m")
    law = ran.equations()[0]
    assert (law["law"], law["total"]) == ("lines of a file", 4)
    assert law["parts"] == {"rows read": 1, "header": 1, "blank": 2}


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 255, 64 * 255, 64 * 255 + 1, 40_000])
def test_line_feeds_are_counted(
    monkeypatch: pytest.MonkeyPatch, compiled: bool, length: int
) -> None:
    if not compiled:
        monkeypatch.setattr(library, "LIBRARY", None)
    rng = np.random.default_rng(length)
    for text in (b"\n" * length, bytes(rng.choice([9, 10, 11, 138], length).astype(np.uint8))):
        assert count_feeds(text) == text.count(b"\n")
