"""The reference pages name what the code has: every check, cause, term and exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from kline_harness import exit_codes
from kline_harness.checks.check_list import CHECK_IDS
from kline_harness.comparison.causes.registry import CAUSES as REGISTERED
from kline_harness.comparison.causes.registry import UNRECORDED
from kline_harness.comparison.causes.straddling_aggregate import NAME as SPLIT
from kline_harness.report.differences import CLASSES
from kline_harness.report.glossary import CAUSES, CHECKS, TERMS, cause_sentence, check_sentence
from kline_harness.verdict import Validity

DOCS = Path(__file__).resolve().parents[1] / "docs"
ROOT = DOCS.parent
PAGE = (DOCS / "glossary.md").read_text(encoding="utf-8")


def rows(title: str) -> list[tuple[str, str]]:
    """Return the two cells of each row of a section's table, the first without its ticks."""
    section = re.split(r"^## ", PAGE, flags=re.M)
    (text,) = [part for part in section if part.startswith(title + "\n")]
    found = re.findall(r"^\| (.*?) \| (.*?) \|$", text, re.M)[1:]
    return [(name.strip("`"), meaning) for name, meaning in found]


@pytest.mark.parametrize(
    ("title", "words"),
    [("Terms", TERMS), ("Checks", CHECKS), ("Causes of a difference", CAUSES)],
)
def test_the_page_has_the_words_of_the_report(title: str, words: dict[str, str]) -> None:
    of_page = rows(title)
    lacking = [
        f"| `{name}` | {text} |" for name, text in words.items() if name not in dict(of_page)
    ]
    assert not lacking, f"to be added to docs/glossary.md, {title}: {' '.join(lacking)}"
    assert of_page == list(words.items())


def test_every_check_of_a_run_has_a_sentence() -> None:
    assert CHECK_IDS - CHECKS.keys() == set()
    # Those of klagg's model and of a judged store are named where they are made.
    made = {
        name
        for room in ("klagg", "exchange", "replay")
        for path in (ROOT / "harness" / "kline_harness" / room).glob("*.py")
        for name in re.findall(r'Question\(\s*"(\w+)"', path.read_text("utf-8"))
    }
    assert {"pulls", "comparison"} <= made
    # A subject's own check has its name; the page says what that is.
    assert made - CHECKS.keys() == {"klagg"}
    assert "took effect" in check_sentence("klagg", "klagg")
    assert "of your own" in check_sentence("mine", "klagg")


def test_every_cause_has_a_sentence_and_stands_in_the_page_on_verdicts() -> None:
    names = {name for one in (*REGISTERED, *UNRECORDED) for name in one.name.split("+")} | {SPLIT}
    assert names == set(CAUSES)
    verdicts = (DOCS / "verdicts.md").read_text(encoding="utf-8")
    without = sorted(name for name in names if f"`{name}`" not in verdicts)
    assert not without, f"a row for each is to be added to docs/verdicts.md: {without}"
    assert cause_sentence("late_trade+edge") == f"{CAUSES['late_trade']}, and {CAUSES['edge']}"


def test_every_class_and_verdict_is_a_term() -> None:
    assert {*CLASSES, "identical", *(one.value for one in Validity)} <= TERMS.keys()


def test_every_exit_code_is_named() -> None:
    named = {int(code) for codes, _ in rows("Exit codes") for code in codes.split(", ")}
    ends = {128 + number for number in (*exit_codes.TERMINATING, 2)}
    ends |= {exit_codes.EXIT_BROKEN_PIPE, exit_codes.EXIT_CRASH, exit_codes.EXIT_USAGE}
    assert named == ends | {one.exit_code for one in Validity}
