"""README's first command for data of one's own, with everything of a day in one folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DAY = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"
TRADES = "ALFAUSDT-aggTrades-2024-05-15.zip"
HOUR = "ALFAUSDT-1h-2024-05-15.zip"
STREAM = Path(__file__).resolve().parents[2] / "fixtures" / "um-stream"


def replay(folder: Path, *klines: Path) -> tuple[int, str, list[dict[str, object]]]:
    out = folder.parent / "run"
    words = [folder / TRADES, "--klines", *klines, "--intervals", "1h,1d", "--no-report"]
    ran = subprocess.run(
        [sys.executable, "-m", "kline_harness", "replay", *map(str, words), "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    findings = out / "findings.ndjson"
    lines = findings.read_text().splitlines() if findings.is_file() else []
    found = [json.loads(line) for line in lines]
    return ran.returncode, ran.stdout + ran.stderr, [f for f in found if f["check"] == "files"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "day"
    place.mkdir()
    for path in [*DAY.glob("ALFAUSDT-*"), *DAY.glob("BRAVOUSDT-trades*")]:
        shutil.copy(path, place)
    (place / "README.md").write_text("what I fetched\n")
    (place / "empty").write_text("")
    return place


def test_files_without_klines_are_left_out_and_said(folder: Path) -> None:
    code, output, findings = replay(folder, *sorted(folder.iterdir()))
    assert code == 0, output
    left_out = {str(f["evidence"]["file"]): f["evidence"]["holds"] for f in findings}  # type: ignore[index]
    held = {path.name for path in folder.iterdir()} - set(left_out)
    assert held == {p.name for p in DAY.glob("ALFAUSDT-*.zip") if "rades" not in p.name}
    expected = {TRADES: "aggTrades", "README.md": "nothing that is known", "empty": "an empty file"}
    expected |= {path.name: "CHECKSUM" for path in folder.glob("*.CHECKSUM")}
    assert {n: h for n, h in left_out.items() if n in expected} == expected
    assert {f["severity"] for f in findings} == {"notice"}
    sentence = f"{TRADES}, given as the exchange's klines, holds none (aggTrades) and was left out"
    assert sentence in [f["evidence"]["sentence"] for f in findings]  # type: ignore[index]
    assert "was left out" in output


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04rubbish", b"rubbish\n"])
def test_a_file_named_as_klines_of_a_day_is_not_left_out(folder: Path, content: bytes) -> None:
    (folder / "ALFAUSDT-4h-2024-05-15.zip").write_bytes(content)
    code, output, _ = replay(folder, *sorted(folder.iterdir()))
    assert (code, "ALFAUSDT-4h-2024-05-15.zip" in output) == (2, True)


def test_a_damaged_file_and_one_that_is_not_there_are_refused(folder: Path) -> None:
    (folder / "klines.gz").write_bytes(b"\x1f\x8bxx")
    for name in ("klines.gz", "nowhere.csv"):
        code, output, _ = replay(folder, folder / HOUR, folder / name)
        assert (code, name in output) == (2, True)


def test_klines_that_no_file_holds_are_refused(folder: Path) -> None:
    code, output, _ = replay(folder, folder / TRADES, folder / "README.md")
    assert (code, "expected klines, found aggTrades" in output) == (2, True)
