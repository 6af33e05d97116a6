"""Random pairs of recorded trades and klines: true ones to be explained, wrong ones to be found.

A world is drawn: an invented market's half hour, what of it was recorded and how, and what the
exchange's files say. The tape comes from `tests.market`, the right klines from `tests.oracle`,
the judgement from the command itself. Of every world one wrong copy is made: one thing in the
klines that what was recorded contradicts.

    python -m tests.comparison.pairs [PAIRS] [FIRST_SEED]
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow.parquet as pq

from tests.comparison import wrong
from tests.market import ALFA, DAY, MINUTE, Fill, Market, aggregates, fills
from tests.market_files import (
    AGGREGATES_HEADER,
    KLINES_HEADER,
    TRADES_HEADER,
    Message,
    decimal,
    oracle_trades,
    received,
    stream_line,
)
from tests.oracle import OracleKline, OracleTrade, klines, open_time
from tests.replays import replay

NS = 1_000_000
INTERVALS = ("1m", "3m", "5m", "15m")
FIRST_MINUTE, MINUTES = 12 * 60, 30
_UNIT = Decimal("0.00000001")
_SOURCES = ("trades", "aggTrades", "recording")


@dataclass
class World:
    """What happened, what of it was recorded, and the exchange's klines by interval."""

    market: Market
    source: str
    happened: list[Fill]
    recorded: list[Fill] = field(default_factory=list)
    lost: frozenset[int] = frozenset()
    late: frozenset[int] = frozenset()
    counted: bool = False
    saved_at: int | None = None
    start: int = 0
    end: int = 2**62
    intervals: tuple[str, ...] = INTERVALS

    def causes(self) -> set[str]:
        """The causes that can make a difference in this world."""
        named = {
            "straddling_aggregate": self.source == "aggTrades",
            "quote_rounding": _decimals(self.market) > 8,
            "missing_trade_ids": bool(self.lost),
            "edge": True,
            "late_trade": bool(self.late),
            "fund_trade": self.counted,
            "forming_row": self.saved_at is not None,
        }
        return {name for name, there in named.items() if there}

    def quotes_are_bounded(self) -> bool:
        """Whether the raw trades behind rounded quote quantities are not known."""
        return self.source == "aggTrades" and _decimals(self.market) > 8

    def exchange_trades(self) -> list[OracleTrade]:
        """The trades that are in the exchange's klines."""
        trades = oracle_trades(self.market, self.happened)
        if self.counted:
            trades = [replace(trade, kind="MARKET") for trade in trades]
        trades = [trade for trade in trades if trade.kind == "MARKET"]
        if _decimals(self.market) > 8:
            # The exchange states quote quantities to eight decimals, rounded trade by trade.
            trades = [
                replace(t, quote_quantity=t.quote.quantize(_UNIT, ROUND_HALF_UP)) for t in trades
            ]
        return trades

    def exchange_klines(self, trades: list[OracleTrade]) -> dict[str, list[OracleKline]]:
        """The exchange's files by interval, the last row still forming if they were saved then."""
        if self.saved_at is not None:
            trades = [trade for trade in trades if trade.time_ns <= self.saved_at * NS]
        return {interval: klines(trades, interval) for interval in self.intervals}

    def unseen_minutes(self) -> set[int]:
        """The minutes, in ns, in which a trade or an id is missing in what was recorded.

        A fund trade that a source leaves out uses up an id too: what may have been there instead
        cannot be told by anybody.
        """
        unseen = {fill.time for fill in self.happened} - {fill.time for fill in self.recorded}
        unseen |= {fill.time for fill in self.happened if fill.id in self.lost}
        for before, after in pairwise(sorted(self.recorded, key=lambda fill: fill.id)):
            if after.id > before.id + 1:
                unseen |= set(range(before.time, after.time + MINUTE, MINUTE)) | {after.time}
        first, last = self.recorded[0].time // MINUTE, self.recorded[-1].time // MINUTE
        every = range(DAY // MINUTE + FIRST_MINUTE, DAY // MINUTE + FIRST_MINUTE + MINUTES)
        unseen |= {minute * MINUTE for minute in every if not first < minute < last}
        return {open_time("1m", time * NS) for time in unseen}


def _decimals(market: Market) -> int:
    return market.price_decimals + market.quantity_decimals


def draw(seed: int) -> World:
    """Draw a world; every cause is there about as often as not."""
    rng = Random(seed)
    minutes = range(FIRST_MINUTE, FIRST_MINUTE + MINUTES)
    decimals = rng.choice(((2, 3), (2, 3), (5, 5)))
    market = replace(
        ALFA,
        price_decimals=decimals[0],
        quantity_decimals=decimals[1],
        quiet=frozenset(set(range(1440)) - set(minutes) | set(rng.sample(minutes, 3))),
        edges=tuple(rng.sample(minutes, 5)),
        sweeps=((rng.choice(minutes) * MINUTE + rng.randrange(MINUTE), 30),),
        busy=range(rng.choice(minutes), FIRST_MINUTE + MINUTES, 7),
        fund_at=DAY + rng.choice(minutes) * MINUTE + 20_500,
    )
    opened = DAY + FIRST_MINUTE * MINUTE
    happened = [f for f in fills(market, rng) if opened <= f.time < opened + MINUTES * MINUTE]
    world = World(market, rng.choice(_SOURCES), happened)
    if rng.random() < 0.5:
        first = rng.randrange(10, len(happened) - 10)
        some = rng.choice((range(first, first + rng.randrange(2, 9)), (first,)))
        world.lost = frozenset(happened[place].id for place in some)
    if rng.random() < 0.4:
        world.start = opened + rng.randrange(3 * MINUTE)
        world.end = opened + MINUTES * MINUTE - rng.randrange(3 * MINUTE)
    if rng.random() < 0.25:
        world.saved_at = opened + (MINUTES - 5) * MINUTE + rng.randrange(4 * MINUTE)
    if rng.random() < 0.4:
        # Without files of other intervals nothing else speaks for a kline or against it.
        world.intervals = (rng.choice(INTERVALS),)
    world.counted = world.source == "recording" and rng.random() < 0.5
    return _recorded(world, rng)


def _recorded(world: World, rng: Random) -> World:
    kept = [f for f in world.happened if world.start <= f.time < world.end]
    kept = [f for f in kept if f.id not in world.lost]
    world.recorded = kept if world.source == "recording" else _of_market(kept)
    if world.source == "aggTrades":
        world.recorded = [fill for _, group in _groups(world) for fill in group]
    if world.source == "recording" and rng.random() < 0.6:
        lasts = {f.time // MINUTE: f.id for f in world.recorded if f.kind == "MARKET"}
        world.late = frozenset(rng.sample(sorted(lasts.values())[:-2], 2))
    return world


def _groups(world: World) -> Iterator[tuple[int, list[Fill]]]:
    """Yield the aggregates that were recorded, each whole or not at all."""
    groups = aggregates(world.happened, split_minutes=False)
    for number, group in enumerate(groups, world.market.first_aggregate_id):
        whole = all(fill.id not in world.lost for fill in group)
        if whole and world.start <= group[0].time < world.end:
            yield number, group


def _of_market(tape: list[Fill]) -> list[Fill]:
    return [fill for fill in tape if fill.kind == "MARKET"]


def write_trades(world: World, folder: Path) -> Path:
    """Write what was recorded, in the format of the world's source."""
    market, name = world.market, world.market.symbol
    if world.source == "recording":
        path = folder / f"{name}-trade-stream.txt"
        messages = received(world.recorded, Random(1))
        messages = [_delayed(m) if m.fill.id in world.late else m for m in messages]
        messages.sort(key=lambda message: message.received_ns)
        path.write_text("".join(f"{stream_line(market, m)}\n" for m in messages))
        return path
    path = folder / f"{name}-{world.source}.csv"
    if world.source == "trades":
        rows = [TRADES_HEADER]
        for trade, fill in zip(oracle_trades(market, world.recorded), world.recorded, strict=True):
            side = str(fill.sell).lower()
            price, size = f"{trade.price:f}", f"{trade.quantity:f}"
            rows.append(f"{fill.id},{price},{size},{trade.quote:f},{fill.time},{side}")
    else:
        rows = list(_aggregate_rows(world))
    path.write_text("\n".join(rows) + "\n")
    return path


def _delayed(message: Message) -> Message:
    """Let a message come three seconds after its minute was over."""
    over = (message.fill.time // MINUTE + 1) * MINUTE + 3_000
    return replace(message, received_ns=over * NS + message.received_ns % NS)


def _aggregate_rows(world: World) -> Iterator[str]:
    market = world.market
    yield AGGREGATES_HEADER
    for number, group in _groups(world):
        first, last = group[0], group[-1]
        price = decimal(first.price, market.price_decimals)
        size = decimal(sum(fill.quantity for fill in group), market.quantity_decimals)
        side = str(first.sell).lower()
        yield f"{number},{price:f},{size:f},{first.id},{last.id},{first.time},{side}"


def write_klines(
    market: Market, files: Mapping[str, list[OracleKline]], folder: Path
) -> list[Path]:
    """Write the exchange's files."""
    paths = []
    for interval, rows in files.items():
        path = folder / f"{market.symbol}-{interval}.csv"
        lines = [KLINES_HEADER, *map(_kline_row, rows)]
        path.write_text("\n".join(lines) + "\n")
        paths.append(path)
    return paths


def _kline_row(row: OracleKline) -> str:
    prices = (row.open, row.high, row.low, row.close, row.volume)
    times = (row.open_time_ns // NS, row.close_time_ns // NS - 1)
    taker = (row.taker_buy_volume, row.taker_buy_quote_volume)
    cells = [str(times[0]), *(f"{n:f}" for n in prices), str(times[1])]
    cells += [f"{row.quote_volume:f}", str(row.count), *(f"{n:f}" for n in taker), "0"]
    return ",".join(cells)


@dataclass(frozen=True)
class Judged:
    """What the command said of a pair: verdict, and (interval, open, class, cause) of each."""

    verdict: str
    rows: tuple[tuple[str, int, str, str | None], ...]
    output: str
    lost: bool = False
    doubts: frozenset[str] = frozenset()

    @property
    def outcome(self) -> str:
        """The verdict, and of an unknown one what it is about."""
        if self.verdict != "unknown":
            return self.verdict
        rest = self.doubts - {"beyond_trades", "beyond_klines"}
        if not rest:
            return "unknown: klines beyond the trades"
        if rest == {"rests_on_consistent"}:
            return "unknown: too little was seen"
        lost = rest <= {"missing_trade_ids", "lost_stretch", "rests_on_consistent"}
        return f"unknown: {'trades known to be lost' if lost else 'an explanation in doubt'}"


def judge(world: World, files: Mapping[str, list[OracleKline]]) -> Judged:
    """Replay a pair as a user would."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = write_trades(world, folder)
        paths = write_klines(world.market, files, folder)
        words = ("--intervals", ",".join(world.intervals), "--audit", "off")
        ran = replay(folder / "run", tape, "--klines", *paths, *words)
        if not (ran.folder / "run.json").exists():
            return Judged("refused", (), ran.output)
        table = pq.read_table(ran.folder / "differences.parquet")
        opens = [int(moment.timestamp()) * 1000 * NS for moment in table["open_time"].to_pylist()]
        columns = (table[column].to_pylist() for column in ("interval", "class", "cause"))
        interval, category, cause = columns
        rows = tuple(zip(interval, opens, category, cause, strict=True))
        # Klines without trades over missing ids are a loss, whatever the exchange's klines are.
        findings = ran.findings()
        lost = any(one["kind"] == "lost_stretch" for one in findings)
        doubts = frozenset(one["kind"] for one in findings if one["severity"] == "doubt")
        return Judged(ran.run["verdict"], rows, ran.output, lost, doubts)


def false_alarms(world: World, judged: Judged) -> list[str]:
    """Return what is wrong with the judgement of a true pair."""
    said = []
    for interval, open_ns, category, cause in judged.rows:
        if cause is None:
            said.append(f"{category} {interval} {open_ns}")
        elif category == "proved" and not set(cause.split("+")) <= world.causes():
            said.append(f"false proof {cause} {interval} {open_ns}")
    if not said and judged.verdict == "invalid" and not judged.lost:
        said.append(judged.output)
    return said


def run(pairs: int, first_seed: int = 0) -> Counter[str]:
    """Judge so many worlds and their wrong copies; count what came of them."""
    counts: Counter[str] = Counter()
    for seed in range(first_seed, first_seed + pairs):
        world = draw(seed)
        trades = world.exchange_trades()
        right = world.exchange_klines(trades)
        judged = judge(world, right)
        alarms = false_alarms(world, judged)
        counts["true pairs"] += 1
        counts[f"true: {'false alarm' if alarms else judged.outcome}"] += 1
        counts["true klines that differ"] += len(judged.rows)
        counts["true klines without a cause"] += sum(row[3] is None for row in judged.rows)
        counts["false proofs"] += sum("false proof" in said for said in alarms)
        if alarms:
            print(f"seed {seed} {world.source} {sorted(world.causes())}: {alarms[:4]}")
        mistake = wrong.made(Random(f"wrong {seed}"), world, trades, right)
        if mistake is None:
            counts["wrong: none can be made"] += 1
            continue
        said = judge(world, mistake.files)
        proved = {(row[0], row[1]) for row in said.rows if row[2] == "proved"}
        false = "false valid" if said.verdict == "valid" else said.verdict
        counts["wrong pairs"] += 1
        counts[f"wrong: {false}"] += 1
        counts["false proofs"] += len(mistake.places & proved)
        if said.verdict == "valid" or mistake.places & proved:
            places = sorted(mistake.places)[:3]
            print(f"seed {seed} {mistake.name} {places}: {said.verdict}, {said.rows}")
    return counts


def main() -> None:
    """Print the table."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    counts = run(pairs, int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    for name, count in sorted(counts.items()):
        print(f"| {name} | {count:,} |")


if __name__ == "__main__":
    main()
