"""The plugin in a pytest of its own: cases as tests, and the two fixtures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gate.suites import FIXTURES, make_suite, replace_text, run
from tests.machine import slowness

pytest_plugins = "pytester"

QUIET = ("-p", "no:cacheprovider")


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Where red cases leave their run folders.
    monkeypatch.setenv("TMPDIR", str(pytester.path))
    path = make_suite(pytester.path)
    run(path, update=True)
    return path


def test_without_the_option_it_does_nothing(pytester: pytest.Pytester, suite: Path) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_the_harness_is_not_imported():
            assert [name for name in sys.modules if name.startswith("kline_harness.")] == [
                "kline_harness.pytest_plugin"
            ]
            assert "numpy" not in sys.modules
        """
    )
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=1)


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys, time, pytest; begin = time.process_time(); "
        "import kline_harness.pytest_plugin; "
        "print(time.process_time() - begin)"
    )
    seconds = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(seconds) < 0.02 * slowness()


def test_each_case_is_a_test(pytester: pytest.Pytester, suite: Path) -> None:
    pytester.makepyfile("def test_mine(): pass")
    found = pytester.runpytest_subprocess(*QUIET, "-v", "--kline-suite", "suite.toml")
    found.assert_outcomes(passed=2)
    found.stdout.fnmatch_lines(["suite.toml::stream PASSED*"])


def test_one_case_can_be_chosen(pytester: pytest.Pytester, suite: Path) -> None:
    suite.write_text(suite.read_text() + suite.read_text().replace('"stream"', '"other"'))
    arguments = ("--kline-suite", "suite.toml", "suite.toml::stream")
    pytester.runpytest_subprocess(*QUIET, *arguments).assert_outcomes(passed=1)
    chosen = ("--kline-suite", "suite.toml", "-k", "other", "--collect-only", "-q")
    found = pytester.runpytest_subprocess(*QUIET, *chosen)
    found.stdout.fnmatch_lines(["suite.toml::other", "*1/2 tests collected*"])


def test_a_red_case_shows_the_digits_and_no_frames(pytester: pytest.Pytester, suite: Path) -> None:
    packed = suite.parent / "suite.baseline" / "stream.klines.csv.xz"
    replace_text(packed, "3151.5,145.447", "3151.5,145.448")
    found = pytester.runpytest_subprocess(*QUIET, "--kline-suite", "suite.toml")
    found.assert_outcomes(failed=1)
    place = "ALFAUSDT 1m 2024-05-15T11:55:00Z volume: baseline 145.448, now 145.447; cause: *"
    found.stdout.fnmatch_lines([f"case stream is red: {place}", "run folder: *stream"])
    found.stdout.no_fnmatch_line("*Traceback*")
    found.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_bad_suite_is_one_sentence(pytester: pytest.Pytester, suite: Path) -> None:
    replace_text(suite, "allow", "alow")
    found = pytester.runpytest_subprocess(*QUIET, "--kline-suite", "suite.toml")
    assert found.ret == pytest.ExitCode.INTERRUPTED
    found.stdout.fnmatch_lines(["kline suite: *suite.toml, case 1 (stream), key 'alow': unknown*"])
    found.stdout.no_fnmatch_line("*Traceback*")


def test_the_fixtures(pytester: pytest.Pytester, suite: Path) -> None:
    day = FIXTURES / "um-day"
    pytester.makepyfile(
        f"""
        from pathlib import Path

        import pytest

        DAY = Path({str(day)!r})
        TRADES = DAY / "BRAVOUSDT-trades-2024-05-15.zip"
        AGGREGATES = DAY / "BRAVOUSDT-aggTrades-2024-05-15.zip"
        HOURS = DAY / "BRAVOUSDT-1h-2024-05-15.zip"


        def test_replay(kline_replay, tmp_path):
            outcome = kline_replay(TRADES, HOURS, intervals="1h", audit="off")
            assert outcome.verdict.value == "valid"
            assert outcome.directory.parent == tmp_path
            assert (outcome.directory / "run.json").is_file()


        def test_identical(kline_replay, assert_klines_identical):
            ours = kline_replay(TRADES, intervals="1h", audit="off")
            assert_klines_identical(ours, str(HOURS))
            assert_klines_identical(ours, kline_replay([AGGREGATES], intervals="1h", audit="off"))
            assert_klines_identical(ours.directory / "klines", [HOURS])


        def test_different(kline_replay, assert_klines_identical, tmp_path):
            ours = kline_replay(TRADES, intervals="1h", audit="off")
            import io, zipfile
            with zipfile.ZipFile(HOURS) as archive:
                lines = archive.read(archive.namelist()[0]).decode().splitlines()
            columns = lines[3].split(",")
            columns[4] = columns[4][:-1] + str((int(columns[4][-1]) + 1) % 10)
            lines[3] = ",".join(columns)
            theirs = tmp_path / HOURS.name.replace(".zip", ".csv")
            theirs.write_text("\\n".join(lines[:-1]) + "\\n")
            assert_klines_identical(ours, theirs)


        def test_no_klines(assert_klines_identical, tmp_path):
            with pytest.raises(Exception, match="expected a run folder or a dataset"):
                assert_klines_identical(tmp_path, tmp_path)
        """
    )
    found = pytester.runpytest_subprocess(*QUIET)
    found.assert_outcomes(passed=3, failed=1)
    found.stdout.fnmatch_lines(
        [
            "klines are not identical: 24 ours, 23 theirs",
            "  BRAVOUSDT 1h 2024-05-15T02:00:00Z close: ours *, theirs *",
            "  BRAVOUSDT 1h 2024-05-15T23:00:00Z: only in ours",
        ]
    )
