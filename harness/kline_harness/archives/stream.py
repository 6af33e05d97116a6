"""Recordings of the exchange's trade streams to tapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from kline_harness.archives.compressed import BLOCK_BYTES, TextFile, in_background
from kline_harness.archives.layout import market_of, unit_name, unit_range
from kline_harness.archives.table import DIGITS_MAX
from kline_harness.archives.trades import coin_margined
from kline_harness.columns import Instrument, concat
from kline_harness.errors import InputError
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import INT64_MAX, TimeUnit, parse_exact

_KINDS = {
    "MARKET": TradeKind.MARKET,
    "INSURANCE_FUND": TradeKind.INSURANCE_FUND,
    "ADL": TradeKind.ADL,
}


class Recording:
    """Reads a recording: lines `<receive time> <json>` with single or combined stream messages.

    `trade` and `aggTrade` events become rows; of a symbol recorded as both, the kind seen first
    is read. `skipped` counts every other message. `unit` and `receive_unit` are those of the
    first trade, `market` and `symbols` what the trades show.
    """

    def __init__(self, path: str, symbol: str | None, market: str | None) -> None:
        self.path = path
        self.market = market
        self.symbols: list[str] = []
        self.skipped = 0
        self.unit: TimeUnit | None = None
        self.receive_unit: TimeUnit | None = None
        self._only = symbol
        self._event_of: dict[str, str] = {}
        self._scales: dict[str, tuple[int, int]] = {}

    def tapes(
        self, file: TextFile, block_bytes: int = BLOCK_BYTES, *, background: bool = True
    ) -> Iterator[Tape]:
        """Yield a tape for each block of lines, in the order received.

        Arrival is the receive time as recorded. Scales are the smallest that hold every value so
        far.

        Raises InputError for a line that is no message.
        """
        number = 0
        blocks = file.blocks(block_bytes)
        for block in in_background(blocks) if background else blocks:
            rows: list[dict[str, Any]] = []
            lines = block.removeprefix(b"\xef\xbb\xbf").split(b"\n")
            if not lines[-1]:
                lines.pop()
            for line in lines:
                number += 1
                if line.strip():
                    row = _Message(self.path, number, line).row(self)
                    rows.extend([row] if row else [])
            if rows:
                yield self._tape(rows)

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
            instrument, quote = coin_margined(instrument, price, quantity)
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
    """One line of a recording."""

    def __init__(self, path: str, number: int, line: bytes) -> None:
        self._path = path
        self._number = number
        self._line = line
        receive, *rest = line.split(None, 1)
        if not rest or not receive.isdigit() or len(receive) > 19:
            self._fail("<receive time> <json>", line)
        self._receive = int(receive)
        try:
            message = json.loads(rest[0], parse_float=str, parse_constant=str)
        except (ValueError, RecursionError):
            self._fail("<receive time> <json>", line)
        if isinstance(message, dict) and isinstance(message.get("data"), dict):
            message = message["data"]
        if not isinstance(message, (dict, list)):
            self._fail("a stream message", line)
        self._event: dict[str, Any] = message if isinstance(message, dict) else {}

    def _fail(self, expected: str, found: object) -> NoReturn:
        text = found.decode(errors="replace") if isinstance(found, bytes) else found
        shown = repr(text)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        raise InputError(self._path, expected, shown, line=self._number)

    def row(self, recording: Recording) -> dict[str, Any] | None:
        """Return the trade as a row, None for another message."""
        kind = self._event.get("e")
        if kind not in ("trade", "aggTrade"):
            recording.skipped += 1
            return None
        symbol = self._event.get("s")
        if not isinstance(symbol, str) or not symbol:
            self._fail("a trade with a symbol s", self._line)
        if not recording.accepts(symbol, kind):
            recording.skipped += 1
            return None
        if recording.market is None:
            recording.market = market_of(symbol, best_match="M" in self._event)
        trade_id = self._integer("t" if kind == "trade" else "a")
        first, last = trade_id, trade_id
        if kind == "aggTrade":
            first, last = self._integer("f", least=-1), self._integer("l", least=-1)
        row = {
            "line": self._number,
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
        if recording.unit is None or recording.receive_unit is None:
            try:
                recording.unit = TimeUnit.detect(time)
                recording.receive_unit = TimeUnit.detect(self._receive)
            except ValueError as error:
                self._fail("epoch timestamps", str(error))
        row["event_time_ns"] = self._nanoseconds(time, recording.unit, "T")
        row["arrival_ns"] = self._nanoseconds(
            self._receive, recording.receive_unit, "the receive time"
        )

    def _nanoseconds(self, time: int, unit: TimeUnit, name: str) -> int:
        low, high = unit_range(unit)
        if not low <= time <= high:
            self._fail(f"{name} in {unit_name(unit)} like the rows before", time)
        return time * unit.value

    def _kind(self, row: dict[str, Any]) -> TradeKind:
        kind = _KINDS.get(self._event.get("X", "MARKET"), TradeKind.OTHER)
        if kind != TradeKind.MARKET:
            return kind
        if row["quantity"][0] == 0:
            invalid = row["price"][0] == 0 and row["first_id"] == row["last_id"] == -1
            return TradeKind.SENTINEL if invalid else TradeKind.ZERO_QUANTITY
        if row["price"][0] == 0 or not 0 <= row["first_id"] <= row["last_id"]:
            self._fail("ids from 0 on, first <= last, and a price above 0", self._line)
        return kind

    def _integer(self, name: str, least: int = 0) -> int:
        value = self._event.get(name)
        if type(value) is not int or not least <= value <= INT64_MAX:
            self._fail(f"an integer for {name}", value)
        return value

    def _exact(self, name: str) -> tuple[int, int]:
        text = self._event.get(name)
        try:
            value, scale = parse_exact(text if isinstance(text, str) else str(text))
        except ValueError:
            self._fail(f"a plain decimal number for {name}", text)
        if not 0 <= value < 10**DIGITS_MAX or scale > DIGITS_MAX:
            self._fail(f"a number of at most {DIGITS_MAX} digits, not negative, for {name}", text)
        return value, scale

    def _maker(self) -> bool:
        value = self._event.get("m")
        if not isinstance(value, bool):
            self._fail("true or false for m", value)
        return value
