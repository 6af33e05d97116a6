"""The page as text: complete, true to its folder, inert, and the same for every builder."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kline_harness.errors import InputError
from kline_harness.kline import FIELDS
from kline_harness.ledger import Equation
from kline_harness.report import build_report
from kline_harness.report.data import read_run
from kline_harness.report.format import number, utc
from kline_harness.report.glossary import CHECKS
from kline_harness.run_record import LEDGER_FILE, ledger_sums, read_ledger, write_ledger
from kline_harness.run_rows import EquationRow

from tests.machine import slowness
from tests.report.pages import blocks, rows, sides
from tests.report.run_figures import DAY_NS, HOSTILE, RunOptions
from tests.report.run_folder import write_run
from tests.run_files import put_run, whole_run

ROOT = Path(__file__).parents[2]
BUILD = "import sys, pathlib, kline_harness.report as r; r.build_report(pathlib.Path(sys.argv[1]))"


def run_json(folder: Path) -> Any:
    return whole_run(folder)


def table(page: str, name: str) -> list[list[str]]:
    """Return the cells of a table's body as text."""
    body = re.search(rf'<table id="{name}"[^>]*>.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert body is not None, name
    return [
        [
            unescape(re.sub(r"<[^>]*>", "", cell)).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body[1], re.DOTALL)
    ]


def test_a_second_build_gives_the_same_bytes_anywhere(
    reports: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(reports["invalid"], copy)
    for page in copy.glob("*.html"):
        page.unlink()
    (copy / "timings.json").write_text('{"wall_s": 99}')
    settings = tmp_path / "matplotlibrc"
    settings.write_text("lines.linewidth: 9\nsvg.fonttype: path\naxes.grid: False\n")
    strange = {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "99", "LC_ALL": "C"}
    strange |= {"MATPLOTLIBRC": str(settings)}
    subprocess.run(
        [sys.executable, "-W", "error", "-c", BUILD, str(copy)],
        check=True,
        cwd=ROOT,
        env=os.environ | strange,
    )
    pages = sorted(path.name for path in reports["invalid"].glob("*.html"))
    assert pages == sorted(path.name for path in copy.glob("*.html"))
    for name in pages:
        assert (copy / name).read_bytes() == (reports["invalid"] / name).read_bytes(), name


def test_importing_the_room_is_cheap_and_no_global_figure_is_touched(
    reports: dict[str, Path], tmp_path: Path
) -> None:
    code = (
        "import sys, pathlib, kline_harness.report as r\n"
        "assert not {'matplotlib', 'jinja2', 'pandas'} & set(sys.modules)\n"
        "r.build_report(pathlib.Path(sys.argv[1]))\n"
        "assert not {'matplotlib.pyplot', 'pandas'} & set(sys.modules)\n"
    )
    for folder in (reports["unknown"], _without_differences(reports["valid"], tmp_path / "run")):
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=ROOT)


def _without_differences(folder: Path, copy: Path) -> Path:
    """Copy a run folder, its table of differences empty."""
    shutil.copytree(folder, copy)
    table = pq.read_table(copy / "differences.parquet")
    pq.write_table(table.slice(0, 0), copy / "differences.parquet")
    return copy


def test_a_day_of_two_symbols_is_built_within_its_budgets(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", RunOptions("valid", differences=40))
    code = f"import time; {BUILD}; print(time.process_time())"
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", code, str(folder)],
                check=True,
                cwd=ROOT,
                capture_output=True,
                text=True,
            ).stdout
        )
        for _ in range(3)
    ]
    assert min(times) < 1.5 * slowness()
    # With every candle of both symbols as exact text, and the library that draws them.
    assert (folder / "report.html").stat().st_size < 1_000_000


def test_thousands_of_differences_stay_below_the_size_limit(reports: dict[str, Path]) -> None:
    assert (reports["invalid"] / "report.html").stat().st_size < 1_500_000
    assert len(blocks(reports["invalid"] / "report.html")["differences"]["rows"]) < 4000


def test_every_difference_is_reachable_with_both_sides_cause_and_proof(
    reports: dict[str, Path],
) -> None:
    expected = {
        (row["symbol"], row["interval"], row["open_time"].timestamp() * 1000): row
        for row in pq.read_table(reports["invalid"] / "differences.parquet").to_pylist()
    }
    numbers = []
    for count, row, block in rows(reports["invalid"], "differences"):
        numbers.append(count)
        key = (block["symbols"][row[0]], block["intervals"][row[1]], row[2])
        want = expected.pop(key)
        assert block["classes"][row[3]] == want["class"]
        differing = [name for bit, name in enumerate(FIELDS) if row[4] >> bit & 1]
        assert ",".join(differing) == want["fields"]
        for side, values in zip(("ours", "theirs"), sides(row), strict=True):
            for name, value in zip(FIELDS, values, strict=True):
                exact = want[f"{side}_{name}"]
                assert (value is None) == (exact is None)
                assert value is None or type(exact)(value) == exact
        assert (None if row[7] < 0 else block["causes"][row[7]]) == want["cause"]
        if want["proof"] is not None:
            names, trades = row[8]["trades"][""]
            unfolded = [dict(zip(names, trade, strict=True)) for trade in trades]
            assert row[8] | {"trades": unfolded} == json.loads(want["proof"])
        assert (want["proof"] is None) == (want["trades"] is not None)
        if want["trades"] is not None:
            trades, (names, listed) = json.loads(want["trades"]), row[9]["listed"][""]
            assert row[8] is None
            assert row[9]["trades"] == trades["trades"]
            assert [dict(zip(names, one, strict=True)) for one in listed] == [
                trade | {"time_ns": utc(trade["time_ns"])} for trade in trades["listed"]
            ]
    assert not expected
    assert numbers == list(range(1, 4001))


def test_pages_beside_are_linked_and_old_ones_removed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", RunOptions("invalid", differences=4500))
    stale = folder / "report-differences-9.html"
    stale.write_text("old")
    page = build_report(folder).read_text("utf-8")
    assert not stale.exists()
    for path in folder.glob("report-*.html"):
        assert f'href="{path.name}"' in page
    assert len(page.encode()) < 1_500_000


def test_every_finding_is_reachable(reports: dict[str, Path]) -> None:
    lines = (reports["invalid"] / "findings.ndjson").read_text("utf-8").splitlines()
    # The worst first, and else in the order of the run.
    severities = ("error", "doubt", "notice")
    lines.sort(key=lambda line: severities.index(json.loads(line)["severity"]))
    found = list(rows(reports["invalid"], "findings"))
    assert [count for count, _, _ in found] == list(range(1, len(lines) + 1))
    for line, (_, row, block) in zip(lines, found, strict=True):
        want = json.loads(line)
        assert block["kinds"][row[1]] == want["kind"]
        assert block["symbols"][row[3]] == want["symbol"]
        assert row[7]["missing"] == want["evidence"]["missing"]


def law_and_total(row: EquationRow) -> tuple[str, str, str]:
    """Return what a line of the ledger reads as: its law, its subject, its total in its unit."""
    law, unit, _ = str(row["law"]).partition(" in 1e-18")
    total = number(row["total"])
    if unit:
        total = f"{Decimal(row['total']).scaleb(-18).normalize():,f}"
    return law.replace("_", " "), row["subject"], total


@pytest.mark.parametrize("name", ["valid", "invalid", "hostile", "unknown"])
def test_each_figure_on_the_page_is_the_run_s(reports: dict[str, Path], name: str) -> None:
    page = (reports[name] / "report.html").read_text("utf-8")
    run = run_json(reports[name])
    for text in (run["sentence"], run["command"], *(row["sha256"] for row in run["inputs"])):
        assert text in unescape(page)
    names = re.findall(r'data-check="([^"]*)"', page)
    shown = dict(zip(names, table(page, "check-table"), strict=True))
    assert names == [
        check["check"]
        for worst in ("invalid", "unknown", "valid")
        for check in run["checks"]
        if check["verdict"] == worst
    ]
    for check in run["checks"]:
        title, verdict, looked_at, found = shown[check["check"]]
        assert title == check["check"].replace("_", " ") + CHECKS.get(check["check"], "")
        assert verdict == check["verdict"]
        for counts, text in ((check["counts"], looked_at), (check["findings"], found)):
            for key, value in counts.items():
                assert (f"{key.replace('_', ' ')} {number(value)}" in text) == (value != 0)
    assert [row[5] for row in table(page, "transition-table")] == [
        "legal" if row["legal"] else "illegal" for row in run["transitions"]
    ]
    assert [row[4] for row in table(page, "transition-table")] == [
        number(row["count"]) for row in run["transitions"]
    ]
    lines = sorted(
        read_ledger(reports[name] / LEDGER_FILE),
        key=lambda row: (row["balanced"], row["law"].startswith("lines of a file")),
    )
    told = [(row, block) for _, row, block in rows(reports[name], "ledger")]
    assert [(block["laws"][row[0]], row[1], row[2], row[4] == "") for row, block in told] == [
        (*law_and_total(row), row["balanced"]) for row in lines
    ]
    unbalanced = sum(not row["balanced"] for row in lines)
    assert f'data-figure="ledger lines unbalanced"><a href="#ledger">{unbalanced}<' in page
    assert [row[1] for row in table(page, "lateness-table")] == [
        number(row["count"]) for row in run["lateness"]
    ]


def test_the_comparison_is_the_run_s_by_series_and_in_total(reports: dict[str, Path]) -> None:
    page = (reports["invalid"] / "report.html").read_text("utf-8")
    series = run_json(reports["invalid"])["comparison"]["series"]
    classes = ("identical", "proved", "consistent", "unexplained", "missing", "extra", "outside")
    same = [row for row in series if not any(row[name] for name in classes[1:6])]
    want = {
        (row["symbol"], row["interval"], *(number(row[name]) for name in classes))
        for row in series
        if row not in same
    }
    counts = (number(sum(row[name] for row in same)) for name in classes)
    want.add((f"{len(same)} series without a difference", *counts, "0"))
    assert {tuple(row[:9]) for row in table(page, "comparison-table")} == want
    shown = {
        (symbol, interval): [cell] if isinstance(cell, int) else cell[1:8]
        for _, (symbol, _, cells), block in rows(reports["invalid"], "series")
        for interval, cell in zip(block["intervals"], cells, strict=True)
        if cell
    }
    assert shown == {
        (row["symbol"], row["interval"]): [row[name] for name in classes]
        if any(row[name] for name in classes[1:6])
        else [row["identical"]]
        for row in series
    }
    for name in classes[:6]:
        total = number(sum(row[name] for row in series))
        assert re.search(rf'data-figure="{name}"><a href="#[^"]+">{total}<', page)
    fields = {(row["symbol"], row["interval"]): row["fields"] for row in series}
    for cells in table(page, "field-table"):
        assert cells[2:] == [number(fields[cells[0], cells[1]][name]) for name in FIELDS]


def test_a_market_of_500_symbols_stays_within_the_page_s_budgets(
    reports: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(reports["invalid"], folder)
    for old in folder.glob("*.html"):
        old.unlink()
    run = run_json(folder)
    intervals = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d"]
    series, file = run["comparison"]["series"][0], run["inputs"][0]
    ledger = [
        Equation(row["law"], row["subject"], row["total"], row["parts"])
        for row in read_ledger(folder / LEDGER_FILE)
    ]
    symbols = [f"S{number:03}USDT" for number in range(500)]
    clean = dict.fromkeys(("proved", "consistent", "unexplained", "missing", "extra"), 0)
    run["comparison"]["series"] += [
        series | clean | {"symbol": symbol, "interval": interval, "fields": {}}
        for symbol in symbols
        for interval in intervals
    ]
    run["comparison"]["not_compared"] = [
        {
            "symbol": symbol,
            "interval": interval,
            "side": "ours",
            "klines": 2,
            "why": "no klines of this interval were given",
        }
        for symbol in symbols
        for interval in intervals
    ]
    ledger += [
        Equation("klines written", f"{symbol} {interval}", 5, {"rows on disk": 5})
        for symbol in symbols
        for interval in intervals
    ]
    write_ledger(folder / LEDGER_FILE, ledger)
    run["ledger"] = ledger_sums(ledger)
    run["inputs"] += [file | {"path": f"{one}.zip", "symbols": [one]} for one in symbols]
    put_run(folder, run)
    page = build_report(folder).read_text("utf-8")
    assert len(page) < 1_500_000
    assert len(re.findall(r"<[a-z]", page)) < 5_000
    found = [cell for _, row, _ in rows(folder, "series") for cell in row[2] if cell]
    assert len(found) == len(run["comparison"]["series"])
    # The two symbols that differ come first, of 502.
    assert [row[1] for _, row, _ in rows(folder, "series")] == [0, 0, *[2] * 500]
    assert len(list(rows(folder, "ledger"))) == len(ledger)
    [told] = [row for row in table(page, "not-compared-table") if row[0] == "ours"]
    assert told[1] == "12,000"
    assert told[3].startswith("S000USDT, S001USDT, S002USDT, S003USDT and 496 more: 1m, 3m")


def test_hostile_names_stay_text(reports: dict[str, Path]) -> None:
    for path in reports["hostile"].glob("*.html"):
        page = path.read_text("utf-8")
        assert HOSTILE[0] not in page
        assert "<img" not in page
        for _, text in re.findall(r'type="application/json" id="(\S+)">(.*?)</script>', page):
            assert not set(text) & set("<>&\u2028\u2029")
    block = blocks(reports["hostile"] / "report.html")["differences"]
    assert set(block["symbols"]) == set(HOSTILE)


def test_the_policy_allows_this_style_and_this_script_only(reports: dict[str, Path]) -> None:
    page = (reports["valid"] / "report.html").read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    allowed = unescape(policy[1])
    assert allowed.startswith("default-src 'none'; ")
    for tag, count in (("style", 1), ("script", 4)):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(found) == count
        digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()) for one in found]
        sources = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
        assert f"{tag}-src {sources};" in allowed
    # The scripts are held to no request in a browser; addresses in them are names and a credit.
    page = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    page = page.replace('"http://www.w3.org/2000/svg"', "")
    assert not re.search(r'\b(?:src|style)="|\bon\w+="|https?://', page)


def test_without_exchange_klines_nothing_is_called_identical(reports: dict[str, Path]) -> None:
    page = (reports["unknown"] / "report.html").read_text("utf-8")
    assert 'id="comparison-table"' not in page
    assert not re.search(r"\d identical", page)
    assert re.search(r"\d uncompared", page)


def test_a_run_that_came_to_nothing_still_has_a_page(tmp_path: Path) -> None:
    figures = {"schema": "kline-harness/run/4", "verdict": "unknown", "sentence": "No trades."}
    (tmp_path / "run.json").write_text(json.dumps(figures))
    page = build_report(tmp_path).read_text("utf-8")
    assert "No trades." in page
    assert "No kline was stored." in page


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", None),
        ("run.json", "{"),
        ("run.json", "[]"),
        ("run.json", '{"schema": "kline-harness/run/0", "verdict": "valid"}'),
        ("run.json", '{"schema": "kline-harness/run/4", "verdict": "perhaps"}'),
        ("klines/part-00000.parquet", "no table"),
        ("differences.parquet", "no table"),
        ("findings.ndjson", '{"check": "a"}\nnothing\n'),
    ],
)
def test_a_broken_folder_is_named_and_no_page_is_left(
    tmp_path: Path, name: str, content: str | None
) -> None:
    folder = write_run(tmp_path / "run", RunOptions(differences=4, symbols=("ALFAUSDT",)))
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=name):
        build_report(folder)
    assert not list(folder.glob("*.html"))


def test_data_is_json(reports: dict[str, Path]) -> None:
    data = read_run(reports["valid"]).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert len(data["differences"]) == 40
    assert min(row["open_time_ns"] for row in data["differences"]) >= DAY_NS


def test_what_is_not_met_stands_before_what_is(reports: dict[str, Path]) -> None:
    page = (reports["invalid"] / "report.html").read_text("utf-8")
    results = [row[-1] for row in table(page, "expectation-table") if row[-1].endswith("met")]
    assert results == ["not met", "met"]
