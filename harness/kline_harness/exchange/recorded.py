"""The files to be served: opened, read through once, and put in order before the server starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kline_harness.archives import ExchangeKlines, files_given
from kline_harness.errors import UsageError
from kline_harness.exchange.served import ServedFile
from kline_harness.exchange.spool import TradeSpool
from kline_harness.replay.scenario import Scenario
from kline_harness.replay.sources import Sources
from kline_harness.tape import Tape, TradeKind
from kline_harness.units import NS_PER_DAY

AGGREGATES = "aggTrade"
RAW = "trade"
# Source: the exchange's documents: on spot every number has eight decimals.
_SPOT_DECIMALS = 8
_MARKETS = ("um", "spot")
_RAW_IDS = ("first_id", "last_id")
# Rows that an archive marks as no trade were never sent on a stream.
_NEVER_SENT = (TradeKind.SENTINEL, TradeKind.ZERO_QUANTITY)


@dataclass(slots=True)
class Recorded:
    """The trades of the files in order of time, aggregates and raw ones apart.

    `spools` has one or both of `AGGREGATES` and `RAW`. Where both are there, klines are made of
    the aggregates, and a raw trade is a message only. `not_sent` counts rows that are no trades.
    """

    market: str
    spools: dict[str, TradeSpool]
    files: tuple[ServedFile, ...]
    klines: tuple[ExchangeKlines, ...]
    not_sent: int = 0
    shift_ns: int = 0

    @property
    def end_ns(self) -> int:
        """The instant after the last trade of any kind."""
        return max(spool.last_ns or 0 for spool in self.spools.values()) + 1

    def move(self, days: int) -> None:
        """Move every time by whole days; before anything is read."""
        self.shift_ns = days * NS_PER_DAY
        for spool in self.spools.values():
            spool.move(self.shift_ns)

    @staticmethod
    def open(
        paths: Sequence[Path],
        scenario: Scenario,
        names: Mapping[str, str] | None = None,
    ) -> Recorded:
        """Read files of trades, and of the exchange's klines, which are history before the trades.

        `names` are symbols that are served under another name.

        Raises InputError for a file that is not sound, UsageError where the files do not fit
        together or are of a market that is not served.
        """
        spools: dict[str, TradeSpool] = {}
        try:
            return _read(paths, scenario, spools, names or {})
        except BaseException:
            for spool in spools.values():
                spool.close()
            raise

    @property
    def trades(self) -> TradeSpool:
        """The trades that klines are made of."""
        return self.spools[AGGREGATES if AGGREGATES in self.spools else RAW]

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of streams of trades that the files can give.

        Of raw trades the stream of aggregates has each alone; how the exchange put them together
        is not in the files. Of aggregates there are no raw trades.
        """
        return (AGGREGATES, RAW) if RAW in self.spools else (AGGREGATES,)

    def without_source(self) -> tuple[str, ...]:
        """Return the kinds of streams of trades that the files cannot give."""
        return tuple(kind for kind in (AGGREGATES, RAW) if kind not in self.kinds())

    def spool_of(self, kind: str) -> TradeSpool:
        """Return the trades of a kind of stream."""
        return self.spools.get(kind, self.trades)

    def close(self) -> None:
        """Delete the files on disk."""
        for spool in self.spools.values():
            spool.close()


def _read(
    paths: Sequence[Path],
    scenario: Scenario,
    spools: dict[str, TradeSpool],
    names: Mapping[str, str],
) -> Recorded:
    files: list[ServedFile] = []
    klines: list[ExchangeKlines] = []
    markets: set[str] = set()
    not_sent = 0
    for group in _groups(paths, scenario):
        for file in group.trades:
            kind = AGGREGATES if file.peek().layout == "aggTrades" else RAW
            for tape in group.numbering.tapes(file, file.chunks()):
                sent = ~np.isin(tape.kind, _NEVER_SENT)
                not_sent += len(tape) - int(np.count_nonzero(sent))
                if kind not in spools:
                    spools[kind] = TradeSpool()
                spools[kind].add(_moved(tape if sent.all() else tape.take(sent), names))
            info = file.info
            markets.add(scenario.market or info.market or "um")
            files.append(ServedFile(info.path, info.sha256 or "", "trades", info.rows))
        for one in group.klines:
            klines.append(one)
            files.append(ServedFile(one.info.path, one.info.sha256 or "", "klines", len(one)))
    if not any(spool.rows for spool in spools.values()):
        raise UsageError("serve: expected trades, found none in the files")
    if len(markets) > 1 or not markets <= set(_MARKETS):
        raise UsageError(
            f"serve: expected files of one of the markets {' and '.join(_MARKETS)}, found "
            f"{', '.join(sorted(markets))}"
        )
    market = markets.pop()
    if market == "spot":
        for spool in spools.values():
            spool.widen(_SPOT_DECIMALS)
    return Recorded(market, spools, tuple(files), tuple(klines), not_sent)


def _groups(paths: Sequence[Path], scenario: Scenario) -> list[Sources]:
    """Open the files; raw trades and aggregates of the same time may both be given."""
    paths, _ = files_given(paths)
    aggregates = [path for path in paths if "aggTrades" in path.name]
    others = [path for path in paths if "aggTrades" not in path.name]
    if not aggregates:
        return [Sources.open(others, [], scenario)]
    # Files of klines alone are no sources of trades: they go with the aggregates.
    raw = [path for path in others if "-trades-" in path.name]
    rest = [path for path in others if "-trades-" not in path.name]
    first = Sources.open([*aggregates, *rest], [], scenario)
    return [first, Sources.open(raw, [], scenario)] if raw else [first]


def _moved(tape: Tape, names: Mapping[str, str]) -> Tape:
    """Return trades that arrive when they are made: the network is the client's own."""
    if names:
        named = (replace(i, symbol=names.get(i.symbol, i.symbol)) for i in tape.instruments)
        tape = replace(tape, instruments=tuple(named))
    moved = {"arrival_ns": tape.event_time_ns}
    # What is sent has ids: of a source that states none, the numbers of its rows.
    none = tape.first_id < 0
    if none.any():
        moved |= {n: np.where(none, tape.trade_id, getattr(tape, n)) for n in _RAW_IDS}
    return tape.with_columns(moved)
