"""The public names, and what a Python caller gets: held to the exchange's own files."""

from __future__ import annotations

import csv
import gc
import gzip
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import kline_harness as kh
import pytest

ROOT = Path(__file__).resolve().parents[1]
STREAM = ROOT / "fixtures" / "um-stream"
TRADES = STREAM / "ALFAUSDT-trade-stream.txt.gz"
KLINES = STREAM / "ALFAUSDT-1m-2024-05-15.csv"
DECIMALS = (
    *("open", "high", "low", "close", "volume", "quote_volume"),
    *("taker_buy_volume", "taker_buy_quote_volume"),
)
# The recording begins and ends inside of these minutes.
CUT = {datetime(2024, 5, 15, 11, 54, tzinfo=UTC), datetime(2024, 5, 15, 12, 4, tzinfo=UTC)}


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def exchange_rows() -> list[dict[str, Any]]:
    """Return the exchange's klines, read by csv and Decimal."""
    with KLINES.open() as file:
        rows = list(csv.DictReader(file))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return [
        {
            "open_time": epoch + timedelta(milliseconds=int(row["open_time"])),
            "close_time": epoch + timedelta(milliseconds=int(row["close_time"]) + 1),
            "count": int(row["count"]),
            **{name: Decimal(row[name]) for name in DECIMALS},
        }
        for row in rows
    ]


@pytest.fixture(scope="module")
def run() -> kh.Replayed:
    return kh.replay(str(TRADES), klines=[KLINES], intervals="1m", expectations=False)


# --- names -------------------------------------------------------------------------------------


def test_every_public_name_is_there_and_in_the_table_of_contents() -> None:
    names = [name for name in kh.__all__ if name != "__version__"]
    assert [name for name in names if getattr(kh, name, None) is None] == []
    listed = re.findall(r"^    (\w+) {2,}\S", kh.__doc__ or "", re.M)
    assert sorted(listed) == sorted(names)
    assert set(kh.__all__) <= set(dir(kh))


def test_the_stub_for_type_checkers_has_the_same_names() -> None:
    package = Path(kh.__file__ or "").parent
    assert (package / "py.typed").is_file()
    stub = (package / "__init__.pyi").read_text()
    pairs = re.findall(r"^from kline_harness\.([\w.]+) import (\w+) as (\w+)$", stub, re.M)
    assert sorted(name for _, name, shown in pairs if name == shown) == sorted(
        name for name in kh.__all__ if name != "__version__"
    )
    for module, name, _ in pairs:
        home = sys.modules.get(f"kline_harness.{module}") or __import__(
            f"kline_harness.{module}", fromlist=[name]
        )
        assert getattr(home, name) is getattr(kh, name)


def test_importing_the_package_imports_nothing_else() -> None:
    found = python("import kline_harness", "-X", "importtime").stderr
    names = {line.rpartition("|")[2].strip() for line in found.splitlines()}
    assert {name for name in names if name.startswith("kline_harness")} == {"kline_harness"}
    assert names & {"numpy", "pyarrow", "pandas", "dataclasses", "inspect", "typing"} == set()


def test_the_verb_replay_is_never_hidden_by_the_room_of_its_name() -> None:
    code = "import kline_harness.replay.scenario, kline_harness as kh; print(kh.replay.__module__)"
    assert python(code).stdout.strip() == "kline_harness.api"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rplay'"):
        kh.rplay  # type: ignore[attr-defined]  # noqa: B018


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "kline_harness", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"kline-harness {kh.__version__}"


# --- a replay ----------------------------------------------------------------------------------


def test_a_replay_gives_the_exchanges_klines_exactly(run: kh.Replayed) -> None:
    assert run.verdict is kh.Validity.VALID
    assert run.exit_code == 0
    frame = run.klines.to_pandas()
    assert str(frame["open_time"].dt.tz) == "UTC"
    ours = {row["open_time"].to_pydatetime(): row for row in frame.to_dict("records")}
    theirs = {row["open_time"]: row for row in exchange_rows()}
    assert ours.keys() == theirs.keys()
    for time in theirs.keys() - CUT:
        for name, value in theirs[time].items():
            assert ours[time][name] == value, (time, name)
        assert isinstance(ours[time]["volume"], Decimal)


def test_differences_are_those_at_the_recordings_edges(run: kh.Replayed) -> None:
    frame = run.differences.to_pandas()
    theirs = {row["open_time"]: row for row in exchange_rows()}
    assert {time.to_pydatetime() for time in frame["open_time"]} == CUT
    for row in frame.to_dict("records"):
        there = theirs[row["open_time"].to_pydatetime()]
        assert {row[f"theirs_{name}"] - there[name] for name in DECIMALS} == {0}
        assert row["ours_volume"] < row["theirs_volume"]


def test_findings_and_checks_can_be_looked_into(run: kh.Replayed) -> None:
    assert {check.check for check in run.checks} >= {"ledger", "completeness", "comparison"}
    assert len(run.findings) == sum(len(check.findings) for check in run.checks)
    frame = run.findings.to_pandas()
    edges = frame[frame["kind"] == "consistent_edge"]
    assert {time.to_pydatetime() for time in edges["open_time"]} == CUT
    assert "11:54:00Z" in edges["sentence"].iloc[0]
    assert "11:54:00Z" in repr(run.findings)
    assert "{" not in repr(run.findings)


def test_what_a_person_sees_of_a_replay(run: kh.Replayed) -> None:
    assert repr(run).startswith("Valid: 2,016 trades of 1 symbol made 11 final klines")
    assert "  completeness: valid" in repr(run)
    assert "<td>comparison</td><td>valid</td>" in run._repr_html_()
    assert repr(run.klines) == "<KlineTable: 11 klines, ALFAUSDT, 1m>"
    assert "and 1 more" in run.klines._repr_html_()
    assert "145.447" in run.klines._repr_html_()


def test_klines_can_be_selected_and_given_to_other_libraries(run: kh.Replayed) -> None:
    import polars

    assert len(run.klines.select("ALFAUSDT", "1m")) == len(run.klines) == 11
    assert len(run.klines.select(interval="5m")) == 0
    frame = polars.DataFrame(run.klines)
    there = sum(row["volume"] for row in exchange_rows() if row["open_time"] not in CUT)
    inside = frame.filter(~polars.col("open_time").is_in(sorted(CUT)))
    assert inside["volume"].sum() == there


def test_a_run_folder_that_nobody_named_goes_with_its_result() -> None:
    run = kh.replay(TRADES, intervals="1m", audit="off")
    folder, klines = run.directory, run.klines
    assert (folder / "run.json").is_file()
    assert not (folder / "report.html").exists()
    assert run.report.is_file()
    del run
    gc.collect()
    assert not folder.parent.exists()
    assert klines.to_pandas()["count"].sum() > 0


def test_a_run_folder_that_was_named_stays_and_has_its_page(tmp_path: Path) -> None:
    run = kh.replay([TRADES], intervals=["1m", "5m"], audit="off", out=tmp_path / "run", seed=3)
    assert run.directory == tmp_path / "run"
    record = json.loads(run.record.read_text())
    assert record["scenario"]["seed"] == 3
    assert record["command"] == "kline_harness.replay(['ALFAUSDT-trade-stream.txt.gz'])"
    del run
    gc.collect()
    assert (tmp_path / "run" / "report.html").is_file()


def test_nothing_is_left_of_a_replay_that_cannot_be(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(kh.UserError):
        kh.replay(tmp_path / "absent.zip")
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_may_be_given_and_changed() -> None:
    scenario = kh.Scenario(audit=kh.Audit.OFF, seed=7)
    run = kh.replay(TRADES, scenario=scenario, intervals="3m")
    record = json.loads(run.record.read_text())["scenario"]
    assert (record["seed"], record["audit"], record["intervals"][0]["text"]) == (7, "off", "3m")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interval": "1m"}, "unknown option 'interval': expected one of intervals, "),
        ({"audit": "loud"}, "audit: expected full or off, found 'loud'"),
        ({"intervals": "7m"}, "7m"),
        ({"aggregator": "klug"}, "unknown aggregator 'klug'"),
        ({"aggregator": 3}, "aggregator: expected exact, .* found int"),
        ({"klines": 3}, "expected a path or a list of paths, found 3"),
    ],
)
def test_what_does_not_fit_is_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(kh.UserError, match=message):
        kh.replay(TRADES, **options)


# --- an aggregator of one's own ----------------------------------------------------------------


class LateClose:
    """The exact aggregator but for one field: every close is a tick too high."""

    def __init__(self, intervals: Sequence[kh.Interval]) -> None:
        from kline_harness.aggregators.exact import ExactAggregator

        self._exact = ExactAggregator(tuple(intervals))

    def advance(self, feed: kh.FeedSlice) -> kh.Emission:
        return self._changed(self._exact.advance(feed))

    def finish(self, at_ns: int) -> kh.Emission:
        return self._changed(self._exact.finish(at_ns))

    def accounts(self) -> Any:
        return self._exact.accounts()

    def _changed(self, emission: kh.Emission) -> kh.Emission:
        klines = emission.klines.with_columns({"close": emission.klines.close + 1})
        return kh.Emission(klines, emission.events)


def test_an_aggregator_may_be_a_class_or_an_object() -> None:
    from kline_harness.aggregators.exact import ExactAggregator

    minute = (kh.parse_interval("1m"),)
    for given in (ExactAggregator, ExactAggregator(minute)):
        run = kh.replay(TRADES, klines=KLINES, aggregator=given, intervals="1m", audit="off")
        assert run.verdict is kh.Validity.VALID
    for broken in (LateClose, LateClose(minute)):
        run = kh.replay(TRADES, klines=KLINES, aggregator=broken, intervals="1m", audit="off")
        assert run.verdict is kh.Validity.INVALID
        assert len(run.differences) == 11


# --- the other verbs ---------------------------------------------------------------------------


def test_compare_takes_a_replay_or_files(run: kh.Replayed, tmp_path: Path) -> None:
    same = kh.compare(KLINES, KLINES)
    assert "11 identical" in same.sentence
    assert len(same.differences) == 0
    changed = tmp_path / KLINES.name
    text = KLINES.read_text().replace("145.447", "145.448")
    changed.write_text(text)
    found = kh.compare(str(changed), [str(KLINES)])
    assert found.verdict is kh.Validity.INVALID
    (row,) = found.differences.to_pandas().to_dict("records")
    assert (row["ours_volume"], row["theirs_volume"]) == (Decimal("145.448"), Decimal("145.447"))
    assert len(kh.compare(run, KLINES).differences) == len(CUT)


def test_inspect_names_what_is_wrong(tmp_path: Path) -> None:
    lines = KLINES.read_text().splitlines(keepends=True)
    gap = tmp_path / KLINES.name
    gap.write_text("".join(lines[:4] + lines[5:]))
    found = kh.inspect([gap, TRADES])
    assert found.verdict is kh.Validity.INVALID
    assert KLINES.name in found.sentence
    assert found.to_dict()["verdict"] == "invalid"
    assert set(found.findings.to_pandas()["severity"]) >= {"error"}


def test_trades_are_read_as_they_are_written() -> None:
    with gzip.open(TRADES, "rt") as file:
        messages = [json.loads(line.partition(" ")[2]) for line in file]
    events = [message.get("data", message) for message in messages]
    trades = {event["t"]: event for event in events if event.get("e") == "trade"}
    tape = kh.read_trades(TRADES)
    rows = tape.to_pandas().to_dict("records")
    assert {row["trade_id"] for row in rows} == trades.keys()
    for row in rows:
        there = trades[row["trade_id"]]
        assert row["price"] == Decimal(there["p"])
        assert row["quantity"] == Decimal(there["q"])
        assert row["buyer_is_maker"] == there["m"]
        assert row["event_time"].value == there["T"] * 1_000_000
    assert repr(tape).startswith("<Tape: 2,016 trades of ALFAUSDT, 2024-05-15T11:54:27.674Z to ")
    assert repr(tape[:0]) == "<Tape: 0 trades of ALFAUSDT>"


def test_klines_are_read_as_they_are_written() -> None:
    klines = kh.read_klines(KLINES, interval="1m")
    rows = klines.to_pandas().to_dict("records")
    for row, there in zip(rows, exchange_rows(), strict=True):
        assert {name: row[name] for name in there} == there
    assert repr(klines.batch).startswith("<KlineBatch: 11 klines of ALFAUSDT, 1m, opened 2024-05-")


def test_fields_that_a_file_lacks_are_not_made_up(tmp_path: Path) -> None:
    file = tmp_path / "ALFAUSDT-1m-2024-05-15.csv"
    file.write_text("open_time,open,high,low,close,volume\n1715774040000,1,2,1,2,3\n")
    columns = kh.read_klines(file).to_pandas().columns
    assert list(columns[4:]) == ["open", "high", "low", "close", "volume"]


def test_contracts_have_a_size_in_python_too(tmp_path: Path) -> None:
    """A contract of 10 USD: quotes in the base asset are within volume x 10 / price."""
    header = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore"
    )
    path = tmp_path / "FOXUSD-1m.csv"
    row = "1721339400000,20,25,20,25,100,1721339459999,45,2,100,45,0"
    path.write_text(f"{header}\n{row}\n")
    for size, verdict in (("10", "valid"), (Decimal(10), "valid"), ("100", "invalid")):
        assert kh.inspect(path, contract_size=size).verdict.value == verdict
        found = kh.compare(path, path, contract_size=size)
        assert found.verdict.value == verdict
    with pytest.raises(kh.UserError, match="contract size"):
        kh.inspect(path, contract_size="0")
