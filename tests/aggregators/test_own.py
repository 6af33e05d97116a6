"""An aggregator of the user's own: found by name, judged without accounts, never trusted."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.aggregators.loader import NamedFactory
from kline_harness.api import replay
from kline_harness.errors import UsageError
from kline_harness.interfaces import Aggregator
from kline_harness.interval import parse_intervals
from kline_harness.klagg.aggregator import KlaggAggregator
from kline_harness.results import Replayed
from kline_harness.verdict import Validity

from tests.replays import UM_STREAM
from tests.replays import replay as command_replay

TRADES = UM_STREAM / "ALFAUSDT-trade-stream.txt.gz"
INTERVALS = parse_intervals("1m,5m")
OWN = """
import dataclasses
import numpy as np
from kline_harness.aggregators.exact import ExactAggregator
from kline_harness.columns import concat
from kline_harness.kline import Emission, KlineBatch, LifeBatch

class Bare:
    def __init__(self, intervals, symbols):
        assert list(symbols) == ["ALFAUSDT"]
        self.exact = ExactAggregator(intervals)
    def advance(self, feed):
        return self.exact.advance(feed)
    def finish(self, at_ns):
        return self.exact.finish(at_ns)

class Changed(Bare):
    def advance(self, feed):
        emission = super().advance(feed)
        return Emission(self.changed(emission.klines), emission.events)

class HighIsClose(Changed):
    def changed(self, klines):
        return klines.with_columns({"high": klines.close})

class RaisesAtFirst(Bare):
    def advance(self, feed):
        return {}["slot"]

class RaisesAtEnd(Bare):
    def finish(self, at_ns):
        raise OSError("gone")

class GivesNone(Bare):
    def advance(self, feed):
        return None

class GivesTuple(Bare):
    def advance(self, feed):
        return KlineBatch.empty(), LifeBatch.empty()

class Swapped(Bare):
    def advance(self, feed):
        return Emission(LifeBatch.empty(), KlineBatch.empty())

class Floats(Changed):
    def changed(self, klines):
        return klines.with_columns({"volume": klines.volume.astype(float)})

class Lists(Changed):
    def changed(self, klines):
        return klines.with_columns({"open": klines.open.tolist()})

class Ragged(Changed):
    def changed(self, klines):
        return klines.with_columns({"count": klines.count[1:]})

class NoSuchInterval(Changed):
    def changed(self, klines):
        return klines.with_columns({"interval": np.full(len(klines), 99, dtype=np.int8)})

class NoSuchSymbol(Changed):
    def changed(self, klines):
        return klines.with_columns({"symbol": np.full(len(klines), -1, dtype=np.int16)})

class Backwards(Changed):
    def changed(self, klines):
        return klines.with_columns({"at_ns": klines.at_ns[::-1].copy()})

class Delayed(Bare):
    # Publishes everything so many ticks later; what is left at the end.
    def __init__(self, intervals, symbols):
        super().__init__(intervals, symbols)
        self.held, self.heard = [], []
    def advance(self, feed):
        emission = self.exact.advance(feed)
        self.heard += [one.at_ns for one in feed.signals]
        heard = np.array(self.heard, dtype=np.int64)
        klines = concat([*self.held, emission.klines])
        due = np.searchsorted(heard, klines.at_ns, side="right") + self.ticks - 1
        out = due < len(heard)
        self.held = [klines.take(~out)]
        klines = klines.take(out).with_columns({"at_ns": heard[due[out]]})
        return Emission(klines, emission.events[:0])
    def finish(self, at_ns):
        emission = self.exact.finish(at_ns)
        klines = concat([*self.held, emission.klines])
        at = np.full(len(klines), at_ns)
        return Emission(klines.with_columns({"at_ns": at}), emission.events[:0])

class ByOneTick(Delayed):
    ticks = 1

class ByTwoTicks(Delayed):
    ticks = 2

class UntilTheEnd(Delayed):
    ticks = 10**6

class Accounts(Bare):
    def accounts(self):
        return self.told(self.exact.accounts())

class NoAccounts(Accounts):
    def told(self, accounts):
        return {}

class AnotherSymbol(Accounts):
    def told(self, accounts):
        return {"OTHERUSDT": accounts["ALFAUSDT"]}

class WithoutFiveMinutes(Accounts):
    def told(self, accounts):
        account = accounts["ALFAUSDT"]
        series = {"1m": account.series["1m"]}
        return {"ALFAUSDT": dataclasses.replace(account, series=series)}

class Raising:
    def __init__(self, intervals):
        raise ValueError("no database")

class Nothing:
    pass

class Half:
    def advance(self, feed):
        return None

def made(intervals):
    return ExactAggregator(intervals)

SEVEN = 7
"""
BROKEN = (
    *("GivesNone", "GivesTuple", "Swapped", "Floats", "Lists", "Ragged"),
    *("NoSuchInterval", "NoSuchSymbol", "Backwards"),
)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(textwrap.dedent(OWN), encoding="utf-8")
    return path


def judged(aggregator: object) -> Replayed:
    return replay(TRADES, aggregator=aggregator, intervals="1m,5m", expectations=False)  # type: ignore[arg-type]


def kinds(result: Replayed, check: str) -> list[str]:
    found = next(one for one in result.checks if one.check == check)
    return [finding.kind for finding in found.findings]


# --- found by name --------------------------------------------------------------------------------


def test_the_exact_one_is_built_in_and_klagg_is_registered_as_anybodys() -> None:
    made = {
        name: NamedFactory.named(name).build(INTERVALS, ["ALFAUSDT"]) for name in ("exact", "klagg")
    }
    assert type(made["exact"]) is ExactAggregator
    assert type(made["klagg"]) is KlaggAggregator
    assert all(isinstance(one, Aggregator) for one in made.values())


def test_a_class_in_a_module_and_in_a_file_and_a_factory(own: Path) -> None:
    module = "kline_harness.aggregators.exact:ExactAggregator"
    for name in (module, f"{own}:Bare", f"{own}:made"):
        made = NamedFactory.named(name).build(INTERVALS, ["ALFAUSDT"])
        assert isinstance(made, Aggregator)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "klug",
            "unknown aggregator 'klug': expected exact, klagg, module:Class, file.py:Class",
        ),
        ("{own}:Gone", "expected a class or a factory 'Gone'"),
        ("{own}:SEVEN", "expected a class or a factory 'SEVEN'"),
        ("{own}:Raising", "could not be made: ValueError: no database"),
        ("{own}:Nothing", "found a Nothing without advance and finish"),
        ("{own}:Half", "found a Half without finish"),
        ("gone.py:Bare", "aggregator file gone.py: expected a Python file, found none"),
        ("no_such_module:Bare", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(
    name: str, says: str, own: Path, tmp_path: Path
) -> None:
    ran = command_replay(tmp_path / "run", TRADES, "--aggregator", name.format(own=own))
    assert ran.exit_code == 2
    assert len(ran.output.splitlines()) == 1
    assert says in ran.output
    assert not ran.folder.exists()


def test_an_object_that_is_no_aggregator_is_refused() -> None:
    with pytest.raises(UsageError, match="object with advance and finish, found int"):
        judged(7)


def test_a_file_that_fails_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import json\njson.loads('{')\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"broken.py cannot be imported: JSONDecodeError"):
        NamedFactory.named(f"{path}:Own")


# --- judged by what it published ------------------------------------------------------------------


def test_without_accounts_every_final_is_compared(own: Path) -> None:
    result = judged(f"{own}:Bare")
    assert result.verdict is Validity.VALID
    counts = {one.check: dict(one.counts) for one in result.checks}
    assert counts["exactness"]["identical"] == counts["exactness"]["exact"] == 14
    trades = next(one for one in result.checks if one.check == "trades")
    assert "keeps no accounts" in trades.not_checked[0]
    ledger = next(one for one in result.checks if one.check == "ledger")
    assert ledger.validity is Validity.VALID


def test_a_wrong_final_is_found_without_accounts(own: Path) -> None:
    result = judged(f"{own}:HighIsClose")
    assert result.verdict is Validity.INVALID
    assert "not_exact" in kinds(result, "exactness")


def test_an_object_is_copied_for_the_run() -> None:
    given = ExactAggregator(INTERVALS)
    first, second = judged(given), judged(given)
    assert first.verdict is second.verdict is Validity.VALID
    assert not given.accounts()


@pytest.mark.parametrize(
    ("name", "verdict", "overdue"),
    [
        ("ByOneTick", Validity.VALID, None),
        ("ByTwoTicks", Validity.UNKNOWN, 1),
        ("UntilTheEnd", Validity.UNKNOWN, 9),
    ],
)
def test_finals_that_a_later_tick_does_not_bring_out(
    own: Path, name: str, verdict: Validity, overdue: int | None
) -> None:
    """The clock says that their time is over; one that is not heard at once is only counted."""
    result = judged(f"{own}:{name}")
    assert result.verdict is verdict, result.sentence
    exactness = next(one for one in result.checks if one.check == "exactness")
    told = {one.kind: one.evidence for one in exactness.findings}
    assert "published_late" in told
    assert told.get("overdue", {}).get("ticks_since_then") == overdue


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("NoAccounts", "one of 0"),
        ("AnotherSymbol", "one of 0"),
        ("WithoutFiveMinutes", "none for 5m"),
    ],
)
def test_accounts_that_leave_something_out_are_found(own: Path, name: str, found: str) -> None:
    """What is in no account would be missed in no equation of the ledger."""
    result = judged(f"{own}:{name}")
    assert result.verdict is Validity.INVALID, result.sentence
    (told,) = next(one for one in result.checks if one.check == "subject").findings
    assert (told.kind, told.evidence["found"]) == ("seam_broken", found)
    assert told.evidence["expected"].startswith("an account of the 2,016 trades of ALFAUSDT")


# --- never trusted --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "method"), [("RaisesAtFirst", "advance"), ("RaisesAtEnd", "finish")]
)
def test_what_it_raises_leaves_the_run_unknown(own: Path, name: str, method: str) -> None:
    result = judged(f"{own}:{name}")
    assert result.verdict is Validity.UNKNOWN, result.sentence
    assert kinds(result, "subject") == ["subject_crashed"]
    assert kinds(result, "exactness") == ["cut_short"]
    subject = next(one for one in result.checks if one.check == "subject")
    evidence = subject.findings[0].evidence
    assert evidence["method"] == method
    assert any("own.py, line" in line and f"in {method}" in line for line in evidence["traceback"])
    # No folder of this machine is in it.
    assert str(own.parent) not in json.dumps(dict(evidence))


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_the_seam_is_a_named_finding(own: Path, name: str) -> None:
    result = judged(f"{own}:{name}")
    assert result.verdict is Validity.INVALID
    assert kinds(result, "subject") == ["seam_broken"]
