"""The table of the exchange's behaviours: current, long enough, and each row with a real test."""

from __future__ import annotations

from importlib import import_module

from tests.exchange.behaviours import LIST
from tests.exchange.table import PAGE, page


def test_the_page_has_the_table_as_the_tests_have_it() -> None:
    # To write it anew: .venv/bin/python -m tests.exchange.table
    assert PAGE.read_text(encoding="utf-8") == page()


def test_at_least_sixty_behaviours_each_with_its_test() -> None:
    assert len({one.what for one in LIST}) == len(LIST) >= 60
    for one in LIST:
        module, _, name = one.test.partition(".py::")
        assert callable(getattr(import_module(f"tests.exchange.{module}"), name))
        assert one.source
