"""Every mutant dies, by the check that has to kill it."""

from __future__ import annotations

import pytest

from tests.mutants.registry import MUTANTS
from tests.mutants.runs import killers

pytestmark = pytest.mark.unbalanced


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed_by_its_check(name: str) -> None:
    found = killers(MUTANTS[name])
    assert MUTANTS[name].expected in found, found
