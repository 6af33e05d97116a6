"""A page's pictures as files: named, linked, whole SVG documents, and of what differs."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.report import build_report
from kline_harness.report.coverage import span_ns
from kline_harness.report.data import read_run
from kline_harness.report.picture_files import picture_name
from kline_harness.report.plots import candle_chart

from tests.report.run_figures import RunOptions
from tests.report.run_folder import write_run

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["valid", "invalid", "hostile", "unknown"])
def test_every_picture_of_a_page_is_a_file_that_it_links(
    reports: dict[str, Path], name: str
) -> None:
    folder = reports[name]
    page = (folder / "report.html").read_text("utf-8")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.glob("pictures/*"))
    assert files
    drawn = re.findall(r'<figure data-picture="[a-z]+".*?</figure>', page, re.DOTALL)
    assert sorted(re.findall(r'href="(pictures/[^"]*)"', "".join(drawn))) == files
    listed = page.partition('<section id="files"')[2].partition("</section>")[0]
    assert sorted(re.findall(r'href="(pictures/[^"]*)"', listed)) == files
    for file in files:
        assert re.fullmatch(r"pictures/[a-z]+(-\d[A-Za-z0-9_-]*)?\.svg", file)
        text = (folder / file).read_text("utf-8")
        # No part of it is the page's: neither its colours nor its styles.
        assert "var(" not in text
        root = ElementTree.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert root.attrib["aria-label"]
        assert float(root.attrib["width"]) > 600
        assert next(iter(root.iter(f"{SVG}rect"))).attrib["fill"] == "#fff"


def test_pictures_of_an_older_build_are_removed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", RunOptions("valid"))
    old = folder / "pictures" / "candles-9-GONE.svg"
    old.parent.mkdir()
    old.write_text("<svg/>")
    build_report(folder)
    assert not old.exists()
    assert (folder / "pictures" / "candles-1-ALFAUSDT.svg").exists()


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("", "candles.svg"),
        ("BTC-USDT_PERP", "candles-2-BTC-USDT_PERP.svg"),
        ("../../etc/passwd", "candles-2-etcpasswd.svg"),
        ("币安人生USDT", "candles-2-USDT.svg"),
        ("/", "candles-2.svg"),
    ],
)
def test_a_symbol_s_name_is_safe_as_a_file(symbol: str, name: str) -> None:
    assert picture_name("candles", 2, symbol) == name


def changed(folder: Path, interval: str, at: int, *, missing: bool = False) -> None:
    """Make the one difference of a run: its kline of an interval at a place, 500 too high."""
    table = pq.read_table(folder / "klines" / "part-00000.parquet")
    codes = np.array(table["interval"].to_pylist())
    rows = np.flatnonzero(codes == interval)
    opens = np.array(table["open_time"].cast(pa.int64()))[rows]
    chosen = int(rows[np.argsort(opens)[at]])
    one = {name: table[name][chosen].as_py() for name in table.column_names}
    columns: dict[str, list[object]] = {}
    for field in pq.read_schema(folder / "differences.parquet").names:
        side, _, name = field.partition("_")
        value: object = one.get(field)
        if side in ("ours", "theirs"):
            value = None if missing and side == "ours" else one[name]
        if field == "theirs_high" and value is not None:
            value = one["high"] + 500
        columns[field] = [value]
    columns |= {"class": ["missing" if missing else "unexplained"]}
    columns |= {"fields": ["" if missing else "high"], "cause": [None], "proof": [None]}
    columns |= {"trades": [None], "published_at": [None]}
    schema = pq.read_schema(folder / "differences.parquet")
    pq.write_table(pa.table(columns, schema=schema), folder / "differences.parquet")
    if missing:
        # None of the interval was stored.
        left = table.filter(pa.array(codes != interval))
        pq.write_table(left, folder / "klines" / "part-00000.parquet")


@pytest.mark.parametrize("missing", [False, True], ids=["stored", "missing"])
def test_a_still_picture_shows_the_difference_and_both_sides_prices(
    tmp_path: Path, missing: bool
) -> None:
    folder = write_run(tmp_path / "run", RunOptions("invalid", differences=1))
    changed(folder, "1m", 1000, missing=missing)
    data = read_run(folder)
    (row,) = data.differences
    chart = candle_chart(data, row.symbol, span_ns(data))
    assert chart is not None
    assert chart.series.interval == "1m"
    assert list(chart.differences) == [row]
    assert len(chart.series) == (0 if missing else 320)
    first, last = chart.span_ns
    assert first <= row.open_time_ns < last
    build_report(folder)
    text = (folder / "pictures" / f"candles-1-{row.symbol}.svg").read_text("utf-8")
    page = (folder / "report.html").read_text("utf-8")
    assert "0 klines of 1m and" in page if missing else "320 of 1,440 klines of 1m and" in page
    # Its price is on the axis: nothing is drawn above the picture or below it.
    heights = [float(y) for y in re.findall(r"[ML]-?[\d.]+ (-?[\d.]+)", text)]
    assert min(heights) >= 0
    assert max(heights) < 274
