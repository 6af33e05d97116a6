"""The timeline: what is drawn over virtual time, and what is shaded as planted."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kline_harness.report.data import ReportData, Track, read_run
from kline_harness.report.disturbances import Disturbance, disturbances
from kline_harness.report.pictures import draw_pictures
from kline_harness.report.timeline import Timeline, draw_timeline
from kline_harness.run_record import RunRecord
from kline_harness.run_rows import FaultRow
from kline_harness.units import NS_PER_DAY, NS_PER_HOUR

from tests.report.run_figures import DAY_NS

DAY = (DAY_NS, DAY_NS + NS_PER_DAY)
RUN = RunRecord(verdict="valid")


def drawn(data: ReportData) -> Timeline:
    found = draw_timeline(data, DAY)
    assert found is not None
    return found


def fills(svg: str, tone: str) -> list[str]:
    """Return the shapes of a tone."""
    return [path for path in re.findall(r"<path [^>]*>", svg) if f'fill="var(--{tone})"' in path]


def planted(*windows: tuple[str, int | None, int | None]) -> list[FaultRow]:
    return [FaultRow(fault=f, from_ns=a, to_ns=b, had_effect=True) for f, a, b in windows]


def test_depth_lag_flushes_and_lateness_are_told(reports: dict[str, Path]) -> None:
    svg = drawn(read_run(reports["invalid"])).svg
    for text in (
        "klines to writer: at most 16,5",
        "lagged once, 120 missed",
        "Flushes of writer: 1,381, at most 25 at once",
        "Stored finals: at most ",
        "consumer stalled",
    ):
        assert text in svg
    # Two faults had a window, and there are five panels.
    assert len(fills(svg, "shade")) == 10
    # The one lag, on the panel of the consumer that lagged.
    assert len(fills(svg, "invalid")) == 1


def test_a_run_without_faults_has_no_shade_and_no_alarm(reports: dict[str, Path]) -> None:
    found = drawn(read_run(reports["valid"]))
    assert not fills(found.svg, "shade")
    assert "lagged" not in found.svg
    assert (found.shaded, found.all_along, found.unnamed) == ((), (), 0)


def test_one_lag_in_a_day_is_wide_enough_to_see(reports: dict[str, Path]) -> None:
    data = read_run(reports["valid"])
    one = np.array([DAY_NS + 5 * NS_PER_HOUR], dtype=np.int64)
    lag = Track("klines", "writer", "lag", one, np.array([3], dtype=np.int64))
    svg = drawn(replace(data, timeline=(*data.timeline, lag))).svg
    (mark,) = fills(svg, "invalid")
    x = [float(number) for number in re.findall(r"[ML](\d+\.?\d*) ", mark)]
    assert max(x) - min(x) > 2


@pytest.mark.parametrize("event", ["lag", "refused"])
def test_what_was_missed_stands_with_the_panel_of_its_consumer(event: str) -> None:
    at = np.array([DAY_NS, DAY_NS + NS_PER_HOUR], dtype=np.int64)
    tracks = [
        Track("klines", "writer", "depth", at, np.array([5, 9], dtype=np.int64)),
        Track("klines", "auditor", "depth", at, np.array([5, 2], dtype=np.int64)),
        Track("klines", "writer", event, at[1:], np.array([7], dtype=np.int64)),
    ]
    svg = drawn(ReportData(RUN, (), (), (), None, tuple(tracks))).svg
    told = {"lag": "lagged once, 7 missed", "refused": "no room once, 7 refused"}
    assert f"klines to writer: at most 9 unread {told[event]}; klines to auditor: at most 5" in svg


def test_a_folder_without_klines_and_timeline_has_no_picture() -> None:
    assert draw_timeline(ReportData(RUN, (), (), (), None, ()), DAY) is None


def test_what_a_scenario_plants_by_itself_is_shaded_too() -> None:
    window = {"from_ns": 20, "until_ns": 30}
    scenario: dict[str, Any] = {
        "outages": [window],
        "clock": {"missed": [{"from_ns": 5, "until_ns": 6}], "grace_ns": None},
        "loop": {"busy": [window]},
        "gateway": None,
        "listeners": {
            "writer": {"stalls": [window], "service_ns": 5, "dies_at_ns": 40},
            "lifecycle": {"stalls": [], "service_ns": 0, "subscribe_at_ns": 7},
        },
        "shutdown_ns": 50,
    }
    assert disturbances(scenario, []) == [
        Disturbance("writer slow", None, None),
        Disturbance("lifecycle not subscribed", None, 7),
        Disturbance("ticks missed", 5, 6),
        Disturbance("outage", 20, 30),
        Disturbance("loop busy", 20, 30),
        Disturbance("writer stalled", 20, 30),
        Disturbance("writer gone", 40, None),
        Disturbance("shut down", 50, None),
    ]


def test_a_fault_that_never_acted_is_not_shaded_and_one_all_along_is_named() -> None:
    faults = planted(
        ("disk_full", None, None), ("trades_dropped", 4, 9), ("consumer_late", None, 3)
    )
    faults.append({"fault": "write_error", "from_ns": None, "to_ns": None})
    found = disturbances({}, faults)
    assert [one.name for one in found] == ["disk full", "consumer late", "trades dropped"]
    assert [one.all_along for one in found] == [True, False, False]


@pytest.mark.parametrize(
    ("window", "shown"),
    [((2, 4), (10, 10)), ((None, 15), (10, 15)), ((12, None), (12, 20)), ((15, 99), (15, 20))],
)
def test_windows_are_cut_to_the_span(
    window: tuple[int | None, int | None], shown: tuple[int, int]
) -> None:
    assert Disturbance("any", *window).within((10, 20)) == shown


def test_names_that_find_no_room_are_counted_in_the_caption(reports: dict[str, Path]) -> None:
    data = read_run(reports["valid"])
    windows = [("trades_dropped", DAY_NS + n * 10**9, DAY_NS + n * 10**9) for n in range(9)]
    crowded = replace(data, run=replace(data.run, faults=planted(*windows), scenario={}))
    found = drawn(crowded)
    assert found.unnamed == 6
    assert found.svg.count(">trades dropped<") == 3
    (picture,) = draw_pictures(crowded, ["ALFAUSDT"]).timeline
    assert "6 of the shaded windows have no room for their name" in picture.caption
