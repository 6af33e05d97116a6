"""A caller's own consumer: it gets a run's klines, and its verdict and its lag stand in the run."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kline_harness as kh
import pytest
from kline_harness.checks.check_list import CHECK_IDS
from kline_harness.run_record import LEDGER_FILE, read_ledger
from kline_harness.simulation.simulation import Fidelity
from kline_harness.units import INT64_MAX

DAY = Path(__file__).resolve().parents[2] / "fixtures" / "um-day"
TRADES = DAY / "BRAVOUSDT-aggTrades-2024-05-15.zip"
KLINES = DAY / "BRAVOUSDT-1m-2024-05-15.zip"


class Keeper:
    """Keeps what it is given, as (open time, trades), and each instant that it was asked at."""

    timer_period_ns: int | None = None

    def __init__(self, name: str = "keeper") -> None:
        self.name = name
        self.rows: list[tuple[int, int]] = []
        self.missed = 0
        self.closed = False

    def on_rows(self, now_ns: int, rows: kh.Rows[kh.KlineBatch]) -> None:
        table = rows.table()
        self.rows += zip(table.open_time_ns.tolist(), table.count.tolist(), strict=True)

    def on_lag(self, now_ns: int, missed: int) -> None:
        self.missed += missed

    def on_timer(self, now_ns: int) -> None:
        """Nothing is due by time."""

    def rows_until_flush(self) -> int:
        return INT64_MAX

    def on_close(self, now_ns: int) -> None:
        self.closed = True

    def verdict(self) -> kh.Verdict:
        return kh.Verdict.of(self.name, {"klines": len(self.rows)}, ())


def replay(*consumers: Any, **options: Any) -> kh.Replayed:
    chosen = {"intervals": "1m", "audit": "off", **options}
    return kh.replay(TRADES, consumers=consumers, **chosen)


def of_exchange() -> list[tuple[int, int]]:
    with zipfile.ZipFile(KLINES) as file:
        text = file.read(file.namelist()[0]).decode()
    return [
        (int(row["open_time"]) * 10**6, int(row["count"]))
        for row in csv.DictReader(io.StringIO(text))
    ]


def checks(run: kh.Replayed) -> dict[str, kh.Verdict]:
    return {check.check: check for check in run.checks}


@pytest.mark.parametrize("fidelity", Fidelity)
def test_it_gets_every_kline_of_the_exchange_and_the_run_holds_its_verdict(
    fidelity: Fidelity,
) -> None:
    run = replay(Keeper, fidelity=fidelity)
    (keeper,) = run.consumers
    assert isinstance(keeper, Keeper)
    assert keeper.rows == of_exchange()
    assert keeper.closed
    assert checks(run)["keeper"].counts == {"klines": 1440}
    assert run.verdict is kh.Validity.VALID
    record = json.loads(run.record.read_text())
    (klines,) = (one for one in record["channels"] if one["name"] == "klines")
    delivered = {one["name"]: one["delivered"] for one in klines["consumers"]}
    assert delivered == {"writer": 1440, "keeper": 1440}
    sent = {
        one["subject"] for one in read_ledger(run.directory / LEDGER_FILE) if one["law"] == "sent"
    }
    assert "klines to keeper" in sent


def test_an_object_is_copied_for_the_run() -> None:
    given = Keeper("mine")
    run = replay(given)
    assert given.rows == []
    (keeper,) = run.consumers
    assert isinstance(keeper, Keeper)
    assert len(keeper.rows) == 1440


def test_its_verdict_decides_the_run() -> None:
    class Fails(Keeper):
        def verdict(self) -> kh.Verdict:
            return kh.Verdict.of("keeper", {}, [kh.Finding("keeper", "bad", kh.Severity.ERROR)])

    assert replay(Fails).verdict is kh.Validity.INVALID


@pytest.mark.parametrize("method", ["on_rows", "rows_until_flush", "on_close", "verdict"])
def test_one_that_raises_is_unknown_and_the_others_get_everything(method: str) -> None:
    class Raises(Keeper):
        def __getattribute__(self, name: str) -> Any:
            if name == method:
                return _raise
            return super().__getattribute__(name)

    run = replay(lambda: Raises("raises"), Keeper)
    assert checks(run)["raises"].validity is kh.Validity.UNKNOWN
    (finding,) = checks(run)["raises"].findings
    assert finding.evidence["error"] == "RuntimeError: planted"
    assert checks(run)["keeper"].counts == {"klines": 1440}
    assert run.verdict is kh.Validity.UNKNOWN


def _raise(*_: Any) -> Any:
    raise RuntimeError("planted")


def test_one_that_answers_under_another_name_is_unknown() -> None:
    class Renamed(Keeper):
        def verdict(self) -> kh.Verdict:
            return kh.Verdict.of("somebody", {}, ())

    assert checks(replay(Renamed))["keeper"].validity is kh.Validity.UNKNOWN


def test_what_it_missed_stands_in_the_channels_and_the_run_is_unknown() -> None:
    # A kline of each interval at midnight: more at one instant than a channel of one holds.
    run = replay(Keeper, intervals="1m,1h", channels=kh.ChannelOptions(klines=1))
    (keeper,) = run.consumers
    assert isinstance(keeper, Keeper)
    assert keeper.missed > 0
    assert len(keeper.rows) + keeper.missed == 1440 + 24
    lost = [one for one in checks(run)["channels"].findings if one.kind == "lost"]
    assert {one.evidence["consumer"]: one.evidence["lost"] for one in lost}[
        "keeper"
    ] == keeper.missed


def test_control_runs_of_faults_have_consumers_of_their_own(tmp_path: Path) -> None:
    made: list[Keeper] = []

    def make() -> Keeper:
        made.append(Keeper())
        return made[-1]

    path = tmp_path / "faults.toml"
    path.write_text('intervals = ["1m"]\n[[faults]]\nkind = "drop_trades"\nnumber = 3\n')
    run = kh.replay(TRADES, scenario=path, consumers=[make])
    assert len(made) > 1
    assert run.consumers == (made[0],)
    assert len(made[0].rows) == 1440


class Bare:
    name = "bare"
    timer_period_ns = None


def _period(period_ns: Any) -> Callable[[], Keeper]:
    class Timed(Keeper):
        timer_period_ns = period_ns

    return Timed


@pytest.mark.parametrize(
    ("consumers", "said"),
    [
        ([Bare], "consumer Bare: expected the methods .* found none named on_rows, on_lag"),
        ([lambda: Keeper("writer")], "'writer': expected a name of its own"),
        ([Keeper, Keeper], "found two 'keeper'"),
        ([lambda: Keeper("")], "expected a name as text, found ''"),
        ([_raise], "could not be made: RuntimeError: planted"),
        ([_period(0)], "timer_period_ns in whole nanoseconds above 0, or None, found 0"),
        ([_period(1.5)], "found 1.5"),
    ],
)
def test_what_is_no_consumer_is_refused(consumers: list[Any], said: str) -> None:
    with pytest.raises(kh.UsageError, match=said):
        replay(*consumers)


def test_no_check_of_a_run_has_a_name_left_for_a_consumer() -> None:
    run = kh.replay(TRADES, klines=KLINES, intervals="1m")
    assert set(checks(run)) <= CHECK_IDS
