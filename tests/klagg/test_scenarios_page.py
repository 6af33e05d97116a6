"""The page on scenario files: every example runs, and its figures are those of a replay."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from kline_harness.checks.channels import lost_klines
from kline_harness.errors import InputError, UsageError
from kline_harness.kline import KlineBatch
from kline_harness.replay import replay as run
from kline_harness.replay.scenario import CONSUMERS, Scenario
from kline_harness.replay.scenario_file import decode_scenario, load_scenario, scenario_of
from kline_harness.simulation.records import ChannelRecord, ConsumerRecord
from kline_harness.simulation.simulation import Simulation

from tests.klagg.made import FOLDER
from tests.klagg.queued import Queued

FIXTURES = FOLDER.parent
PAGE = FIXTURES.parent / "docs" / "scenarios.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
STREAM = FIXTURES / "um-stream" / "ALFAUSDT-trade-stream.txt.gz"
DAY = FIXTURES / "um-day" / "ALFAUSDT-aggTrades-2024-05-15.zip"


@pytest.mark.unbalanced
@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_runs(number: int, tmp_path: Path) -> None:
    options = decode_scenario(tomllib.loads(EXAMPLES[number]), "example")
    assert not options.expectations
    outcome = run(options, [STREAM], [], tmp_path / "run", command="", report=False)
    assert outcome.klines > 0


def figures(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Return the table of the last example with both designs, each consumer's finals by fate."""
    carried: list[ChannelRecord] = []
    simulate = Simulation.run

    def kept(self: Simulation, *arguments: object) -> list[ChannelRecord]:
        records = simulate(self, *arguments)  # type: ignore[arg-type]
        carried.append(records[0])
        return records

    monkeypatch.setattr(Simulation, "run", kept)
    base = decode_scenario(tomllib.loads(EXAMPLES[-1]), "example")
    lines = ["| design | consumer | received | lost | of these |", "|---|---|---|---|---|"]
    designs = (("mpsc", "writer"), ("mpsc", "completeness"), ("broadcast", "writer"))
    for design, sole in designs:
        channels = replace(base.channels, design=design, sole_consumer=sole)
        options = replace(base, channels=channels, subject=Queued())
        run(options, [DAY], [], folder / design / sole, command="", report=False)
        name = design + (f" to the {sole}" if design == "mpsc" else "")
        for consumer in carried[-1].consumers:
            lines.append(_line(name, carried[-1], consumer))
    return lines


def _line(name: str, channel: ChannelRecord, consumer: ConsumerRecord) -> str:
    lost = channel.published - consumer.delivered
    which = "not connected" if not consumer.connected else _span(lost_klines(consumer))
    return f"| {name} | {consumer.name} | {consumer.delivered:,} | {lost:,} | {which} |"


def _span(lost: KlineBatch) -> str:
    if not len(lost):
        return ""
    first, last = (str(lost.at_ns[k].astype("datetime64[ns]"))[11:16] for k in (0, -1))
    return f"published {first} to {last}"


@pytest.mark.unbalanced
def test_the_figures_are_those_of_a_replay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "\n".join(figures(monkeypatch, tmp_path)) in PAGE.read_text(encoding="utf-8")


# --- errors, and options before the file ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("agregator = 'klagg'", "unknown key 'agregator'"),
        (
            "aggregator = 'klag'",
            "unknown aggregator 'klag': expected exact, klagg, module:Class",
        ),
        ("aggregator = 'klagg'\n[klagg]\nquirks = ['Q99']", "unknown quirk 'Q99'"),
        ("[klagg]\nquirks = ['Q01']", "unknown key 'klagg'"),
        ("aggregator = 'klagg'\n[klag]", "unknown key 'klag': expected one of intervals"),
        (
            "aggregator = 'klagg'\n[[commands]]\nat = 5\nremove = 'A'\nopen = '1'",
            "commands[0]: open: expected of a symbol to add alone",
        ),
        (
            "aggregator = 'klagg'\n[[commands]]\nat = 5\nadd = 'A'\nopne = '1'",
            "commands[0]: unknown key 'opne'",
        ),
        ("[[commands]]\nadd = 'A'", "missing key at"),
        ("aggregator = 'klagg'\n[[commands]]\nat = 5", "either to add or to remove"),
        ("[[commands]]\nat = 5\nadd = 'A'", "the exact aggregator takes none"),
        (
            "aggregator = 'klagg'\n[gateway]\npull_timeout = '1s'",
            "pull_timeout above zero and below pull_period",
        ),
        ("[channels]\ndesign = 'spmc'", "expected one of broadcast beside the aggregator exact"),
        (
            "aggregator = 'klagg'\n[channels]\ndesign = 'spmc'",
            "expected one of broadcast, mpsc beside the aggregator klagg",
        ),
        ("[channels]\nklines = 0", "expected capacities above zero"),
        ("[[outages]]\nfrom = 5\nuntil = 5", "an outage that ends after it begins"),
        ("[loop]\nbusy = [{ from = 5, until = 4 }]", "a window that ends after it begins"),
        ("[clock]\nperiod = '0s'", "expected a period of at least 1ms"),
        ("[clock]\ngrace = 'soon'", "clock.grace: expected a duration"),
        (
            "[[outages]]\nfrom = '2024-05-15T00:01:00'\nuntil = 5",
            "an instant with its offset such as 2024-05-15T00:01:00Z, or nanoseconds, found '2024-",
        ),
        (
            "[[outages]]\nfrom = 2024-05-15T00:01:00\nuntil = 5",
            "an instant with its offset such as 2024-05-15T00:01:00Z, or nanoseconds, found 2024-",
        ),
        ("[[outages]]\nfrom = '2024-02-30T00:00:00Z'\nuntil = 5", "found '2024-02-30"),
        ("[writer]\nbuffer_rows = 0", "above zero"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(says)):
        load_scenario(path).check()


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        ("2024-05-15T00:01:00Z", 1_715_731_260_000_000_000),
        ("'2024-05-15T00:01:00Z'", 1_715_731_260_000_000_000),
        ("'2024-05-15T02:01:00+02:00'", 1_715_731_260_000_000_000),
        ("'2024-05-15T00:01:00.000000007Z'", 1_715_731_260_000_000_007),
    ],
)
def test_an_instant_is_the_same_in_quotes(written: str, ns: int, tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text(f"[[outages]]\nfrom = 1\nuntil = {written}", encoding="utf-8")
    assert load_scenario(path).outages[0].until_ns == ns


def test_what_is_not_toml_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text("aggregator = ", encoding="utf-8")
    with pytest.raises(InputError, match="expected TOML"):
        load_scenario(path)


def test_options_come_before_the_files_own(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_text('seed = 3\nsymbol = "ALFAUSDT"\n[gateway]', encoding="utf-8")
    options = scenario_of(path, aggregator="klagg", seed=4, symbol=None)
    assert (options.aggregator, options.seed, options.symbol) == ("klagg", 4, "ALFAUSDT")
    with pytest.raises(UsageError, match="unknown key 'gateway'"):
        scenario_of(path)
    assert scenario_of(None) == Scenario()


def test_a_scenario_is_told_whole() -> None:
    told = scenario_of(None, aggregator="klagg").to_dict()
    assert told["klagg"]["quirks"] == "faithful"
    assert told["clock"]["period_ns"] == 60_000_000_000
    assert told["channels"]["design"] == "broadcast"
    assert CONSUMERS == ("writer", "completeness", "lifecycle")
