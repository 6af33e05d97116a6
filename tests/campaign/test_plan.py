"""A campaign's file, its plan, and what its results say: no cluster is needed for these."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from kline_harness.campaign.campaign_file import load_campaign
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.campaign_results import CampaignResults
from kline_harness.campaign.campaign_run import CampaignProgress
from kline_harness.campaign.day_cache import DayCache
from kline_harness.campaign.rates import DIGEST, Cost, Rates, Sample
from kline_harness.campaign.shards import Plan
from kline_harness.campaign.tasks import Failure, RunAnswer, digest_shard, run_symbol
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


def costs(*points: tuple[int, int, float]) -> Cost:
    return Cost.through([Sample("work", files, size, value) for files, size, value in points])


def test_costs_by_hand() -> None:
    # A tenth of a second for each file, a nanosecond a byte, and half a second for the task.
    points = [(1, 10**8), (4, 4 * 10**8), (9, 10**8), (2, 5 * 10**8), (31, 10**9)]
    found = costs(*((n, size, 0.1 * n + 1e-9 * size + 0.5) for n, size in points))
    assert found.at(365, 10**10) == pytest.approx(36.5 + 10 + 0.5)
    # Files of one size: what a file costs and what its bytes cost cannot be told apart.
    assert costs((1, 10, 3.0), (2, 20, 5.0), (4, 40, 9.0)).at(8, 80) == pytest.approx(17)
    # One size: nothing can be told of what is fixed.
    assert costs((4, 40, 2.0), (4, 40, 2.0)).at(8, 80) == pytest.approx(4)
    # Noise makes no part negative.
    noisy = costs((1, 10, 3.0), (5, 50, 1.0))
    assert min(noisy.file, noisy.byte, noisy.task) >= 0
    # Each sample is wrong by a part of itself: a long one does not hide the short ones.
    mixed = costs(*((1, 10, 1.0) for _ in range(9)), (1000, 10_000, 1100.0))
    assert mixed.at(1, 10) == pytest.approx(1, rel=0.05)


def test_rates_are_those_of_samples_and_of_tasks(tmp_path: Path) -> None:
    rates = Rates((Sample(DIGEST, 1, 10, 2.0), Sample("exact", 2, 20, 3.0)), 1.0, 0.5, 0.25)
    assert rates.of_digest(3, 30) == pytest.approx(6)
    rates.store(tmp_path / "rates.json")
    assert Rates.load(tmp_path / "rates.json", ["exact"]) == rates
    assert Rates.load(tmp_path / "rates.json", ["exact", "klagg"]) is None
    slower = rates.with_tasks([Sample(DIGEST, 1, 10, 4.0)] * 3)
    assert 2.0 < slower.of_digest(1, 10) < 4.0
    (tmp_path / "rates.json").write_text("{}")
    assert Rates.load(tmp_path / "rates.json", ["exact"]) is None


def test_what_is_left_is_planned_and_corrected_by_what_was_done() -> None:
    progress = CampaignProgress(100.0, 20)
    assert "0 of 20 tasks, 0 trades, 0 a second, about 50 s to go" in progress.line(0.0, 2)
    # Five seconds of the plan took fifteen: twice as long, as far as so little tells.
    progress.done_seconds, progress.busy_seconds = 5.0, 15.0
    progress.done_tasks, progress.trades = 1, 1_000
    assert progress.line(10.0, 2) == "1 of 20 tasks, 1,000 trades, 100 a second, about 95 s to go"
    progress.done_seconds, progress.busy_seconds = 95.0, 195.0
    assert "about 5 s to go" in progress.line(100.0, 2)


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
    samples = [
        *(Sample(DIGEST, n, 10**6 * n, 2.0 * n) for n in (1, 4)),
        *(Sample("exact-quick", n, 10**6 * n, 1 + 0.5 * n) for n in (1, 2, 4)),
        *(Sample("klagg-quick", n, 10**6 * n, 2.0) for n in (1, 4)),
    ]
    rates = Rates(tuple(samples), 0.75, 0.25, 0.5)
    plan = Plan.of(campaign, cache, rates)
    assert [one.symbol.symbol for one in plan.symbols] == ["ALFAUSDT", "BETAUSDT"]
    # Two seconds a day, five seconds a task.
    assert [len(one.paths) for one in plan.symbols[0].shards] == [3, 1]
    assert [run.seconds for run in plan.symbols[0].runs] == pytest.approx([3.0, 2.0])
    # klagg is given every trade and waits for no digest.
    assert [task.needs for task in plan.tasks()] == [(), (), (0, 1), (), (), (4,), ()]
    assert plan.work_seconds == pytest.approx(8 + 5 + 2 + 3.5)
    # A second until a worker has done nothing yet, and half a second for each symbol's pages.
    assert plan.seconds(1) == pytest.approx(1.0 + 18.5 + 7 * 0.02 + 2 * 0.5)
    assert "tasks 7: 3 shards of days, 4 runs of a symbol" in plan.lines(2)
    symbol = plan.symbols[1]
    digest_shard(CampaignFolder(tmp_path), "days", symbol.symbol.trades, symbol.reading)
    assert Plan.of(campaign, cache, rates).symbols[1].shards == ()


def test_results_worst_first(file: Path, tmp_path: Path) -> None:
    campaign, folder = load_campaign(file), CampaignFolder(tmp_path / "out")
    exact = campaign.variants[0]
    answers = [
        run_symbol(folder, one, exact, campaign.reading(), report=False) for one in campaign.symbols
    ]
    assert [one.failure for one in answers] == [None, None]
    failed = RunAnswer("GAMA", {}, 0.0, True, Failure("damaged", 2))
    results = CampaignResults.of([*answers, failed])
    alfa = answers[0].plain
    # One count was made wrong; the oracle of the page is the file that was written.
    assert alfa["verdict"] == "invalid"
    assert alfa["days"]["2024-07-02"]["unexplained"] == 1
    assert {day for day in alfa["days"] if day} == {f"2024-07-0{n}" for n in range(1, 5)}
    assert [run["name"] for run in results.runs] == ["ALFAUSDT-exact-quick", "BETAUSDT-exact-quick"]
    assert results.exit_code == 2
    page = build_campaign(folder.out, results.to_dict()).read_text("utf-8")
    link = "days/ALFAUSDT-exact-quick-2024-07.html#2024-07-02"
    assert re.search(rf'<td class="day invalid"><a href="{re.escape(link)}"', page)
    assert page.index("ALFAUSDT-exact-quick") < page.index("BETAUSDT-exact-quick")
    assert "damaged" in page
    month = (folder.out / "days" / "ALFAUSDT-exact-quick-2024-07.html").read_text("utf-8")
    section = month[month.index('id="2024-07-02"') : month.index('id="2024-07-03"')]
    assert ">unexplained<" in section
    assert ">count<" in section


def test_the_exit_code_is_the_worst_and_nothing_failed_is_valid() -> None:
    def code(*verdicts: str, failed: tuple[int, ...] = ()) -> int:
        runs = tuple({"verdict": verdict} for verdict in verdicts)
        failures = tuple(("NAME", Failure("why", code)) for code in failed)
        results = CampaignResults(runs, failures)
        assert (results.verdict == "valid") == (results.exit_code == 0)
        return results.exit_code

    assert code("valid", "valid") == 0
    assert code("valid", "unknown") == 3
    assert code("unknown", "invalid", "valid") == 1
    # Workers died of it; a contract was broken; bad input; a crash.
    assert code("valid", failed=(3,)) == 3
    assert code("invalid", failed=(3,)) == 1
    assert code("valid", failed=(3, 1)) == 1
    assert code("invalid", failed=(3, 2)) == 2
    assert code("invalid", failed=(2, 70)) == 70
    assert code() == 3


def test_a_damaged_file_is_said_and_fails_its_symbol_alone(file: Path, tmp_path: Path) -> None:
    damaged = sorted((file.parent / "data").glob("BETAUSDT-trades-*.csv"))[0]
    damaged.write_text(damaged.read_text().replace(",true\n", ",perhaps\n", 1), encoding="utf-8")
    campaign, folder = load_campaign(file), CampaignFolder(tmp_path / "out")
    answers = [
        digest_shard(folder, one.name, one.trades, campaign.reading()) for one in campaign.symbols
    ]
    assert answers[0].failure is None
    failure = answers[1].failure
    assert failure is not None
    assert damaged.name in failure.sentence
    assert "perhaps" in failure.sentence
    assert failure.exit_code == 2
    assert list(tmp_path.rglob("*.part")) == []
