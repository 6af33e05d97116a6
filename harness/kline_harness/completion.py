"""A script that completes the command's words in a shell."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import shtab


def script(parsers: Mapping[str, argparse.ArgumentParser], shell: str) -> str:
    """Return the script for bash, zsh or tcsh; `parsers` are those of the verbs by name."""
    command = argparse.ArgumentParser("kline-harness")
    made = iter(parsers.values())
    # A verb's parser exists already; argparse would make one.
    take: Any = lambda **_: next(made)  # noqa: E731
    verbs = command.add_subparsers(parser_class=take)
    for name, parser in parsers.items():
        verbs.add_parser(name, help=(parser.description or "").strip().splitlines()[0])
        for action in parser._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    text: str = shtab.complete(command, shell)
    return text
