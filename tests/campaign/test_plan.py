"""A campaign's file, its plan, and what its results say: no cluster is needed for these."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from kline_harness.campaign.campaign_file import load_campaign
from kline_harness.campaign.campaign_results import CampaignResults, worse_than
from kline_harness.campaign.day_cache import DayCache
from kline_harness.campaign.rates import CostLine, Rates, mean_of
from kline_harness.campaign.shards import Plan
from kline_harness.campaign.tasks import CampaignFolder, RunAnswer, digest_shard, run_symbol
from kline_harness.errors import UserError
from kline_harness.report import build_campaign
from kline_harness.simulation.task_schedule import PlannedTask, makespan

from tests.campaign.days import rows_of, write_days
from tests.campaign.test_law import minute_klines


def test_a_schedule_by_hand() -> None:
    assert makespan([], 2) == 0
    assert makespan([PlannedTask(3), PlannedTask(2), PlannedTask(2)], 1, 0.5) == 7.5
    # Two workers: 3 | 2 2.
    assert makespan([PlannedTask(3), PlannedTask(2), PlannedTask(2)], 2) == 4
    # The last needs the two before it: 3 and 2, then 1.
    tasks = [PlannedTask(3), PlannedTask(2), PlannedTask(1, needs=(0, 1))]
    assert makespan(tasks, 9) == 4
    # What waits for its needs holds no worker.
    tasks = [PlannedTask(3), PlannedTask(1, needs=(0,)), PlannedTask(2), PlannedTask(2)]
    assert makespan(tasks, 2) == 4


def test_lines_through_what_was_measured() -> None:
    assert CostLine.through([(1.0, 3.0), (5.0, 11.0)]) == CostLine(1.0, 2.0)
    assert CostLine.through([(4.0, 2.0)]) == CostLine(0.0, 0.5)
    # Noise does not make more work cheaper.
    assert CostLine.through([(1.0, 3.0), (5.0, 1.0)]) == CostLine(3.0, 0.0)
    two = [Rates(CostLine(0, n), {"exact": CostLine(n, 0)}, n, int(n)) for n in (1.0, 3.0)]
    assert mean_of(two) == Rates(CostLine(0, 2), {"exact": CostLine(2, 0)}, 3.0, 3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for symbol, days in (("ALFAUSDT", 4), ("BETAUSDT", 1)):
        rows = rows_of(symbol, days, 50)
        write_days(tmp_path / "data", symbol, rows)
        if symbol == "ALFAUSDT":
            minute_klines(tmp_path / "data" / f"{symbol}-1m-2024-07-02.csv", rows[1], 3)
    (tmp_path / "quick.toml").write_text("seed = 3\n", encoding="utf-8")
    path = tmp_path / "c.toml"
    lines = [
        *('trades = ["data/*-trades-*.csv"]', 'klines = ["data/*-1m-*.csv"]'),
        *('aggregators = ["exact", "klagg"]', 'scenarios = ["quick.toml"]'),
        "expectations = false\nreport = false\nintervals = '1m,1h'",
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_a_file_names(file: Path) -> None:
    found = load_campaign(file)
    names = [(one.name, len(one.trades), len(one.klines)) for one in found.symbols]
    assert names == [("ALFAUSDT", 4, 1), ("BETAUSDT", 1, 0)]
    assert [one.name for one in found.variants] == ["exact-quick", "klagg-quick"]
    assert [one.scenario.seed for one in found.variants] == [3, 3]


def test_patterns_from_the_root_and_words_that_overlap(file: Path) -> None:
    folder = file.parent / "data"
    words = [f"{folder}/ALFA*-trades-*.csv", "data/ALFAUSDT-trades-2024-07-01.csv"]
    file.write_text(f"trades = {json.dumps(words)}\n", encoding="utf-8")
    found = load_campaign(file).symbols
    assert [(one.symbol, len(one.trades)) for one in found] == [("ALFAUSDT", 4)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("trades = []", r"c\.toml\.trades: expected at least one"),
        ("trades = ['nothing/*.csv']", "expected a file or a pattern of files"),
        ("trade = ['data']", "unknown key 'trade'"),
        ("trades = ['data/A*-trades-*.csv']\nretries = -1", r"retries: expected a value from 0"),
        ("trades = ['data/A*-trades-*.csv']\naggregators = ['nobody']", "nobody"),
        ("trades = ['data/A*-trades-*.csv']\nscenarios = ['q.toml']", "cannot be read"),
        ("trades = ['um:ALFAUSDT:2024-07-01']", "catalogue"),
        (
            "trades = ['data/A*-trades-*.csv']\nscenarios = ['quick.toml', 'quick.toml']",
            "two runs named exact-quick",
        ),
    ],
)
def test_a_file_that_does_not_fit(
    file: Path, line: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KLINE_HARNESS_HOME", str(file.parent / "home"))
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=expected):
        load_campaign(file)


def test_tasks_are_days_until_they_are_enough_work(file: Path, tmp_path: Path) -> None:
    campaign, cache = load_campaign(file), DayCache(tmp_path / "cache")
    runs = {"exact-quick": CostLine(1, 0.5), "klagg-quick": CostLine(2, 0)}
    rates = Rates(CostLine(2.0, 0.0), runs, 1.0)
    plan = Plan.of(campaign, cache, rates)
    assert [one.symbol.symbol for one in plan.symbols] == ["ALFAUSDT", "BETAUSDT"]
    # Two seconds a day, five seconds a task.
    assert [len(one.paths) for one in plan.symbols[0].shards] == [3, 1]
    assert [run.seconds for run in plan.symbols[0].runs] == [3.0, 2.0]
    # klagg is given every trade and waits for no digest.
    assert [task.needs for task in plan.tasks()] == [(), (), (0, 1), (), (), (4,), ()]
    assert plan.work_seconds == 8 + 5 + 2 + 3.5
    assert plan.seconds(1) == pytest.approx(1.0 + 18.5 + 7 * 0.004)
    assert "tasks 7: 3 shards of days, 4 runs of a symbol" in plan.lines(2)
    symbol = plan.symbols[1]
    digest_shard(CampaignFolder(tmp_path), symbol.symbol.trades, symbol.reading)
    assert Plan.of(campaign, cache, rates).symbols[1].shards == ()


def test_results_worst_first_and_what_got_worse(file: Path, tmp_path: Path) -> None:
    campaign, folder = load_campaign(file), CampaignFolder(tmp_path / "out")
    exact = campaign.variants[0]
    answers = [
        run_symbol(folder, one, exact, campaign.reading(), report=False) for one in campaign.symbols
    ]
    assert [one.error for one in answers] == [None, None]
    results = CampaignResults.of([*answers, RunAnswer("GAMA", {}, 0.0, True, "damaged")])
    alfa = answers[0].plain
    # One count was made wrong; the oracle of the page is the file that was written.
    assert alfa["verdict"] == "invalid"
    assert alfa["days"]["2024-07-02"]["unexplained"] == 1
    assert {day for day in alfa["days"] if day} == {f"2024-07-0{n}" for n in range(1, 5)}
    assert [run["name"] for run in results.runs] == ["ALFAUSDT-exact-quick", "BETAUSDT-exact-quick"]
    assert results.exit_code == 2
    place = folder.out / "campaign.json"
    place.write_text(json.dumps(results.to_dict()), encoding="utf-8")
    assert worse_than(folder.out, CampaignResults.of(answers)) == []
    better: dict[str, Any] = json.loads(place.read_text())
    better["runs"][0] |= {"verdict": "valid", "days": {"2024-07-02": {"unexplained": 0}}}
    better["runs"].append({**better["runs"][1], "name": "DELTA"})
    place.write_text(json.dumps(better), encoding="utf-8")
    worse = worse_than(folder.out, results)
    assert worse[0].startswith("ALFAUSDT-exact-quick: was valid, is invalid")
    assert "ALFAUSDT-exact-quick 2024-07-02: unexplained was 0, is 1" in worse
    assert worse[-2:] == ["DELTA: was valid, now it is not run", "GAMA: failed: damaged"]

    page = build_campaign(folder.out, results.to_dict()).read_text("utf-8")
    link = "days/ALFAUSDT-exact-quick-2024-07.html#2024-07-02"
    assert re.search(rf'<td class="day invalid"><a href="{re.escape(link)}"', page)
    assert page.index("ALFAUSDT-exact-quick") < page.index("BETAUSDT-exact-quick")
    assert "damaged" in page
    month = (folder.out / "days" / "ALFAUSDT-exact-quick-2024-07.html").read_text("utf-8")
    section = month[month.index('id="2024-07-02"') : month.index('id="2024-07-03"')]
    assert ">unexplained<" in section
    assert ">count<" in section


def test_a_damaged_file_is_said_and_fails_its_symbol_alone(file: Path, tmp_path: Path) -> None:
    damaged = sorted((file.parent / "data").glob("BETAUSDT-trades-*.csv"))[0]
    damaged.write_text(damaged.read_text().replace(",true\n", ",perhaps\n", 1), encoding="utf-8")
    campaign, folder = load_campaign(file), CampaignFolder(tmp_path / "out")
    answers = [digest_shard(folder, one.trades, campaign.reading()) for one in campaign.symbols]
    assert answers[0].error is None
    assert damaged.name in str(answers[1].error)
    assert "perhaps" in str(answers[1].error)
    assert list(tmp_path.rglob("*.part")) == []
