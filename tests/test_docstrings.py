"""Docstrings: every public name has one, and it says which user's errors are raised.

Their form (a sentence of one line, a blank line, what is more) is ruff's to hold.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "harness" / "kline_harness"
Named = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public(body: list[ast.stmt], outer: str = "") -> Iterator[tuple[str, Named, bool]]:
    """Yield (name, node, is it a protocol's) of what is public, methods too."""
    for node in body:
        if not isinstance(node, Named) or node.name.startswith("_"):
            continue
        if any(ast.unparse(one).endswith(".setter") for one in node.decorator_list):
            continue
        yield f"{outer}{node.name}", node, False
        if isinstance(node, ast.ClassDef):
            of_protocol = any("Protocol" in ast.unparse(base) for base in node.bases)
            for name, inner, nested in public(node.body, f"{node.name}."):
                yield name, inner, of_protocol or nested


def everything() -> Iterator[tuple[str, Named, bool]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        for name, node, of_protocol in public(ast.parse(path.read_text(encoding="utf-8")).body):
            yield f"{module}: {name}", node, of_protocol


def user_errors() -> set[str]:
    """The names of the errors that a user can mend, by the tree in errors.py and its branches."""
    found = {"UserError"}
    classes = [
        node
        for path in PACKAGE.rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    while True:
        more = {one.name for one in classes if {ast.unparse(base) for base in one.bases} & found}
        if more <= found:
            return found
        found |= more


def raised(node: Named, errors: set[str]) -> set[str]:
    """The user's errors that a function raises itself, inner functions and `try` left out."""
    found, waiting = set[str](), list[ast.AST](node.body)
    while waiting:
        one = waiting.pop()
        if isinstance(one, ast.Raise) and one.exc is not None:
            error = one.exc.func if isinstance(one.exc, ast.Call) else one.exc
            found |= {ast.unparse(error)} & errors
        if isinstance(one, ast.Try):
            waiting += [part for handler in one.handlers for part in handler.body]
        elif not isinstance(one, Named | ast.Lambda):
            waiting += ast.iter_child_nodes(one)
    return found


def test_every_public_name_has_a_docstring() -> None:
    """What a protocol's members are is said in its class."""
    checked = list(everything())
    assert len(checked) > 2_000
    bare = [name for name, node, said in checked if not (said or ast.get_docstring(node))]
    assert bare == []


def test_a_function_says_which_user_s_errors_it_raises() -> None:
    """A verb has none to say: the command line shows what it raises."""
    errors = user_errors()
    assert {"InputError", "Damaged", "UsageError"} <= errors
    silent = [
        f"{name} raises {', '.join(sorted(found))}"
        for name, node, _ in everything()
        if not isinstance(node, ast.ClassDef)
        and "argparse.Namespace" not in ast.unparse(node.args)
        and (found := raised(node, errors))
        and not re.search(r"\b[Rr]aises?\b", ast.get_docstring(node) or "")
    ]
    assert silent == []
