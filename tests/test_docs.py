"""The pages: every command parses, every link leads somewhere, blocks are what they say."""

from __future__ import annotations

import ast
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from kline_harness.arguments import Parser
from kline_harness.cli import VERBS
from kline_harness.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
# Paths of the repository in code: a file or folder, not a pattern and not something of a run.
PATH = re.compile(r"`((?:docs|fixtures|harness|scripts|tests)/[\w./-]+)`")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def commands_of(page: Path) -> Iterator[str]:
    """Yield every command line of a page: in blocks, indented, in CI files, and in running text."""
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"^(?:    |\$ |.*- run: |    - )?(kline-harness .*)$", text, re.M):
        yield re.split(r"  +#", line)[0].strip()
    yield from (re.sub(r"\s+", " ", code) for code in re.findall(r"`(kline-harness [^`]+)`", text))


COMMANDS = [(name_of(page), command) for page in PAGES for command in commands_of(page)]


def words_of(command: str) -> list[str]:
    """Return the words of a command; of a synopsis every option and the first of each choice."""
    plain = re.sub(r"[\[\]]", "", command).replace("...", "")
    words = shlex.split(plain)[1:]
    return [word.split("|")[0] if re.fullmatch(r"[a-z|]+", word) else word for word in words]


def test_commands_are_found() -> None:
    assert len(COMMANDS) > 20
    assert {page for page, _ in COMMANDS} >= {"README.md", "docs/gate.md", "docs/inspect.md"}


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_command_parses(page: str, command: str) -> None:
    words = words_of(command)
    if words[0] in {"VERB", "--help", "--version"}:
        return
    verb, arguments = VERBS[words[0]]
    parser = Parser(verb)
    arguments(parser)
    if words[1:]:  # a verb alone is a name in running text
        parser.parse_intermixed_args(words[1:])


def test_a_command_with_an_option_that_is_not_there_would_be_found() -> None:
    verb, arguments = VERBS["replay"]
    parser = Parser(verb)
    arguments(parser)
    with pytest.raises(UserError, match="--colour"):
        parser.parse_intermixed_args(words_of("kline-harness replay A.zip [--colour red|blue]")[1:])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, heading = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        assert file.exists(), target
        if heading:
            assert heading in headings(file), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_of_the_repository_exists(page: Path) -> None:
    paths = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []
    scripts = re.findall(r"^(?:    |\$ )\./(scripts/\w+)", page.read_text(), re.M)
    assert [script for script in scripts if not os.access(ROOT / script, os.X_OK)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_its_language(page: Path) -> None:
    for language, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "python":
            ast.parse(block)
        elif language == "toml":
            tomllib.loads(block)


def headings(page: Path) -> set[str]:
    """Return the anchors of a page, as they are made of its headings."""
    found = re.findall(r"^#+ +(.*)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    plain = (re.sub(r"[^\w\s-]", "", text.lower()) for text in found)
    return {text.strip().replace(" ", "-") for text in plain}


CITED = re.compile(r"docs/([\w/]+\.md)((?:,? (?:and |from |to )*\"[^\"]+\")*)")


def citations() -> Iterator[tuple[str, str, list[str]]]:
    """Yield every page cited in the package, with the headings cited of it."""
    for path in sorted((ROOT / "harness").rglob("*.py")):
        text = re.sub(r"\s+", " ", path.read_text(encoding="utf-8"))
        for page, headings_cited in CITED.findall(text):
            yield name_of(path), page, re.findall(r'"([^"]+)"', headings_cited)


def test_every_source_that_code_cites_can_be_opened() -> None:
    found = list(citations())
    assert sum(len(cited) for _, _, cited in found) >= 8
    for name, page, cited in found:
        file = ROOT / "docs" / page
        assert file.is_file(), (name, page)
        there = re.findall(r"^#+ +(.*)$", file.read_text(encoding="utf-8"), re.M)
        assert [heading for heading in cited if heading not in there] == [], (name, page)


def test_no_source_is_cited_that_only_its_author_has() -> None:
    closed = re.compile(r"behaviour notes|notes on the production|[Dd]esign, \"")
    named = [
        name_of(path)
        for path in (ROOT / "harness").rglob("*.py")
        if closed.search(path.read_text(encoding="utf-8"))
    ]
    assert named == []
