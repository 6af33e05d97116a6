"""A few of the random pairs of `scripts/pairs`: no false alarm, no false proof, nothing missed."""

from __future__ import annotations

from random import Random

import pytest

from tests.comparison import wrong
from tests.comparison.pairs import draw, false_alarms, judge


@pytest.mark.parametrize("seed", range(12))
def test_a_true_pair_is_explained_and_its_wrong_copy_is_not_valid(seed: int) -> None:
    world = draw(seed)
    trades = world.exchange_trades()
    right = world.exchange_klines(trades)
    assert false_alarms(world, judge(world, right)) == []
    mistake = wrong.made(Random(f"wrong {seed}"), world, trades, right)
    assert mistake is not None
    said = judge(world, mistake.files)
    assert said.verdict != "valid", mistake
    assert not {(row[0], row[1]) for row in said.rows if row[2] == "proved"} & mistake.places
