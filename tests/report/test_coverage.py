"""The coverage map: quiet, halted, lost and silent klines, where nothing else says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from kline_harness.interval import parse_interval
from kline_harness.report.coverage import CoverageMap, coverage_maps, draw_coverage
from kline_harness.report.data import ReportData
from kline_harness.report.differences import DifferenceRow
from kline_harness.report.klines import Series
from kline_harness.report.pictures import draw_pictures
from kline_harness.run_record import RunRecord
from kline_harness.run_rows import ComparedRow, ComparisonRows, StretchRow
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, Int64Array

from tests.report.run_figures import DAY_NS

NONE9 = (None,) * 9


def series(interval: str, *, quiet: Sequence[int] = (), absent: Sequence[int] = ()) -> Series:
    """Return an hour of klines, some without trades and some not there."""
    frame = parse_interval(interval)
    places = [n for n in range(NS_PER_HOUR // (frame.length_ns or 1)) if n not in absent]
    opens: Int64Array = DAY_NS + np.array(places, dtype=np.int64) * (frame.length_ns or 1)
    count = np.array([0 if n in quiet else 5 for n in places], dtype=np.int64)
    closes, ones = frame.close_times_ns(opens), np.ones(len(places))
    prices = (ones, ones, ones, ones, ones)
    ended = np.zeros(len(places), dtype=np.bool_)
    return Series("ALFAUSDT", interval, opens, closes, closes, *prices, count, ended)


def still(why: str, first: int, stop: int, symbol: str = "ALFAUSDT") -> StretchRow:
    from_ns, until_ns = (DAY_NS + minute * NS_PER_MINUTE for minute in (first, stop))
    return StretchRow(symbol=symbol, why=why, from_ns=from_ns, until_ns=until_ns)


def data(
    lines: Sequence[Series],
    stretches: Sequence[StretchRow],
    compared: Sequence[str] = (),
    differences: Sequence[DifferenceRow] = (),
) -> ReportData:
    rows = [ComparedRow(symbol="ALFAUSDT", interval=name, uncompared=0) for name in compared]
    found = ComparisonRows(series=rows) if rows else None
    run = RunRecord(verdict="valid", comparison=found, stretches=list(stretches))
    return ReportData(run, tuple(lines), tuple(differences), (), None, ())


def mapped(shown: ReportData) -> CoverageMap:
    (found,) = coverage_maps(shown, ["ALFAUSDT"])
    return found


def of(shown: ReportData, interval: str) -> dict[str, int]:
    found = mapped(shown)
    one = CoverageMap(
        *(found.symbol, found.start_ns, found.end_ns, found.bucket_ns),
        tuple(row for row in found.rows if row[0] == interval),
    )
    return one.totals()


@pytest.mark.parametrize("why", ["halted", "lost", "silent"])
def test_klines_without_trades_are_still_for_a_reason(why: str) -> None:
    minutes = series("1m", quiet=range(10, 20))
    assert of(data([minutes], []), "1m") == {"uncompared": 50, "quiet": 10}
    told = data([minutes], [still(why, 12, 18)])
    assert of(told, "1m") == {"uncompared": 50, "quiet": 4, why: 6}


def test_a_kline_that_reaches_out_of_the_stretch_or_has_trades_is_none_of_it() -> None:
    fives = series("5m", quiet=[2, 3])
    assert of(data([fives], [still("lost", 10, 19)]), "5m") == {
        "uncompared": 10,
        "quiet": 1,
        "lost": 1,
    }
    assert of(data([series("5m")], [still("lost", 10, 19)]), "5m") == {"uncompared": 12}


def test_of_a_compared_kline_the_exchange_has_told() -> None:
    shown = data([series("1m", quiet=[10, 11])], [still("lost", 10, 12)], compared=["1m"])
    assert of(shown, "1m") == {"identical": 58, "quiet": 2}


def test_another_interval_s_comparison_tells_of_this_one() -> None:
    lines = [series("1m", quiet=range(10, 20)), series("5m", quiet=[2, 3])]
    proved: tuple[Any, ...] = (NONE9, NONE9, "halt", {}, None)
    halts = [
        DifferenceRow("ALFAUSDT", "1m", DAY_NS + n * NS_PER_MINUTE, "consistent", (), *proved)
        for n in range(10, 20)
    ]
    shown = data(lines, [still("halted", 10, 20)], compared=["1m"], differences=halts)
    assert of(shown, "1m") == {"halted": 10, "identical": 50}
    assert of(shown, "5m") == {"halted": 2, "uncompared": 10}


def test_a_halt_in_which_neither_side_has_klines_is_not_empty() -> None:
    lines = [series("1m", absent=range(10, 20)), series("5m", quiet=[2, 3]), series("1h")]
    shown = data(lines, [still("halted", 10, 20)], compared=["1m", "5m"])
    assert of(shown, "1m") == {"halted": 10, "identical": 50}
    # These the exchange has, flat as ours are.
    assert of(shown, "5m") == {"identical": 10, "quiet": 2}
    assert of(shown, "1h") == {"uncompared": 1}


def test_an_unproved_difference_in_a_halt_stays_one() -> None:
    row = DifferenceRow(
        *("ALFAUSDT", "1m", DAY_NS + 10 * NS_PER_MINUTE, "extra", ()),
        *(NONE9, NONE9, None, None, None),
    )
    lines = [series("1m", quiet=[10, 11])]
    shown = data(lines, [still("halted", 10, 12)], compared=["1m"], differences=[row])
    assert of(shown, "1m")["extra"] == 1


def test_another_symbol_s_stretch_is_not_this_one_s() -> None:
    shown = data([series("1m", quiet=[10])], [still("lost", 10, 11, "BRAVOUSDT")])
    assert of(shown, "1m") == {"uncompared": 59, "quiet": 1}


def test_where_stretches_overlap_the_worse_is_told() -> None:
    kinds = [still(why, 10, 12) for why in ("lost", "silent", "halted")]
    assert of(data([series("1m", quiet=[10, 11])], kinds), "1m")["lost"] == 2


def test_a_number_counts_what_differs_or_is_lost_but_no_halt() -> None:
    lines = [series("1m", quiet=range(10, 40))]
    kinds = [still("halted", 10, 20), still("lost", 20, 40)]
    svg = draw_coverage(mapped(data(lines, kinds))).__html__()
    assert "1m: 20 lost, 10 halted, 30 uncompared" in svg
    assert "halted</title>" not in svg
    assert svg.count('font-weight="600"') == 10


def test_the_caption_tells_what_the_states_mean() -> None:
    shown = data([series("1m", quiet=range(10, 40))], [still("halted", 10, 20)])
    pictures = draw_pictures(shown, ["ALFAUSDT"])
    (picture,) = pictures.coverage
    assert "Halted: the exchange has no kline" in picture.caption
    assert "Lost" not in picture.caption
    assert set(pictures.states) == {"halted", "uncompared", "quiet"}


def test_a_month_is_drawn_to_its_end() -> None:
    frames = {"1d": range(40), "1M": (-14, 17)}
    lines = []
    for name, days in frames.items():
        opens: Int64Array = DAY_NS + np.array(days, dtype=np.int64) * NS_PER_DAY
        closes, ones = parse_interval(name).close_times_ns(opens), np.ones(len(opens))
        count, ended = np.ones(len(opens), dtype=np.int64), np.zeros(len(opens), dtype=np.bool_)
        prices = (ones, ones, ones, ones, ones)
        lines.append(Series("ALFAUSDT", name, opens, closes, closes, *prices, count, ended))
    rows = dict(mapped(data(lines, [])).rows)
    may, june = rows["1M"]
    # 2024-05-15 to 2024-06-01: May has 31 days.
    assert may.end_ns == june.start_ns == DAY_NS + 17 * NS_PER_DAY
