"""Aggregators by name: built in, registered by a package, or a class in a module or a file.

A name is ``exact``, an entry point of the group ``kline_harness.aggregators``, ``module:Class``,
``file.py:Class``, or ``process:COMMAND`` for a program that speaks kline-subject/1.

Whatever a name stands for is called as a factory, with the intervals and the symbols as far as it
takes them; of a `Subject` its `make` is. `build` is the one place where anything is made.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.names import EXACT, GROUP, expected_names
from kline_harness.errors import UsageError, UserError, error_line, own_code
from kline_harness.interfaces import Aggregator, Subject
from kline_harness.interval import Interval

PROCESS = "process:"
_METHODS = ("advance", "finish")


@dataclass(frozen=True, slots=True)
class NamedFactory:
    """What makes an aggregator, and the name that a run's record gives it."""

    name: str
    factory: Callable[..., Any]

    @staticmethod
    def named(name: str) -> NamedFactory:
        """Find what a name stands for; nothing is made yet.

        Raises UsageError for a name that stands for nothing, and for a module that fails.
        """
        if name == EXACT:
            return NamedFactory(name, ExactAggregator)
        if name.startswith(PROCESS):
            return NamedFactory(name, _process(name))
        if ":" in name:
            return NamedFactory(name, _attribute(name))
        registered = {one.name: one for one in entry_points(group=GROUP)}
        if name not in registered:
            raise UsageError(f"unknown aggregator {name!r}: expected {expected_names()}")
        try:
            with own_code():
                return NamedFactory(name, registered[name].load())
        except Exception as error:
            raise UsageError(f"aggregator {name}: {error_line(error)}") from error

    @staticmethod
    def given(given: Any) -> NamedFactory:
        """Take a name, a factory, or an aggregator, of which every run gets a copy.

        Raises UsageError for anything else.
        """
        if isinstance(given, str):
            return NamedFactory.named(given)
        if isinstance(given, Subject):
            kind = type(given)
            return NamedFactory(f"{kind.__module__}:{kind.__qualname__}", given.make)
        made = given if inspect.isroutine(given) or isinstance(given, type) else type(given)
        name = f"{made.__module__}:{made.__qualname__}"
        if isinstance(given, type) or not missing(given) or not callable(given):
            factory = given if isinstance(given, type) else _copies(name, given)
            return NamedFactory(name, factory)
        return NamedFactory(name, given)

    @property
    def subject(self) -> type[Subject] | None:
        """Return the `Subject` that the name stands for, None where it is a factory alone."""
        factory = self.factory
        return factory if isinstance(factory, type) and issubclass(factory, Subject) else None

    def build(self, intervals: Sequence[Interval], symbols: Sequence[str]) -> Aggregator:
        """Make an aggregator of intervals; `symbols` are those of the trades.

        Raises UsageError when it cannot be made, or is no aggregator.
        """
        try:
            kind = self.subject
            factory = self.factory if kind is None else kind().make
            with own_code():
                made = called(factory, intervals, symbols)
        except UserError:
            raise
        except Exception as error:
            raise UsageError(
                f"aggregator {self.name} could not be made: {error_line(error)}"
            ) from error
        lacking = missing(made)
        if lacking:
            raise UsageError(
                f"aggregator {self.name}: expected the methods advance and finish, "
                f"found a {type(made).__name__} without {' and '.join(lacking)}"
            )
        aggregator: Aggregator = made
        return aggregator


def missing(made: Any, methods: Sequence[str] = _METHODS) -> list[str]:
    """Return those of some methods that an object of the user's does not have."""
    return [name for name in methods if not callable(getattr(made, name, None))]


def _copies(name: str, aggregator: Any) -> Callable[[], Any]:
    """Return a factory of copies: a run that starts over needs an aggregator that saw nothing."""
    lacking = missing(aggregator)
    if lacking:
        raise UsageError(
            f"aggregator: expected exact, another name, a class, a factory or an object with "
            f"advance and finish, found {name.rpartition(':')[2]}"
        )

    def make() -> Any:
        return copy.deepcopy(aggregator)

    return make


def called(
    factory: Callable[..., Any], intervals: Sequence[Interval], symbols: Sequence[str]
) -> Any:
    """Call a factory with the intervals and the symbols, as far as it takes them.

    Raises what it raises.
    """
    return factory(*_arguments(factory, intervals, symbols))


def _arguments(
    factory: Callable[..., Any], intervals: Sequence[Interval], symbols: Sequence[str]
) -> tuple[Any, ...]:
    """Return as many of intervals and symbols as a factory takes.

    A second parameter that may be left out is given the symbols only if that is its name.
    """
    try:
        parameters = [*inspect.signature(factory).parameters.values()]
    except (TypeError, ValueError):  # a class of an extension module that does not say
        return intervals, symbols
    places = [
        one
        for one in parameters
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL)
    ]
    if any(one.kind is one.VAR_POSITIONAL for one in places):
        return intervals, symbols
    takes_symbols = len(places) > 1 and (
        places[1].default is places[1].empty or places[1].name == "symbols"
    )
    return (intervals, symbols)[: 2 if takes_symbols else min(1, len(places))]


def _process(name: str) -> Callable[..., Any]:
    """Return what makes a program's aggregator, with the options that are its own."""
    # Late: only a run of a program pays for what its pipes need.
    from kline_harness.aggregators.process import ProcessAggregator

    return partial(ProcessAggregator, name.removeprefix(PROCESS))


def _attribute(name: str) -> Callable[..., Any]:
    """Return what ``module:Class`` or ``file.py:Class`` names."""
    where, _, attribute = name.rpartition(":")
    try:
        with own_code():
            module = _file(Path(where)) if where.endswith(".py") else _module(where)
    except UserError:
        raise
    except Exception as error:
        raise UsageError(
            f"aggregator {name}: {where} cannot be imported: {error_line(error)}"
        ) from error
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise UsageError(
            f"aggregator {name}: expected a class or a factory {attribute!r} in {where}"
        )
    factory: Callable[..., Any] = found
    return factory


def _module(name: str) -> Any:
    # As `python -m` does: modules of the working directory are found, after installed ones.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    return importlib.import_module(name)


def _file(path: Path) -> Any:
    """Import a file under a name of its own, once."""
    if not path.is_file():
        raise UsageError(f"aggregator file {path}: expected a Python file, found none")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    name = f"_kline_harness_file_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
