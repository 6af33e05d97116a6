"""Recordings of trade streams."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kline_harness.archives import detect, open_trades
from kline_harness.errors import InputError
from kline_harness.tape import Tape, TradeKind

from tests.archives.files import COMPRESSIONS, START_MS, Row, read, rows_of, write

D = Decimal
RECEIVED_NS = START_MS * 1_000_000 - 1_300_000_000  # the receiver's clock is behind


def trade(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A USD-M trade event; None removes a field."""
    event = {
        "e": "trade",
        "E": START_MS + 5,
        "T": START_MS + number,
        "s": "ALFAUSDT",
        "t": number,
        "p": "2.50",
        "q": "0.010",
        "X": "MARKET",
        "m": True,
    }
    return {name: value for name, value in (event | changes).items() if value is not None}


def aggregate(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A USD-M aggTrade event."""
    ids = {
        "e": "aggTrade",
        "t": None,
        "X": None,
        "a": number,
        "f": 10 * number,
        "l": 10 * number + 4,
    }
    return trade(number, **(ids | changes))


def line(event: Any, received: int = RECEIVED_NS, *, combined: bool = True) -> str:
    message = {"stream": "x@trade", "data": event} if combined else event
    return f"{received} {json.dumps(message)}\n"


def only(path: Path) -> Tape:
    (tape,) = open_trades(path).chunks()
    return tape


@pytest.mark.parametrize("combined", [True, False], ids=["combined", "single"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("receive_ns", [1, 1_000], ids=["ns", "us"])
def test_trades_of_a_recording(
    tmp_path: Path, combined: bool, compression: str, receive_ns: int
) -> None:
    received = [(RECEIVED_NS + n * 1_234_000) // receive_ns for n in range(3)]
    content = "".join(line(trade(n + 1), received[n], combined=combined) for n in range(3))
    path = write(tmp_path / "recording.txt", content, compression)
    tape = only(path)
    assert tape.arrival_ns.tolist() == [time * receive_ns for time in received]
    times = [(START_MS + n) * 1_000_000 for n in (1, 2, 3)]
    assert rows_of([tape]) == [
        Row(n, D("2.5"), D("0.01"), D("0.025"), n, n, times[n - 1], True) for n in (1, 2, 3)
    ]
    info = open_trades(path).peek()
    assert (info.layout, info.market, info.symbols) == ("stream", "um", ("ALFAUSDT",))
    assert (info.unit, info.receive_unit) == ("ms", {1: "ns", 1_000: "us"}[receive_ns])
    assert detect(path) == "trades"


def test_aggregates_microseconds_and_spot_fields(tmp_path: Path) -> None:
    event = aggregate(3, T=START_MS * 1000 + 7, M=True, m=False)
    path = write(tmp_path / "recording.txt", line(event))
    (row,) = read(path)
    time_ns = (START_MS * 1000 + 7) * 1000
    assert row == Row(3, D("2.5"), D("0.01"), D("0.025"), 30, 34, time_ns, False)
    info = open_trades(path).peek()
    assert (info.market, info.unit) == ("spot", "us")


def test_several_symbols_keep_their_order_and_their_scales(tmp_path: Path) -> None:
    events = [
        trade(1),
        trade(2, s="BETAUSDT", p="0.00000123", q="7"),
        trade(3, p="2.125"),
        trade(4, s="BETAUSDT", p="5", q="1.5"),
    ]
    path = write(tmp_path / "recording.txt", "".join(map(line, events)))
    tape = only(path)
    assert tape.trade_id.tolist() == [1, 2, 3, 4]
    scales = [(i.symbol, i.price_scale, i.quantity_scale) for i in tape.instruments]
    assert scales == [("ALFAUSDT", 3, 2), ("BETAUSDT", 8, 1)]
    for block_bytes in (1, 200, 4096):
        rows = read(path, block_bytes=block_bytes)
        assert [(row.symbol, row.price, row.quantity) for row in rows] == [
            (event["s"], D(event["p"]), D(event["q"])) for event in events
        ]
    assert [row.id for row in read(path, symbol="BETAUSDT")] == [2, 4]
    file = open_trades(path, symbol="BETAUSDT")
    assert sum(len(tape) for tape in file.chunks()) == 2
    assert (file.info.skipped, file.info.symbols) == (2, ("BETAUSDT",))


def test_other_messages_are_counted(tmp_path: Path) -> None:
    others: list[Any] = [
        {"e": "depthUpdate", "s": "ALFAUSDT", "b": []},
        {"e": "kline", "k": {}},
        {"u": 1, "s": "ALFAUSDT", "b": "1", "B": "2"},
        {"result": None, "id": 1},
        [{"e": "24hrMiniTicker"}],
    ]
    content = line(others[0]) + line(trade(1)) + "".join(map(line, others[1:])) + "\n"
    for _ in range(2):
        file = open_trades(write(tmp_path / "recording.txt", content))
        assert [tape.trade_id.tolist() for tape in file.chunks()] == [[1]]
        assert (file.info.rows, file.info.skipped) == (1, 5)


def test_a_recording_without_trades_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "recording.txt", line({"e": "kline"}) * 3)
    file = open_trades(path)
    found = r"expected a trade or aggTrade event, found none in 3 messages \(kline 3\)"
    with pytest.raises(InputError, match=found):
        file.peek()
    with pytest.raises(InputError, match=found):
        list(file.chunks())


def test_of_a_symbol_recorded_twice_only_the_first_kind_is_read(tmp_path: Path) -> None:
    events = [trade(1), aggregate(1), trade(2), aggregate(5, s="BETAUSDT"), trade(6, s="BETAUSDT")]
    path = write(tmp_path / "recording.txt", "".join(map(line, events)))
    file = open_trades(path)
    (tape,) = file.chunks()
    assert tape.trade_id.tolist() == [1, 2, 5]
    assert file.info.skipped == 2


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, TradeKind.MARKET),
        ({"X": None}, TradeKind.MARKET),
        ({"X": "INSURANCE_FUND"}, TradeKind.INSURANCE_FUND),
        ({"X": "ADL"}, TradeKind.ADL),
        ({"X": "NA", "p": "0", "q": "0"}, TradeKind.OTHER),
        ({"X": "NEWTYPE"}, TradeKind.OTHER),
        ({"q": "0.000"}, TradeKind.ZERO_QUANTITY),
        ({"q": "0", "p": "0"}, TradeKind.ZERO_QUANTITY),
        (aggregate(q="0", p="0", f=-1, l=-1, t=None), TradeKind.SENTINEL),
    ],
)
def test_the_kind_of_a_trade(tmp_path: Path, changes: dict[str, Any], kind: TradeKind) -> None:
    path = write(tmp_path / "recording.txt", line(trade(1, **changes)))
    assert [row.kind for row in read(path)] == [kind]


def test_numbers_that_are_not_text_stay_exact(tmp_path: Path) -> None:
    content = line(trade(1)).replace('"2.50"', "9007199254740993.01").replace('"0.010"', "3")
    (row,) = read(write(tmp_path / "recording.txt", content))
    assert (row.price, row.quantity) == (D("9007199254740993.01"), D(3))


def test_coin_margined_trades_have_base_quantities(tmp_path: Path) -> None:
    event = trade(1, s="BTCUSD_PERP", p="61804.8", q="4")
    path = write(tmp_path / "recording.txt", line(event))
    (row,) = read(path)
    assert row.quote == D("0.00647199")
    assert open_trades(path).peek().market == "cm"
    assert read(path, market="um")[0].quote == D("61804.8") * 4


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        ("hello\n", "<receive time> <json>"),
        ("12345\n", "<receive time> <json>"),
        (f"{RECEIVED_NS} {{\n", "<receive time> <json>"),
        (f"{RECEIVED_NS} {json.dumps(trade(9))[:60]}\n", "<receive time> <json>"),
        (f"{RECEIVED_NS} 5\n", "<receive time> <json>"),
        (f"-1 {json.dumps(trade(9))}\n", "a receive time like those before (epoch)"),
        (f"{json.dumps(trade(9))}\n", "a receive time like those before (epoch)"),
        (line(trade(9, X=["a"])), "text for X"),
        (f"{RECEIVED_NS} \xff\n", "<receive time> <json>"),
        (line(trade(9), RECEIVED_NS // 1000), "the receive time in ns like the rows before"),
        (line(trade(9, T=START_MS * 1000)), "T in ms like the rows before"),
        (line(trade(9, T=None)), "an integer for T"),
        (line(trade(9, T=1.5)), "an integer for T"),
        (line(trade(9, t=True)), "an integer for t"),
        (line(trade(9, t=-1)), "an integer for t"),
        (line(trade(9, t=2**63)), "an integer for t"),
        (line(aggregate(9, s="BETAUSDT", f=None)), "an integer for f"),
        (line(aggregate(9, s="BETAUSDT", f=9, l=8)), "first <= last"),
        (line(trade(9, s=None)), "a trade with a symbol s"),
        (line(trade(9, m=1)), "true or false for m"),
        (line(trade(9, p=None)), "a plain decimal number for p"),
        (line(trade(9, p="1e5")), "a plain decimal number for p"),
        (line(trade(9, p="NaN")), "a plain decimal number for p"),
        (line(trade(9, p=float("nan"))), "a plain decimal number for p"),
        (line(trade(9, p="-1")), "not negative, for p"),
        (line(trade(9, q="1" * 30)), "a number of at most 18 digits"),
        (line(trade(9, q="123456789.0123456789")), "a number of at most 18 digits"),
        (line(trade(9, p="0")), "a price above 0"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: str, expected: str) -> None:
    content = line(trade(1)) + line({"e": "kline"}) + bad + line(trade(2))
    path = write(tmp_path / "recording.txt", content.encode("latin-1"))
    for block_bytes in (1, 4096):
        with pytest.raises(InputError) as caught:
            read(path, block_bytes=block_bytes)
        assert caught.value.line == 3
        assert expected in caught.value.expected
        assert len(str(caught.value)) < 400


def test_digits_beyond_int64_at_a_grown_scale_are_named(tmp_path: Path) -> None:
    events = [trade(1, p="0.00000000001"), trade(2, p="123456789")]
    path = write(tmp_path / "recording.txt", "".join(map(line, events)))
    with pytest.raises(InputError, match="line 2: expected a price of at most 18 digits"):
        read(path)


FORMS = {
    "alone": "{json}",
    "in ns": "{ns} {json}",
    "in ms": "{ms} {json}",
    "decimal seconds": "{seconds} {json}",
    "iso": "2024-05-15T00:00:00.250000+00:00 {json}",
    "iso of another zone": "2024-05-15 02:00:00.25+02:00\t{json}",
    "combined": '{{"stream":"a@trade","data":{json}}}',
    "wrapped": '{{"ts":{seconds},"msg":{json}}}',
    "wrapped with iso": '{{"received":"2024-05-15T00:00:00.25Z","payload":{{"data":{json}}}}}',
    "in a list": "{ns} [{json},{json2}]",
    "combined list": '{ns} {{"stream":"a@trade","data":[{json},{json2}]}}',
    "list alone": "[{json}, {json2}]",
}


@pytest.mark.parametrize("form", FORMS)
def test_messages_are_read_in_whatever_form_a_recorder_writes_them(
    tmp_path: Path, form: str
) -> None:
    """The receive time is 250 ms after midnight, or not stated: then it is the event time."""
    start_ns, lines = START_MS * 1_000_000, []
    assert start_ns == 1_715_731_200_000_000_000
    stated = {"ns": start_ns + 250_000_000, "ms": START_MS + 250, "seconds": "1715731200.25"}
    for number in (1, 3):
        texts = {"json": json.dumps(trade(number)), "json2": json.dumps(trade(number + 1))}
        lines.append(FORMS[form].format(**texts, **stated) + "\n")
    path = write(tmp_path / "recording.txt", "".join(lines))
    file = open_trades(path)
    (tape,) = file.chunks()
    ids = [1, 2, 3, 4] if "list" in form else [1, 3]
    assert tape.trade_id.tolist() == ids
    silent = form in ("alone", "combined", "list alone")
    expected = [start_ns + n * 1_000_000 if silent else start_ns + 250_000_000 for n in ids]
    assert tape.arrival_ns.tolist() == expected
    assert (file.info.receive_unit is None) is silent
    assert all(equation.balanced for equation in file.equations)


@pytest.mark.parametrize("first", ["aggTrade", "trade"])
def test_a_kind_that_ends_a_minute_before_the_other_is_refused(tmp_path: Path, first: str) -> None:
    of = {"aggTrade": aggregate, "trade": trade}
    other = "trade" if first == "aggTrade" else "aggTrade"
    path = tmp_path / "rec.txt"
    for apart_ms, refused in ((60_000, False), (60_001, True)):
        last = of[other](7, T=START_MS + apart_ms)
        events = [of[first](1, T=START_MS), of[other](1, T=START_MS), last]
        path.write_text("".join(line(event) for event in events))
        if not refused:
            assert len(only(path)) == 1
            continue
        with pytest.raises(InputError, match=f"rec.txt, line 3: expected {first} events of") as e:
            only(path)
        assert "events of the other kind until" in str(e.value)
    fund = trade(8, T=START_MS + 120_000, X="INSURANCE_FUND")
    if first == "aggTrade":
        path.write_text("".join(line(event) for event in (aggregate(1, T=START_MS), fund)))
        assert len(only(path)) == 1
