"""The pytest plugin: a suite's cases as tests, and fixtures for replays and klines.

Without ``--kline-suite`` it collects nothing. pytest imports it in every project that has the
harness installed, so the harness itself is imported only by who uses it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

_OPTION = "--kline-suite"
_SHOWN = 50


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names suites."""
    group = parser.getgroup("kline-harness")
    group.addoption(
        _OPTION,
        action="append",
        default=[],
        metavar="SUITE",
        help="collect each case of a suite.toml of the kline gate as a test (may be repeated)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest collect the suites beside what it was asked for."""
    for suite in _suites(config):
        # An argument may already name the suite, or one case of it as suite.toml::case.
        if not any(_names(config, argument, suite) for argument in config.args):
            config.args.append(str(suite))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a suite that the option names, and nothing else."""
    if file_path.resolve() in _suites(parent.config):
        suite: pytest.Collector = KlineSuite.from_parent(parent, path=file_path)
        return suite
    return None


def _suites(config: pytest.Config) -> list[Path]:
    base = config.invocation_params.dir
    return [(base / given).resolve() for given in config.getoption(_OPTION)]


def _names(config: pytest.Config, argument: str, suite: Path) -> bool:
    return (config.invocation_params.dir / argument.split("::")[0]).resolve() == suite


class KlineSuite(pytest.File):
    """A suite file; its cases are its tests."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test per case; a bad suite is one sentence."""
        from kline_harness.errors import UserError
        from kline_harness.gate import Gate, load_suite

        try:
            suite = load_suite(self.path)
        except UserError as error:
            raise self.CollectError(f"kline suite: {error}") from error
        work = Path(tempfile.mkdtemp(prefix="kline-suite-"))
        # Red cases leave their run folder; without any the directory is empty and goes.
        self.config.add_cleanup(lambda: _remove_if_empty(work))
        gate = Gate(suite, work)
        for case in suite.cases:
            yield KlineCase.from_parent(self, name=case.name, case=case, gate=gate)


class KlineCase(pytest.Item):
    """One case of a suite: it passes when the gate is green."""

    def __init__(self, *, case: Any, gate: Any, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._case = case
        self._gate = gate

    def runtest(self) -> None:
        """Replay the case and hold it to its baseline."""
        from kline_harness.gate import GateStatus

        result = self._gate.run(self._case)
        if result.status is not GateStatus.GREEN:
            raise CaseFailed(result)
        shutil.rmtree(result.folder, ignore_errors=True)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Show the gate's problems, not this plugin's frames."""
        if isinstance(excinfo.value, CaseFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Point at the case's line in the suite."""
        return self.path, self._case.line - 1, f"kline case {self.name}"


class CaseFailed(Exception):
    """A case that is not green; its text is what the test's report shows."""

    def __init__(self, result: Any) -> None:
        lines = [f"case {result.case.name} is {result.status.value}: {result.sentence}"]
        lines += [f"  {problem.message}" for problem in result.problems[1:_SHOWN]]
        hidden = max(0, len(result.problems) - _SHOWN) + result.more
        lines += [f"  and {hidden:,} more"] if hidden else []
        lines += [f"run folder: {result.folder}"] if result.folder is not None else []
        super().__init__("\n".join(lines))


@pytest.fixture
def kline_replay(tmp_path: Path) -> Callable[..., Any]:
    """Replay trades as `kline_harness.replay` does, each into a folder of the test's own.

    Called as ``kline_replay(trades, klines=..., aggregator=..., intervals="1m,5m", ...)``; the
    run folder is ``run.directory``. Its page is made where ``run.report`` asks for it.
    """
    runs = 0

    def run(trades: Any, klines: Any = (), *, report: bool = False, **options: Any) -> Any:
        nonlocal runs
        import kline_harness

        runs += 1
        out = tmp_path / f"replay-{runs}"
        return kline_harness.replay(trades, klines=klines, out=out, report=report, **options)

    return run


@pytest.fixture
def assert_klines_identical() -> Callable[[Any, Any], None]:
    """Assert that two sides hold the same klines, exact in all fields that both have.

    A side is a replay's result, a run folder, a dataset of finals, a file of klines (the
    exchange's or Parquet), a list of these, or a table of finals.
    """

    def check(ours: Any, theirs: Any) -> None:
        __tracebackhide__ = True
        from kline_harness.gate.equality import difference

        found = difference(ours, theirs, _SHOWN)
        if found:
            pytest.fail(found, pytrace=False)

    return check


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
