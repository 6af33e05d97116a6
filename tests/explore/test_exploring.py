"""Exploration: sound where nothing is wrong, and a violation shrinks to a bundle that replays."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from kline_harness.checks.faults import faults_verdict
from kline_harness.errors import UsageError
from kline_harness.explore.bundle import read_tape, reproduce, to_toml
from kline_harness.explore.command import explore_files, summary
from kline_harness.explore.judge import Judge
from kline_harness.explore.metamorphic import metamorphic
from kline_harness.explore.sampler import draw_scenario
from kline_harness.explore.search import explore
from kline_harness.explore.shrink import ddmin
from kline_harness.explore.subjects import Explored
from kline_harness.faults.trades import DelayTrades, DropTrades
from kline_harness.interval import parse_intervals
from kline_harness.replay.memory_run import run_in_memory
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.scenario_file import load_scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.units import NS_PER_MINUTE
from kline_harness.verdict import Validity

from tests.contracts.aggregator import plain_rows
from tests.mutants.rare import RARE
from tests.mutants.registry import MUTANTS
from tests.mutants.stage import MINUTES, START_NS, minutes
from tests.mutants.tables import outcomes_of

BASE = Scenario(intervals=parse_intervals("1m,3m,5m"))
MARKET = TradeSet(minutes(), until_ns=START_NS + MINUTES * NS_PER_MINUTE)
UM_DAY = sorted(Path("fixtures/um-day").glob("*-trades-*.zip"))
# A seed that shows the rare defect on this market, so that the suite need not search for it.
SEEDS = {
    "fills_two": 1,
    "duplicate_after_final": 84,
    "late_into_provisional": 4,
    "sentinel_opens_at_zero": 44,
    "lag_twice_around": 4,
    "row_lost_after_error": 1,
}
# A seed whose faults show a defect of klagg's model.
KLAGG_SEED = 1


def test_the_exact_aggregator_is_sound() -> None:
    found = explore(Explored("exact"), BASE, MARKET, seeds=25)
    assert found.sound, found.to_dict()
    assert found.seeds == 25
    assert found.laws.validity is Validity.VALID
    assert sum(found.faults.values()) > 25


def test_workers_change_nothing(tmp_path: Path) -> None:
    for workers in (1, 2):
        explore(
            Explored("exact"),
            BASE,
            MARKET,
            seeds=25,
            workers=workers,
            out=tmp_path / str(workers),
        )
    one, two = ((tmp_path / n / "explore.json").read_bytes() for n in ("1", "2"))
    assert one == two


@pytest.mark.unbalanced
@pytest.mark.parametrize("name", RARE)
def test_a_rare_defect_shrinks_to_a_bundle_that_replays(name: str, tmp_path: Path) -> None:
    seed = SEEDS[name]
    found = explore(
        Explored(name, RARE[name]), BASE, MARKET, seeds=1, first_seed=seed, out=tmp_path
    )
    assert not found.sound
    bundle = json.loads((tmp_path / f"seed-{seed}" / "bundle.json").read_text(encoding="utf-8"))
    assert bundle["faults"] <= 3
    assert bundle["trades"] <= 20
    assert reproduce(tmp_path / f"seed-{seed}", RARE[name]).reproduced
    # The defect it is, not the scenario: the sound aggregator has no violation there.
    text = (tmp_path / f"seed-{seed}" / "bundle.json").read_text(encoding="utf-8")
    (tmp_path / f"seed-{seed}" / "bundle.json").write_text(text.replace(name, "exact"))
    assert not reproduce(tmp_path / f"seed-{seed}").reproduced


@pytest.mark.unbalanced
def test_a_silence_without_ticks_is_drawn_soon() -> None:
    """An aggregator that stops filling after two quiet klines is found within sixty seeds."""
    judge = Judge(MARKET, RARE["fills_two"])
    found = [
        seed for seed in range(60) if judge.judge(draw_scenario(seed, BASE, MARKET)).violations
    ]
    assert found
    kinds = [fault.KIND for fault in draw_scenario(found[0], BASE, MARKET).faults]
    assert kinds[-2:] == ["disconnect", "ticks_missed"]


@pytest.mark.unbalanced
def test_a_bundle_holds_what_it_was_made_of(tmp_path: Path) -> None:
    found = explore(Explored("klagg"), BASE, MARKET, seeds=1, first_seed=KLAGG_SEED, out=tmp_path)
    (bundle,) = tmp_path.glob("seed-*")
    told = summary(found, tmp_path)
    assert f"  reproduce it: kline-harness reproduce {bundle}\n" in told
    assert f"{tmp_path / 'explore.json'}: every result\n" in told
    assert "--out DIR writes a bundle" in summary(found, None)
    tape = read_tape(bundle / "trades.csv")
    rows = plain_rows(MARKET.tape)
    assert all(row in rows for row in plain_rows(tape))
    done = subprocess.run(
        [sys.executable, "-m", "kline_harness.cli", "reproduce", str(bundle)], check=False
    )
    assert done.returncode == 0


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_a_scenario_survives_its_file(seed: int, tmp_path: Path) -> None:
    scenario = draw_scenario(seed, BASE, MARKET)
    (tmp_path / "scenario.toml").write_text(to_toml(scenario), encoding="utf-8")
    assert load_scenario(tmp_path / "scenario.toml") == scenario


def test_the_laws_break_for_what_breaks_them() -> None:
    assert metamorphic(BASE, MARKET, MUTANTS["reset_at_tick"].parts).findings
    broken = metamorphic(BASE, MARKET, MUTANTS["float_volume"].parts).findings
    assert [finding.kind for finding in broken] == ["short_klines_add_up"]


def test_ddmin_leaves_what_is_needed() -> None:
    runs = []

    def shows(some: Sequence[int]) -> bool:
        runs.append(some)
        return {3, 77, 78} <= set(some)

    assert ddmin(range(100), shows) == [3, 77, 78]
    assert len(runs) < 120
    assert ddmin(range(5), lambda some: True) == []


def test_an_effect_that_no_finding_names_is_a_miss() -> None:
    """A delay inside of the latency known of the recording cannot be told from it."""
    delay = DelayTrades(rate=0.3, by_ns=NS_PER_MINUTE)
    trade_set = replace(MARKET, latency_max_ns=NS_PER_MINUTE)
    scenario = replace(BASE, faults=(delay,))
    whole = run_in_memory(scenario, trade_set)
    silent = replace(
        whole, checks=tuple(c for c in whole.checks if c.check not in ("feed", "trades"))
    )
    (outcome,) = outcomes_of(silent, trade_set)
    assert outcome.missed
    verdict = faults_verdict([outcome])
    assert verdict.validity is Validity.INVALID
    assert [finding.kind for finding in verdict.findings] == ["missed"]


def test_a_fault_without_effect_is_said() -> None:
    scenario = replace(BASE, faults=(DropTrades(rate=0.0), DropTrades(rate=0.5)))
    memory_run = run_in_memory(scenario, MARKET)
    outcomes = outcomes_of(memory_run, MARKET)
    assert [outcome.effect.any for outcome in outcomes] == [False, True]
    assert "feed.trade_id_gap" in outcomes[1].detected_by
    verdict = faults_verdict(outcomes)
    assert verdict.validity is Validity.VALID
    assert [finding.kind for finding in verdict.findings] == ["no_effect"]


def test_a_run_that_dies_is_a_violation() -> None:
    class Dead:
        def __init__(self, intervals: object) -> None:
            raise RuntimeError("dead")

    parts = replace(MUTANTS["left_open"].parts, aggregator=Dead)  # type: ignore[arg-type]
    (violation,) = Judge(MARKET, parts).judge(BASE).violations
    assert violation.name == "run.RuntimeError"


def test_wrong_use_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown aggregator 'nothing'"):
        explore(Explored("nothing"), BASE, MARKET, seeds=1)
    with pytest.raises(UsageError, match="found none"):
        explore_files(
            [], "exact", "1m", minutes=5, seeds=1, first_seed=0, workers=1,
            time_limit=None, out=None, progress=None,
        )  # fmt: skip
    with pytest.raises(UsageError, match=r"bundle\.json"):
        reproduce(tmp_path)


def test_what_is_no_bundle_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", Path(__file__)):
        with pytest.raises(UsageError, match="expected a bundle of explore, a folder with"):
            reproduce(path)
