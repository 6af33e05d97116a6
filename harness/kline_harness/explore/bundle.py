"""A repro bundle: the slice of trades, the scenario and the expected finding, to be replayed."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from kline_harness.columns import Instrument
from kline_harness.errors import InputError, UsageError
from kline_harness.explore.judge import Judge
from kline_harness.explore.shrink import Shrunk
from kline_harness.explore.subjects import Explored
from kline_harness.faults.catalogue import to_table
from kline_harness.replay.assembly import NONE, Substitutions
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.scenario_file import load_scenario
from kline_harness.replay.trade_set import TradeSet
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import format_exact, parse_exact, rescale
from kline_harness.versions import versions_of
from kline_harness.whole_file import write_json

SCHEMA = "kline-harness/bundle/1"
COLUMNS = (
    *("symbol", "trade_id", "price", "quantity", "quote", "first_id", "last_id"),
    *("event_time_ns", "arrival_ns", "buyer_is_maker", "kind"),
)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What a bundle's replay found, and what it should have found."""

    expected: str
    found: tuple[str, ...]

    @property
    def reproduced(self) -> bool:
        """Tell whether the expected violation showed."""
        return self.expected in self.found


def write_bundle(directory: Path, name: str, shrunk: Shrunk) -> None:
    """Write a bundle for the subject with a name."""
    directory.mkdir(parents=True, exist_ok=True)
    trade_set = shrunk.trade_set
    _write_tape(directory / "trades.csv", trade_set.tape)
    text = to_toml(shrunk.scenario)
    (directory / "scenario.toml").write_text(text, encoding="utf-8")
    content = {
        "schema": SCHEMA,
        "subject": name,
        "seed": shrunk.scenario.seed,
        "expected": {
            "check": shrunk.violation.check,
            "kind": shrunk.violation.kind,
            "evidence": shrunk.violation.evidence,
        },
        "faults": len(shrunk.scenario.faults),
        "trades": len(trade_set.tape),
        "delay_ns": trade_set.delay_ns,
        "latency_max_ns": trade_set.latency_max_ns,
        "until_ns": trade_set.until_ns,
        "versions": versions_of(),
    }
    write_json(directory / "bundle.json", content)


def reproduce(directory: Path, substitutions: Substitutions = NONE) -> Reproduction:
    """Replay a bundle, with the substitutions of its subject.

    Raises UserError where it is not a bundle.
    """
    path = directory / "bundle.json"
    if not path.is_file():
        raise UsageError(f"{directory}: expected a bundle of explore, a folder with bundle.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        expected = f"{content['expected']['check']}.{content['expected']['kind']}"
        name, until_ns = content["subject"], content["until_ns"]
        delay_ns, latency_ns = content["delay_ns"], content["latency_max_ns"]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"a bundle of schema {SCHEMA}", str(error)) from error
    subject = Explored(name, substitutions)
    scenario = subject.scenario(load_scenario(directory / "scenario.toml"))
    trade_set = TradeSet(read_tape(directory / "trades.csv"), delay_ns, latency_ns, until_ns)
    judged = Judge(trade_set, substitutions).judge(scenario)
    return Reproduction(expected, tuple(violation.name for violation in judged.violations))


def to_toml(scenario: Scenario) -> str:
    """Write a scenario as TOML, without what is the default; times are nanoseconds."""
    default, lines = Scenario(), []
    tables = {}
    given = {"intervals": [interval.text for interval in scenario.intervals]}
    for name in ("aggregator", "seed", "fidelity"):
        if getattr(scenario, name) != getattr(default, name):
            given[name] = getattr(scenario, name)
    for name in ("clock", "channels", "writer"):
        mine, plain = getattr(scenario, name), getattr(default, name)
        tables[name] = {
            one: getattr(mine, one)
            for one in mine.__dataclass_fields__
            if getattr(mine, one) != getattr(plain, one)
        }
    lines += [f"{key} = {_toml(value)}" for key, value in given.items()]
    for name, table in tables.items():
        if table:
            lines += ["", f"[{name}]"]
            lines += [f"{k.removesuffix('_ns')} = {_toml(v)}" for k, v in table.items()]
    for fault in scenario.faults:
        lines += ["", "[[faults]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in to_table(fault).items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, Enum):
        value = value.value
    return json.dumps(value)


def _write_tape(path: Path, tape: Tape) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in range(len(tape)):
            instrument = tape.instruments[int(tape.symbol[row])]
            writer.writerow(
                [
                    instrument.symbol,
                    tape.trade_id[row],
                    format_exact(tape.price[row], instrument.price_scale),
                    format_exact(tape.quantity[row], instrument.quantity_scale),
                    format_exact(tape.quote[row], instrument.quote_scale),
                    *(getattr(tape, n)[row] for n in ("first_id", "last_id")),
                    *(getattr(tape, n)[row] for n in ("event_time_ns", "arrival_ns")),
                    "true" if tape.buyer_is_maker[row] else "false",
                    TradeKind(int(tape.kind[row])).name.lower(),
                ]
            )


def read_tape(path: Path) -> Tape:
    """Read a bundle's trades.

    Raises InputError where they are not as written.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return _tape(rows)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except (KeyError, ValueError) as error:
        raise InputError(path, f"the columns {','.join(COLUMNS)}", str(error)) from error


def _tape(rows: list[dict[str, str]]) -> Tape:
    exact = {n: [parse_exact(row[n]) for row in rows] for n in ("price", "quantity", "quote")}
    symbols = list(dict.fromkeys(row["symbol"] for row in rows))
    scales = {
        symbol: [
            max(exact[n][k][1] for k, row in enumerate(rows) if row["symbol"] == symbol)
            for n in ("price", "quantity", "quote")
        ]
        for symbol in symbols
    }
    columns: dict[str, Any] = {
        "symbol": np.array([symbols.index(row["symbol"]) for row in rows], dtype=np.int16),
        "buyer_is_maker": np.array([row["buyer_is_maker"] == "true" for row in rows]),
        "kind": np.array([TradeKind[row["kind"].upper()] for row in rows], dtype=np.int8),
    }
    for place, name in enumerate(("price", "quantity", "quote")):
        columns[name] = np.concatenate(
            [
                rescale(np.array([value], dtype=np.int64), scales[row["symbol"]][place] - scale)
                for (value, scale), row in zip(exact[name], rows, strict=True)
            ]
        )
    for name in ("trade_id", "first_id", "last_id", "event_time_ns", "arrival_ns"):
        columns[name] = np.array([int(row[name]) for row in rows], dtype=np.int64)
    return Tape.build(tuple(Instrument(s, *scales[s]) for s in symbols), columns)
