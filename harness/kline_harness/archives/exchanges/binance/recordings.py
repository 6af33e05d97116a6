"""Recordings of the exchange's trade streams to tapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from kline_harness.archives.coin_margined import coin_margined
from kline_harness.archives.compressed import BLOCK_BYTES, TextFile
from kline_harness.archives.exchanges.binance.messages import (
    TRADE_IN_TEXT,
    Line,
    ReceiveClock,
    in_unit,
    lines_of,
)
from kline_harness.archives.file_names import market_of
from kline_harness.archives.grammar import DIGITS_MAX
from kline_harness.background import in_background
from kline_harness.columns import Instrument, concat
from kline_harness.errors import InputError
from kline_harness.ledger import Equation
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import INT64_MAX, NS_PER_SECOND, TimeUnit, parse_exact, utc_text

_KINDS = {
    "MARKET": TradeKind.MARKET,
    "INSURANCE_FUND": TradeKind.INSURANCE_FUND,
    "ADL": TradeKind.ADL,
}
_TRADE_EVENTS = ("trade", "aggTrade")
# An aggregate spans 100 ms: trades so long after the last one of the other kind lack there.
_APART_NS = 60 * NS_PER_SECOND


class Recording:
    """Reads a recording: lines of stream messages.

    Messages are single, combined or wrapped, alone or in lists; the receive time is in front,
    beside the message, or not stated.

    `trade` and `aggTrade` events become rows; of a symbol recorded as both, the kind seen first
    is read. `skipped` counts every other message, `closed_klines` those of a kline that is over,
    `kinds` all by their kind. `unit` and
    `receive_unit` are those of the first trade, `market` and `symbols` what the trades show.
    """

    def __init__(
        self,
        path: str,
        symbol: str | None,
        market: str | None,
        contract_size: Decimal | None = None,
    ) -> None:
        self.path = path
        self._contract_size = contract_size
        self.market = market
        self.symbols: list[str] = []
        self.skipped = 0
        self.closed_klines = 0
        self.kinds: Counter[str] = Counter()
        self.unit: TimeUnit | None = None
        self.clock = ReceiveClock()
        self._only = symbol
        self._event_of: dict[str, str] = {}
        # When a symbol's last trade was, and its last of the kind that is not read: time and line.
        self._last_ns: dict[str, int] = {}
        self._other_kind: dict[str, tuple[int, int]] = {}
        self._scales: dict[str, tuple[int, int]] = {}
        # For the laws: lines by what they are, and trades as the text shows them.
        self._lines = {"of messages": 0, "blank": 0}
        self._in_text = 0
        self._left_out = 0

    @property
    def receive_unit(self) -> TimeUnit | None:
        """The unit of the receive times, None where there are none."""
        return self.clock.unit

    def tapes(
        self, file: TextFile, block_bytes: int = BLOCK_BYTES, *, background: bool = True
    ) -> Iterator[Tape]:
        """Yield a tape for each block of lines, in the order received.

        Arrival is the receive time as recorded, or the event time where it is not stated. Scales
        are the smallest that hold every value so far.

        Raises InputError for a line that is no message.
        """
        number = 0
        blocks = file.blocks(block_bytes)
        for block in in_background(blocks) if background else blocks:
            rows: list[dict[str, Any]] = []
            self._in_text += len(TRADE_IN_TEXT.findall(block))
            for line in lines_of(block):
                number += 1
                if line.strip():
                    rows += self._rows(Line(self.path, number, line))
                else:
                    self._lines["blank"] += 1
            if rows:
                yield self._tape(rows)
        self._check_ends()

    def equations(self, name: str, lines: int, rows: int) -> list[Equation]:
        """Return the laws of the lines and of the trades in them.

        Every line is a message; every trade in the text is a row read, or one of a symbol or
        kind not asked for.
        """
        trades = {"rows read": rows, "not asked for": self._left_out}
        return [
            Equation("lines of a file", name, lines, dict(self._lines)),
            Equation("trades in the text of a recording", name, self._in_text, trades),
        ]

    def messages(self) -> str:
        """Say how many messages were met, by kind."""
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.kinds.most_common(8))
        return f"{self.kinds.total()} messages{f' ({kinds})' if kinds else ''}"

    def _rows(self, line: Line) -> list[dict[str, Any]]:
        self._lines["of messages"] += 1
        rows = []
        for event in line.messages():
            kind = event.get("e")
            self.kinds[kind if isinstance(kind, str) else "of no kind"] += 1
            if kind not in _TRADE_EVENTS:
                self.skipped += 1
                self.closed_klines += kind == "kline" and _is_closed(event)
                continue
            message = _Message(line, event)
            if self.accepts(message.symbol(), kind):
                row = message.row(self)
                rows.append(row)
                symbol = row["symbol"]
                if row["kind"] == TradeKind.MARKET:
                    last = self._last_ns.get(symbol, 0)
                    self._last_ns[symbol] = max(last, row["event_time_ns"])
            else:
                self.skipped += 1
                self._left_out += 1
                if message.symbol() in self._event_of and message.is_market():
                    time = message.time_ns(self.unit)
                    before = self._other_kind.get(message.symbol(), (0, 0))
                    self._other_kind[message.symbol()] = max(before, (time, line.number))
        return rows

    def _check_ends(self) -> None:
        """Refuse a symbol whose trades of the kind that is read end before those of the other."""
        for symbol, (other_ns, number) in self._other_kind.items():
            last_ns = self._last_ns.get(symbol, 0)
            if other_ns > last_ns + _APART_NS:
                kind = self._event_of[symbol]
                expected = f"{kind} events of {symbol}, the kind read here, to the end"
                found = f"the last at {utc_text(last_ns)}, events of the other kind until"
                raise InputError(self.path, expected, f"{found} {utc_text(other_ns)}", line=number)

    def accepts(self, symbol: str, event: str) -> bool:
        """Tell whether a trade is to be read; one that is not counts as skipped."""
        if self._only not in (None, symbol):
            return False
        if symbol not in self._event_of:
            self._event_of[symbol] = event
            self.symbols.append(symbol)
        return self._event_of[symbol] == event

    def _tape(self, rows: list[dict[str, Any]]) -> Tape:
        for row in rows:
            price, quantity = self._scales.get(row["symbol"], (0, 0))
            self._scales[row["symbol"]] = (
                max(price, row["price"][1]),
                max(quantity, row["quantity"][1]),
            )
        seen = dict.fromkeys(row["symbol"] for row in rows)
        order = {
            symbol: [r for r, x in enumerate(rows) if x["symbol"] == symbol] for symbol in seen
        }
        parts = [self._one(symbol, [rows[r] for r in order[symbol]]) for symbol in seen]
        places = np.concatenate([np.array(order[symbol], dtype=np.int64) for symbol in seen])
        return concat(parts).take(np.argsort(places))

    def _one(self, symbol: str, rows: list[dict[str, Any]]) -> Tape:
        """Return the rows of one symbol at its scales."""
        instrument = Instrument.of(symbol, *self._scales[symbol])

        def integers(name: str) -> Any:
            return np.array([row[name] for row in rows], dtype=np.int64)

        def scaled(name: str, scale: int) -> Any:
            values = [row[name][0] * 10 ** (scale - row[name][1]) for row in rows]
            for value, row in zip(values, rows, strict=True):
                if value >= 10**DIGITS_MAX:
                    expected = f"a {name} of at most {DIGITS_MAX} digits"
                    raise InputError(self.path, expected, f"{value}e-{scale}", line=row["line"])
            return np.array(values, dtype=np.int64)

        price = scaled("price", instrument.price_scale)
        quantity = scaled("quantity", instrument.quantity_scale)
        quote = None
        if self.market == "cm":
            instrument, quote = coin_margined(instrument, price, quantity, self._contract_size)
        return Tape.of(
            instrument,
            trade_id=integers("trade_id"),
            price=price,
            quantity=quantity,
            quote=quote,
            first_id=integers("first_id"),
            last_id=integers("last_id"),
            event_time_ns=integers("event_time_ns"),
            arrival_ns=integers("arrival_ns"),
            buyer_is_maker=np.array([row["maker"] for row in rows], dtype=np.bool_),
            kind=integers("kind").astype(np.int8),
        )


class _Message:
    """A trade event of a line."""

    def __init__(self, line: Line, event: dict[str, Any]) -> None:
        self._line = line
        self._event = event

    def symbol(self) -> str:
        """Return the symbol."""
        symbol = self._event.get("s")
        if not isinstance(symbol, str) or not symbol:
            self._line.fail("a trade with a symbol s", self._line.text)
        return symbol

    def is_market(self) -> bool:
        """Tell whether the trade belongs to klines."""
        quantity = str(self._event.get("q", ""))
        return self._event.get("X", "MARKET") == "MARKET" and quantity.strip("0.") != ""

    def time_ns(self, unit: TimeUnit | None) -> int:
        """Return when the trade was, in the unit of the recording's trades."""
        assert unit is not None  # a trade of the symbol was read before
        return in_unit(self._line, self._integer("T"), unit, "T")

    def row(self, recording: Recording) -> dict[str, Any]:
        """Return the trade as a row."""
        symbol, raw = self.symbol(), self._event["e"] == "trade"
        if recording.market is None:
            recording.market = market_of(symbol, best_match="M" in self._event)
        trade_id = self._integer("t" if raw else "a")
        first, last = trade_id, trade_id
        if not raw:
            first, last = self._integer("f", least=-1), self._integer("l", least=-1)
        row = {
            "line": self._line.number,
            "symbol": symbol,
            "trade_id": trade_id,
            "first_id": first,
            "last_id": last,
            "price": self._exact("p"),
            "quantity": self._exact("q"),
            "maker": self._maker(),
        }
        row["kind"] = self._kind(row)
        self._times(row, recording)
        return row

    def _times(self, row: dict[str, Any], recording: Recording) -> None:
        time = self._integer("T")
        if recording.unit is None:
            try:
                recording.unit = TimeUnit.detect(time)
            except ValueError as error:
                self._line.fail("epoch timestamps", str(error))
        row["event_time_ns"] = in_unit(self._line, time, recording.unit, "T")
        received = recording.clock.read(self._line)
        row["arrival_ns"] = row["event_time_ns"] if received is None else received

    def _kind(self, row: dict[str, Any]) -> TradeKind:
        stated = self._event.get("X", "MARKET")
        if not isinstance(stated, str):
            self._line.fail("text for X", stated)
        kind = _KINDS.get(stated, TradeKind.OTHER)
        if kind != TradeKind.MARKET:
            return kind
        if row["quantity"][0] == 0:
            invalid = row["price"][0] == 0 and row["first_id"] == row["last_id"] == -1
            return TradeKind.SENTINEL if invalid else TradeKind.ZERO_QUANTITY
        if row["price"][0] == 0 or not 0 <= row["first_id"] <= row["last_id"]:
            expected = "ids from 0 on, first <= last, and a price above 0"
            self._line.fail(expected, self._line.text)
        return kind

    def _integer(self, name: str, least: int = 0) -> int:
        value = self._event.get(name)
        if type(value) is not int or not least <= value <= INT64_MAX:
            self._line.fail(f"an integer for {name}", value)
        return value

    def _exact(self, name: str) -> tuple[int, int]:
        text = self._event.get(name)
        try:
            value, scale = parse_exact(text if isinstance(text, str) else str(text))
        except ValueError:
            self._line.fail(f"a plain decimal number for {name}", text)
        if not 0 <= value < 10**DIGITS_MAX or scale > DIGITS_MAX:
            expected = f"a number of at most {DIGITS_MAX} digits, not negative, for {name}"
            self._line.fail(expected, text)
        return value, scale

    def _maker(self) -> bool:
        value = self._event.get("m")
        if not isinstance(value, bool):
            self._line.fail("true or false for m", value)
        return value


def _is_closed(event: Mapping[str, Any]) -> bool:
    kline = event.get("k")
    return isinstance(kline, dict) and kline.get("x") is True
