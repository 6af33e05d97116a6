"""The gate over a campaign: what of an earlier one is not so any more turns it red."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from kline_harness.campaign.campaign_file import SymbolFiles, Variant
from kline_harness.campaign.campaign_folder import CampaignFolder
from kline_harness.campaign.campaign_gate import judge
from kline_harness.campaign.campaign_results import CampaignResults
from kline_harness.campaign.day_cache import Reading
from kline_harness.campaign.tasks import Failure, RunAnswer, run_symbol
from kline_harness.errors import InputError
from kline_harness.gate.junit import to_junit
from kline_harness.gate.output import to_text
from kline_harness.interval import parse_intervals
from kline_harness.replay import Scenario

from tests.campaign.days import Row, rows_of, write_days
from tests.campaign.test_law import minute_klines

FILE = Path("july.toml")
SCENARIO = Scenario(intervals=parse_intervals("1m,1d"), expectations=False)
DAYS = rows_of("gate", 3, 60)


def run(out: Path, days: list[list[Row]], klines: int = 3) -> RunAnswer:
    """Run a symbol over days, with the exchange's klines of the first of them."""
    shutil.rmtree(out / "data", ignore_errors=True)
    trades = write_days(out / "data", "ALFAUSDT", days)
    files = [
        minute_klines(out / "data" / f"ALFAUSDT-1m-2024-07-0{n + 1}.csv", rows, -1)
        for n, rows in enumerate(days[:klines])
        if rows
    ]
    symbol = SymbolFiles("ALFAUSDT", None, tuple(trades), tuple(files))
    places = CampaignFolder(out)
    answer = run_symbol(places, symbol, Variant("exact", SCENARIO), Reading(), report=False)
    assert answer.failure is None
    return answer


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunAnswer]:
    """The results of a campaign, and the one run that it had."""
    out = tmp_path_factory.mktemp("before")
    answer = run(out, DAYS)
    (out / "campaign.json").write_text(json.dumps(CampaignResults.of([answer]).to_dict()))
    return out, answer


def said(baseline: Path, *answers: RunAnswer) -> tuple[int, str]:
    result = judge(FILE, baseline, CampaignResults.of(answers))
    tree = ElementTree.fromstring(to_junit(result))
    red = len(tree.findall(".//failure")) + len(tree.findall(".//error"))
    assert (red == 0) == (result.exit_code == 0)
    return result.exit_code, to_text(result)


def test_the_same_is_green(before: tuple[Path, RunAnswer], tmp_path: Path) -> None:
    out, answer = before
    code, text = said(out, answer)
    assert (code, text.splitlines()[-1]) == (0, "Green: 1 case, 1 green.")
    # A copy of the one file is a baseline, and another folder's run the same.
    shutil.copy(out / "campaign.json", tmp_path / "july.json")
    assert said(tmp_path / "july.json", run(tmp_path / "again", DAYS))[0] == 0


def without(day: int) -> Callable[[list[list[Row]]], list[list[Row]]]:
    return lambda days: [rows if n != day else [] for n, rows in enumerate(days)]


def one_trade_less(days: list[list[Row]]) -> list[list[Row]]:
    return [days[0][:-1], *days[1:]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without(1), "ALFAUSDT 2024-07-02: trades was 66, is 0"),
        # The last day's end makes no gap: nothing of the run itself is wrong.
        (without(2), "ALFAUSDT 2024-07-03: trades was 66, is 0"),
        (one_trade_less, "ALFAUSDT 2024-07-01: trades was 66, is 65"),
    ],
)
def test_days_and_trades_that_are_no_more_are_red(
    before: tuple[Path, RunAnswer],
    tmp_path: Path,
    change: Callable[[list[list[Row]]], list[list[Row]]],
    expected: str,
) -> None:
    code, text = said(before[0], run(tmp_path, change(DAYS)))
    assert code == 1
    assert expected in text
    assert "the inputs are not those of the baseline" in text
    assert "ALFAUSDT 1m 2024-07: klines changed" in text


def test_fewer_klines_to_compare_with_are_red(
    before: tuple[Path, RunAnswer], tmp_path: Path
) -> None:
    code, text = said(before[0], run(tmp_path, DAYS, klines=2))
    assert code == 1
    assert "klines compared with the exchange's: were " in text


def test_another_digit_of_a_kline_is_red_though_nothing_else_is_seen(
    before: tuple[Path, RunAnswer],
) -> None:
    out, answer = before
    other = copy.deepcopy(answer)
    other.plain["series"]["1m 2024-07"] = "0" * 32
    code, text = said(out, other)
    assert code == 1
    assert "ALFAUSDT 1m 2024-07: klines changed; cause: our output changed" in text


def test_runs_that_are_new_gone_failed_or_worse(before: tuple[Path, RunAnswer]) -> None:
    out, answer = before
    new = copy.deepcopy(answer)
    new.plain["name"] = "BETAUSDT-exact"
    assert said(out, answer, new)[0] == 3
    assert "no baseline" in said(out, answer, new)[1]
    code, text = said(out, new)
    assert code == 1
    assert "red     baseline without a case: ALFAUSDT-exact" in text
    for ended, expected in ((2, 2), (70, 70), (3, 3), (1, 1)):
        failed = RunAnswer(answer.name, {}, 0.0, True, Failure("why it ended", ended))
        code, text = said(out, failed)
        assert (code, "why it ended" in text) == (expected, True)
    worse = copy.deepcopy(answer)
    worse.plain.update(verdict="invalid", exit_code=1)
    worse.plain["days"]["2024-07-02"]["error"] = 4
    code, text = said(out, worse)
    assert code == 1
    assert f"verdict invalid, was {answer.plain['verdict']}" in text
    assert "ALFAUSDT 2024-07-02: error was 0, is 4" in text


def test_what_is_no_baseline_is_said(before: tuple[Path, RunAnswer], tmp_path: Path) -> None:
    content: dict[str, Any] = json.loads((before[0] / "campaign.json").read_text())
    results = CampaignResults.of([before[1]])
    with pytest.raises(InputError, match="the results of a campaign"):
        judge(FILE, tmp_path, results)
    (tmp_path / "campaign.json").write_text(json.dumps({**content, "schema": "other/1"}))
    with pytest.raises(InputError, match=r"kline-harness/campaign/2"):
        judge(FILE, tmp_path, results)
