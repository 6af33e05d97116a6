"""The parts a page is made of: words, flows, coverage, differences, the history."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from kline_harness.report import build_index
from kline_harness.report.coverage import STATES, coverage_maps
from kline_harness.report.data import read_run
from kline_harness.report.differences import parse_evidence, plain_decimal
from kline_harness.report.evidence import encode_findings, in_order, script_json
from kline_harness.report.flow import draw_ledger, flows
from kline_harness.report.format import duration, flatten, number, readable, size, utc
from kline_harness.report.lifecycle import draw_lifecycle
from kline_harness.report.svg import Drawing
from kline_harness.run_rows import EquationRow, TransitionRow

from tests.report.run_figures import DAY_NS
from tests.run_files import put_run, whole_run


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (DAY_NS, "2024-05-15 00:00:00"),
        (DAY_NS + 1_500_000_000, "2024-05-15 00:00:01.500"),
        (DAY_NS + 1_000, "2024-05-15 00:00:00.000001"),
        (DAY_NS + 1, "2024-05-15 00:00:00.000000001"),
        (-1, "1969-12-31 23:59:59.999999999"),
        (2**63 - 1, "2262-04-11 23:47:16.854775807"),
        (10**30, f"{10**30} ns"),
        (None, "–"),
    ],
)
def test_times_are_utc_and_exact(time_ns: int | None, text: str) -> None:
    assert utc(time_ns) == text


@pytest.mark.parametrize(
    ("length_ns", "text"),
    [
        *((0, "0 s"), (999, "999 ns"), (1_500, "1.50 µs"), (-12_340_000, "-12.3 ms")),
        *((59_900_000_000, "59.9 s"), (150 * 10**9, "2 min 30 s"), (3_700 * 10**9, "1 h 01 min")),
        (None, "–"),
    ],
)
def test_durations_have_three_digits(length_ns: int | None, text: str) -> None:
    assert duration(length_ns) == text


def test_numbers_and_sizes() -> None:
    assert [number(value) for value in (0, 1234567, None, "1.50", True)] == [
        *("0", "1,234,567", "", "1.50", "True")
    ]
    assert [size(value) for value in (999, 1_234_567, None)] == ["999 B", "1.2 MB", "–"]


def test_evidence_keeps_large_integers_and_shows_times() -> None:
    value = {"at_ns": DAY_NS, "delay_ns": 1_500, "id": 2**60, "rows": [{"open_time_ns": DAY_NS}]}
    assert readable("", value) == {
        "at_ns": "2024-05-15 00:00:00",
        "delay_ns": "0.0000015 s",
        "id": str(2**60),
        "rows": [{"open_time_ns": "2024-05-15 00:00:00"}],
    }


def test_nested_options_become_dotted_names() -> None:
    scenario = {"clock": {"grace_ns": 10**8}, "faults": [{"fault": "drop"}], "none": None}
    assert flatten(scenario) == [
        *(("clock.grace", "0.1 s"), ("faults[0].fault", "drop"), ("none", "none"))
    ]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        *(("0E-18", "0"), ("63943.900000000000000000", "63943.9"), ("1.00000E-7", "0.0000001")),
        *(("-1.50", "-1.5"), ("100", "100"), ("100.000", "100"), (None, None)),
    ],
)
def test_decimals_are_plain(text: str | None, plain: str | None) -> None:
    assert plain_decimal(text) == plain


def test_a_proof_that_is_no_json_is_shown_as_it_is() -> None:
    assert parse_evidence("{") == "{"
    assert parse_evidence('{"a": 0.1}') == {"a": "0.1"}


def test_json_in_a_script_is_inert() -> None:
    assert script_json("</script>&\u2028") == '"\\u003c/script\\u003e\\u0026\\u2028"'


def test_findings_without_a_kline_are_encoded() -> None:
    head, rows = encode_findings([{"check": "lifecycle", "kind": "open", "severity": "notice"}])
    assert rows == ["[0,0,2,-1,-1,null,null,{}]"]
    assert head["checks"] == ["lifecycle"]


def _equation(law: str, subject: str, total: int, **parts: int) -> EquationRow:
    balanced = total == sum(parts.values())
    return {"law": law, "subject": subject, "total": total, "parts": parts, "balanced": balanced}


LEDGER = [
    _equation("trades received", "A 1m", 10, applied=9, late=1),
    _equation("trades received", "A 5m", 10, applied=9, late=1),
    _equation("trades received", "B 1m", 10, applied=9, late=1),
    _equation("sent", "klines to writer", 8, delivered=7, lagged=1),
    _equation("sent", "klines to auditor", 8, delivered=8, lagged=0),
    _equation("klines delivered", "writer", 7, written=7, dropped=0),
    _equation("klines written", "writer", 7, disk=6),
]


def test_equations_join_into_flows_and_alike_ones_are_drawn_once() -> None:
    joined = flows(LEDGER)
    assert [[row["law"] for row in flow.chain] for flow in joined] == [
        ["sent", "klines delivered", "klines written"],
        ["trades received"],
        ["sent"],
    ]
    assert joined[1].subjects == ("A 1m", "A 5m", "B 1m")


def test_what_became_of_trades_and_klines_is_drawn_before_the_lines_of_files() -> None:
    files = [
        _equation("lines of a file", f"{day}.zip", day + 1, **{"rows read": day, "header": 1})
        for day in range(40)
    ]
    amounts = [_equation("traded volume in 1e-18", f"A {at}", at, klines=at) for at in range(20)]
    drawn = flows([*files, *amounts, *LEDGER])
    laws = [str(flow.chain[0]["law"]) for flow in drawn]
    first = laws.index("traded volume in 1e-18")
    assert first == len(flows(LEDGER)) < laws.index("lines of a file")
    assert set(laws[laws.index("lines of a file") :]) == {"lines of a file"}


def test_every_equation_is_part_of_one_flow() -> None:
    drawn = sum(len(flow.chain) * len(flow.subjects) for flow in flows(LEDGER))
    assert drawn == len(LEDGER)


def test_the_ledger_of_a_thousand_series_is_joined_by_looking_at_each_equation_a_few_times() -> (
    None
):
    looks = 0

    class Looked(dict[str, object]):
        def __getitem__(self, key: str) -> object:
            nonlocal looks
            looks += 1
            return super().__getitem__(key)

    ledger = [
        Looked(row)
        for number in range(1_000)
        for row in (
            _equation("sent", f"klines of S{number} to W{number}", 9, delivered=9),
            _equation("klines delivered", f"W{number}", 9, written=9),
        )
    ]
    joined = flows(ledger)  # type: ignore[arg-type]
    assert [(len(flow.chain), len(flow.subjects)) for flow in joined] == [(2, 1_000)]
    assert looks < 100 * len(ledger)


def test_the_parts_of_hundreds_of_symbols_are_drawn_as_a_few() -> None:
    parts = {f"S{number:03}USDT": 10 + number for number in range(500)}
    drawing = draw_ledger([_equation("trades read", "all files", sum(parts.values()) + 1, **parts)])
    assert drawing is not None
    svg = drawing.__html__()
    # The largest flows on, six more are named, and what is lost is never among the rest.
    assert svg.count("USDT") == 7
    rest = sum(range(10, 10 + 493))
    assert f"{rest:,} in 493 more" in svg
    assert "1 unaccounted for" in svg


def test_a_long_chain_fits_in_the_drawing() -> None:
    laws = ["sent", "klines delivered", "klines taken", "klines written"]
    parts = [law.rsplit(" ", 1)[-1] for law in laws[1:]] + ["disk"]
    chain = [
        _equation(law, "writer", 9, **{part: 9}) for law, part in zip(laws, parts, strict=True)
    ]
    drawing = draw_ledger(chain)
    assert drawing is not None
    svg = drawing.__html__()
    assert len(flows(chain)) == 1
    places = [float(x) for x in re.findall(r'<text[^>]* x="([0-9.]+)"', svg)]
    assert len(places) == 6
    # "= balanced" needs some room to the right of where it begins.
    assert max(places) <= 960 - 75


def test_a_title_names_as_many_files_as_it_has_room_for() -> None:
    files = [f"S{number:03}USDT-1m-2024-06.zip" for number in range(9)]
    drawing = draw_ledger([_equation("lines of a file", name, 9, rows=9) for name in files])
    assert drawing is not None
    [title] = re.findall(r">(lines of a file[^<]*)<", drawing.__html__())
    assert title == (
        "lines of a file 9 · S000USDT-1m-2024-06.zip, S001USDT-1m-2024-06.zip and 7 more: "
        "the same in each"
    )


def test_a_title_of_many_intervals_names_the_first_and_the_last() -> None:
    series = [f"ALFAUSDT {name}" for name in ("1m", "3m", "5m", "15m", "30m", "1h", "1d")]
    for named, title in (
        (series, "ALFAUSDT 1m to 1d: the same in each"),
        (series[:3], "ALFAUSDT 1m, 3m, 5m: the same in each"),
    ):
        drawing = draw_ledger([_equation("trades received", name, 9, applied=9) for name in named])
        assert drawing is not None
        assert f"trades received 9 · {title}<" in drawing.__html__()


def test_lines_of_files_are_numbered_last() -> None:
    files = [_equation("lines of a file", f"{day}.csv", 9, rows=9) for day in range(3)]
    unbalanced = _equation("lines of a file", "cut.csv", 9, rows=8)
    ordered = in_order([*files, _equation("sent", "klines to writer", 9, all=9), unbalanced])
    assert [row["subject"] for row in ordered[:3]] == ["cut.csv", "klines to writer", "0.csv"]


def test_what_does_not_balance_is_said() -> None:
    drawing = draw_ledger(LEDGER)
    assert drawing is not None
    svg = drawing.__html__()
    assert "1 unaccounted for" in svg
    assert "6 of 7 lines balance" in svg
    assert svg.count("= balanced") == 2


def test_a_ledger_in_a_circle_is_drawn() -> None:
    circle = [_equation("a", "x", 1, b=1), _equation("b", "x", 1, a=1)]
    assert draw_ledger(circle) is None
    assert draw_ledger([*circle, _equation("c", "x", 0)]) is not None


def test_illegal_transitions_are_told_and_unseen_ones_left_out() -> None:
    rows = [
        TransitionRow(state=state, life=life, trigger=trigger, next=after, count=n, legal=legal)
        for state, life, trigger, after, n, legal in (
            ("absent", "opened_live", "trade", "live", 7, True),
            ("final", "updated", "trade", "strange<state>", 3, False),
            ("live", "finalized", "end", "final", 0, True),
        )
    ]
    drawing = draw_lifecycle(rows)
    assert drawing is not None
    svg = drawing.__html__()
    assert "updated by trade (illegal)" in svg
    assert "strange&lt;state&gt;" in svg
    assert "finalized" not in svg
    assert draw_lifecycle([]) is None


def test_text_in_a_drawing_is_escaped() -> None:
    drawing = Drawing(10, 10, '"><script>')
    drawing.text(0, 0, "<b>&")
    assert "<script>" not in drawing.__html__()
    assert "&lt;b&gt;&amp;" in drawing.__html__()


@pytest.mark.parametrize("name", ["valid", "invalid", "unknown"])
def test_the_coverage_map_accounts_for_every_kline(reports: dict[str, Path], name: str) -> None:
    data = read_run(reports[name])
    symbols = sorted({line.symbol for line in data.klines})
    total = np.zeros(len(STATES), dtype=np.int64)
    for coverage in coverage_maps(data, symbols):
        for _, cells in coverage.rows:
            for cell in cells:
                total += cell.counts
    counted = dict(zip(STATES, total.tolist(), strict=True))
    stored = sum(len(line) for line in data.klines)
    assert sum(counted.values()) == stored + counted["missing"]
    if series := data.run.compared:
        for kind in ("proved", "consistent", "unexplained", "missing", "extra"):
            assert counted[kind] == sum(row[kind] for row in series)
        identical = counted["identical"] + counted["quiet"]
        assert identical == sum(row["identical"] for row in series)
    else:
        assert counted["identical"] == 0


def test_the_index_lists_every_run_in_order_of_name(
    reports: dict[str, Path], tmp_path: Path
) -> None:
    root = tmp_path / "reports"
    for place, (name, folder) in enumerate(reports.items()):
        (root / f"{9 - place} & {name}").mkdir(parents=True)
        put_run(root / f"{9 - place} & {name}", whole_run(folder))
    (root / "broken").mkdir()
    (root / "broken/run.json").write_text("{")
    page = build_index(root).read_text("utf-8")
    places = [page.index(f"{9 - place} &amp; {name}<p") for place, name in enumerate(reports)]
    assert places == sorted(places, reverse=True)
    assert "run.json: expected JSON" in page
    assert 'data-figure="unknown">2<' in page
    assert build_index(root).read_text("utf-8") == page


def test_an_index_without_runs_is_a_page(tmp_path: Path) -> None:
    assert "0 runs" in build_index(tmp_path).read_text("utf-8")
