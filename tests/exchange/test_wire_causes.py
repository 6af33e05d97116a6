"""Klines that differ because of a fault of the wire: named by the fault, and proved.

The store is that of a plain service, written here, of the messages that it received.
"""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kline_harness.faults.fault import Fault
from kline_harness.faults.wire import (
    WireClose,
    WireDelay,
    WireDisconnect,
    WireDuplicate,
    WireGap,
    WireHalfOpen,
    WireReorder,
    WireRequestRefused,
    WireRoutesRetired,
    WireServerShutdown,
    WireStreamsMax,
)
from kline_harness.replay.scenario import Scenario

from tests.exchange.loopback import Client, serve, whole_run
from tests.exchange.services import START_NS, excerpt
from tests.exchange.stored import MIDNIGHT, MINUTE, Row, write_klagg
from tests.replays import Ran, command

MINUTES = 40
END_NS = START_NS + MINUTES * MINUTE
AT = START_NS + 8 * MINUTE
WINDOW: dict[str, Any] = {"from_ns": AT, "until_ns": AT + 12 * MINUTE}
SEED = 3
Tables = dict[tuple[str, str], list[Row]]


def received(folder: Path, *faults: Fault) -> list[dict[str, Any]]:
    """Serve the excerpt to a client that does not connect again; leave served.json."""

    async def use(client: Client) -> Any:
        messages = await whole_run(client, "/ws/alfausdt@aggTrade")
        if client.server.sockets.all[0].closed_by == "fault":
            client.server.sockets.all[0].silent = True
        return messages, client.server

    scenario = Scenario(faults=faults, seed=SEED)
    paths = excerpt(folder, MINUTES)[:1]
    messages, server = serve(paths, use, scenario=scenario, start_ns=START_NS)
    server.record().write(folder / "run")
    return [one for one in messages if one.get("e") == "aggTrade"]


def tables(messages: list[dict[str, Any]], late: str = "refused") -> Tables:
    """The klines of a plain service: what comes after its kline is over is refused, or counted in
    the one that forms; what comes twice counts twice; a quiet minute is flat."""
    found: Tables = {}
    for interval, length in (("1m", MINUTE), ("5m", 5 * MINUTE)):
        bars: dict[int, list[dict[str, Any]]] = {}
        for one in messages:
            opened = one["T"] * 1_000_000 // length * length
            if bars and opened < max(bars):
                if late == "refused":
                    continue
                opened = max(bars)
            bars.setdefault(opened, []).append(one)
        rows, close = [], "0"
        for opened in range(min(bars), END_NS, length):
            rows.append(row_of(opened, length, bars.get(opened, []), close))
            close = rows[-1][4]
        found["ALFAUSDT", interval] = rows
    return found


def row_of(opened: int, length: int, trades: list[dict[str, Any]], close: str) -> Row:
    prices = [one["p"] for one in trades] or [close]
    sizes = [(Decimal(one["p"]), Decimal(one["q"]), one["m"]) for one in trades]
    volumes = (
        sum((q for _, q, _ in sizes), Decimal(0)),
        sum((p * q for p, q, _ in sizes), Decimal(0)),
        sum((q for _, q, maker in sizes if not maker), Decimal(0)),
        sum((p * q for p, q, maker in sizes if not maker), Decimal(0)),
    )
    volume, quote, taker, taker_quote = (f"{one:f}" for one in volumes)
    count = str(sum(one["l"] - one["f"] + 1 for one in trades))
    high, low = max(prices, key=Decimal), min(prices, key=Decimal)
    last = str((opened + length) // 1_000_000 - 1)
    head = (str(opened // 1_000_000), prices[0], high, low, prices[-1], volume, last)
    return (*head, quote, count, taker, taker_quote, "0")


def judged(folder: Path, rows: Tables) -> Ran:
    store = write_klagg(folder / "k.db", rows)
    options = ("--run", folder / "run", "--out", folder / "out", "--no-report")
    return command("collect", store, *options, folder=folder / "out")


def proofs(ran: Ran) -> set[tuple[str, str]]:
    """The causes that the comparison names, with how they came about."""
    rows = pq.read_table(ran.folder / "differences.parquet").to_pylist()
    told = [json.loads(row["proof"]) for row in rows if row["cause"] == "injected_fault"]
    return {(one["fault"], one["how"]) for proof in told for one in proof["causes"]}


LOST = "without the trades"
OVERTAKEN = "without the trades that others of a later kline overtook"
FORMED = "with the trades in the kline that formed when they came"
CASES: list[tuple[Fault, str, str]] = [
    (WireGap(rate=0.4, **WINDOW), "refused", LOST),
    (WireGap(**WINDOW), "refused", LOST),
    (WireDisconnect(at_ns=AT), "refused", LOST),
    (WireClose(at_ns=AT), "refused", LOST),
    (WireHalfOpen(at_ns=AT), "refused", LOST),
    (WireRoutesRetired(at_ns=AT), "refused", LOST),
    (WireServerShutdown(at_ns=AT, lead_ns=2 * MINUTE), "refused", LOST),
    (WireDuplicate(rate=0.5, **WINDOW), "refused", "with the trades twice"),
    (WireDelay(by_ns=4 * MINUTE, **WINDOW), "refused", OVERTAKEN),
    (WireDelay(by_ns=4 * MINUTE, rate=0.3, **WINDOW), "refused", LOST),
    (WireDelay(by_ns=4 * MINUTE, rate=0.3, **WINDOW), "counted", FORMED),
    (WireReorder(**WINDOW), "counted", FORMED),
]


@pytest.mark.parametrize(("fault", "late", "how"), CASES)
def test_what_a_fault_made_is_proved(tmp_path: Path, fault: Fault, late: str, how: str) -> None:
    is_proved(tmp_path, tables(received(tmp_path, fault), late), fault, how)


def is_proved(folder: Path, rows: Tables, fault: Fault, how: str) -> None:
    ran = judged(folder, rows)
    counts = ran.check("comparison")["counts"]
    assert counts["proved"] > 1, ran.output
    assert counts["unexplained"] == counts["missing"] == 0, ran.output
    assert (f"{fault.KIND} 0", how) in proofs(ran)
    # Explained is not mended: the service's table is not what the exchange's is.
    (told,) = [one for one in ran.findings() if one["kind"] == "not_mended"]
    assert told["evidence"]["fault"] == fault.KIND
    assert ran.exit_code == 1
    # A digit that no fault made is not explained by it.
    place = next(k for k, row in enumerate(rows["ALFAUSDT", "1m"]) if int(row[0]) * 10**6 >= AT)
    row = rows["ALFAUSDT", "1m"][place]
    wrong = (*row[:5], f"{Decimal(row[5]) + Decimal('0.001')}", *row[6:])
    rows["ALFAUSDT", "1m"][place] = wrong
    assert judged(folder, rows).check("comparison")["counts"]["unexplained"] == 1


def test_a_connection_that_one_stream_too_many_has_ended(tmp_path: Path) -> None:
    async def use(client: Client) -> Any:
        server = client.server
        async with client.connect("/ws/alfausdt@aggTrade") as ws:
            server.clock.step(AT - START_NS)
            run = asyncio.create_task(server.run())
            while server.market.reached_ns < AT:
                await asyncio.sleep(0.01)
            more = {"method": "SUBSCRIBE", "params": ["bravousdt@aggTrade"], "id": 1}
            await ws.send_str(json.dumps(more))
            messages = [json.loads(one.data) async for one in ws]
            server.clock.resume()
            await run
        return messages, server

    fault = WireStreamsMax(streams=1)
    paths = excerpt(tmp_path, MINUTES)
    messages, server = serve(
        paths, use, scenario=Scenario(faults=(fault,)), start_ns=START_NS, hold=1
    )
    server.record().write(tmp_path / "run")
    assert messages[-1] == {"error": {"code": 4, "msg": "Too many subscriptions"}}
    trades = [one for one in messages if one.get("e") == "aggTrade"]
    is_proved(tmp_path, tables(trades), fault, LOST)


def test_two_faults_together(tmp_path: Path) -> None:
    faults = (WireGap(rate=0.4, **WINDOW), WireDuplicate(rate=0.4, **WINDOW))
    ran = judged(tmp_path, tables(received(tmp_path, *faults)))
    assert ran.check("comparison")["counts"]["unexplained"] == 0, ran.output
    assert {name for name, _ in proofs(ran)} == {"wire_gap 0", "wire_duplicate 1"}


def test_a_fault_that_was_mended_and_one_that_struck_nothing(tmp_path: Path) -> None:
    # What the service has is right all the same: it asked for what was missing.
    later = MIDNIGHT + 23 * 60 * MINUTE
    faults = (WireGap(**WINDOW), WireGap(from_ns=later), WireRequestRefused(status=418))
    (tmp_path / "clean").mkdir()
    right = tables(received(tmp_path / "clean"))
    received(tmp_path, *faults)
    ran = judged(tmp_path, right)
    assert ran.exit_code == 0, ran.output
    kinds = [one["kind"] for one in ran.findings() if one["check"] == "wire_faults"]
    assert kinds == ["absorbed", "no_effect", "no_effect"]
    assert ran.check("wire_faults")["counts"]["had_effect"] == 1


def of_klines(folder: Path, *faults: Fault) -> list[dict[str, Any]]:
    """Serve the excerpt to a client of a stream of klines, which does not connect again."""

    async def use(client: Client) -> Any:
        messages = await whole_run(client, "/ws/alfausdt@kline_5m")
        return messages, client.server

    paths = excerpt(folder, MINUTES)[:1]
    messages, server = serve(paths, use, scenario=Scenario(faults=faults), start_ns=START_NS)
    server.record().write(folder / "run")
    return [one["k"] for one in messages if "k" in one]


def stored_klines(klines: list[dict[str, Any]], *, finals_alone: bool) -> Tables:
    """The table of a service that stores the last messages of klines alone, or each message."""
    rows: dict[int, Row] = {}
    for k in klines:
        if k["x"] or not finals_alone:
            names = ("o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
            rows[k["t"]] = (str(k["t"]), *(str(k[name]) for name in names))
    return {("ALFAUSDT", "5m"): [rows[at] for at in sorted(rows)]}


# In the middle of a kline of five minutes.
LATER = START_NS + 18 * MINUTE
OF_KLINES: list[tuple[Fault, ...]] = [
    (WireGap(rate=0.7, from_ns=LATER),),
    (WireGap(from_ns=LATER, until_ns=LATER + 12 * MINUTE),),
    (WireDisconnect(at_ns=LATER),),
    (WireClose(at_ns=LATER),),
    (WireHalfOpen(at_ns=LATER),),
    (WireRoutesRetired(at_ns=LATER),),
    (WireServerShutdown(at_ns=LATER - MINUTE, lead_ns=MINUTE),),
]


@pytest.mark.parametrize("finals_alone", [True, False])
@pytest.mark.parametrize("faults", OF_KLINES, ids=lambda faults: faults[0].KIND)
def test_a_service_that_reads_klines(
    tmp_path: Path, faults: tuple[Fault, ...], finals_alone: bool
) -> None:
    klines = of_klines(tmp_path, *faults)
    rows = stored_klines(klines, finals_alone=finals_alone)
    ran = judged(tmp_path, rows)
    counts = ran.check("comparison")["counts"]
    assert counts["proved"] > 0, ran.output
    assert counts["unexplained"] == counts["missing"] == 0, ran.output
    ways = {how for _, how in proofs(ran)}
    absent, formed = (
        "its last message was not sent",
        "as it was in the last message that was sent",
    )
    # Within the gap of all messages, and after a cut, most klines were never spoken of.
    assert ways <= ({absent} if finals_alone else {absent, formed})
    assert finals_alone or formed in ways
    assert ran.exit_code == 1
    # What no fault kept back stays missing or unexplained.
    kept = rows["ALFAUSDT", "5m"]
    place = next(k for k, row in enumerate(kept) if int(row[0]) * 10**6 == START_NS + 10 * MINUTE)
    wrong = (*kept[place][:5], "0.001", *kept[place][6:])
    for kind, row in (("missing", ()), ("unexplained", (wrong,))):
        table = [*kept[:place], *row, *kept[place + 1 :]]
        again = judged(tmp_path, {("ALFAUSDT", "5m"): table}).check("comparison")["counts"]
        assert again[kind] == 1
