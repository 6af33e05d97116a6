"""Files of trades as digests on disk, each under a key made of what it was made of.

A digest is one Parquet file; what else is known of its source is in the file's metadata. It takes
its place by one rename, so that a killed process leaves none that is not whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.archives import ColumnMap, FileInfo, TradeFile, is_mapped
from kline_harness.arrow import array_of
from kline_harness.campaign.digest import Digest, NeedsTrades, digest_of
from kline_harness.campaign.program import program_key
from kline_harness.campaign.summary import TradeSummary
from kline_harness.checks.files import FileWatch
from kline_harness.columns import Instrument, concat
from kline_harness.errors import InputError
from kline_harness.interval import INTERVALS, Interval, parse_interval
from kline_harness.ledger import Equation
from kline_harness.replay.sources import watch_of
from kline_harness.whole_file import replacing

# Raised when digests are made or written in another way.
FORMAT = "kline-harness/digest/1"
_META = b"kline-harness"
# Parquet has checksums of its pages alone, none of what stands in its footer.
_CHECK = b"kline-harness-sha256"
_STORED = (
    *("trade_id", "price", "quantity", "quote", "first_id", "last_id", "event_time_ns"),
    *("buyer_is_maker", "rows"),
)
_MINUTE = INTERVALS[1]


@dataclass(frozen=True, slots=True)
class Reading:
    """How files of trades are read: what their digests depend on beside their bytes.

    `frame` is the name of the interval that is not looked into.
    """

    frame: str = _MINUTE.text
    symbol: str | None = None
    market: str | None = None
    contract_size: Decimal | None = None
    columns: ColumnMap | None = None

    @staticmethod
    def frame_of(intervals: tuple[Interval, ...]) -> str:
        """Return the longest frame for klines of these intervals: a minute, or a second."""
        return _MINUTE.text if all(map(_MINUTE.refines, intervals)) else INTERVALS[0].text

    def open(self, path: Path) -> TradeFile:
        """Open a file of trades.

        Raises what `archives.open_trades` raises.
        """
        mapped = self.columns is not None and is_mapped(path, self.columns)
        return TradeFile(
            path,
            symbol=self.symbol,
            market=self.market,
            contract_size=self.contract_size,
            columns=self.columns if mapped else None,
        )

    def text(self) -> str:
        """Return all of it as text, for a key."""
        values = [getattr(self, one.name) for one in fields(self)]
        return repr((FORMAT, program_key(), *values))


@dataclass(frozen=True, slots=True)
class Day:
    """A file of trades, read once: the key of its digest, and what else is known of it.

    A file that needs to be read again has no digest rows; `summary.odd` says why.
    """

    key: str
    frame: Interval
    info: FileInfo
    watch: FileWatch
    equations: tuple[Equation, ...]
    summary: TradeSummary


class DayCache:
    """Digests in a folder; any number of processes may write there.

    Which bytes a path held when it was last read is remembered by its inode, size and times of
    change: that of the inode, too, which no program can set back.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def day(self, path: Path, reading: Reading) -> Day:
        """Return what is known of a file; read and digest it where that is not known yet.

        Raises what reading it raises.
        """
        key = self._key(path, reading)
        found = None if key is None else self.load(key, path)
        return found or self._made(path, reading)

    def holds(self, path: Path, reading: Reading) -> bool:
        """Tell whether a file that has not changed is digested already.

        Raises InputError where the file cannot be looked at.
        """
        key = self._key(path, reading)
        return key is not None and self._place(key).is_file()

    def sha256(self, path: Path) -> str:
        """Return the sha256 of a file, read again only where it has changed.

        Raises InputError where it cannot be read.
        """
        known = self._known(path)
        if known is None:
            before = _marks(path)
            try:
                with path.open("rb") as file:
                    known = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise InputError(path, "a readable file", error.strerror or str(error)) from None
            self._remember(path, known, before)
        return known

    def load(self, key: str, path: Path) -> Day | None:
        """Return what is stored under a key, None where nothing whole is; `path` names the file."""
        try:
            metadata = pq.read_schema(self._place(key)).metadata or {}
            if hashlib.sha256(metadata[_META]).digest() != metadata[_CHECK]:
                return None
            plain = json.loads(metadata[_META])
            info = {name: _tuple(value) for name, value in plain["info"].items()}
            watch = {name: _tuple(value) for name, value in plain["watch"].items()}
            return Day(
                key,
                parse_interval(plain["frame"]),
                FileInfo(**{**info, "path": str(path)}),
                FileWatch(**{**watch, "name": path.name}),
                tuple(Equation(**law) for law in plain["equations"]),
                TradeSummary.from_dict(plain["summary"]),
            )
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid):
            return None

    def digest(self, key: str) -> Digest:
        """Return the digest that is stored under a key.

        Raises NeedsTrades where it is damaged; it is made again the next time.
        """
        place = self._place(key)
        try:
            table = pq.ParquetFile(place, page_checksum_verification=True).read()
        except (OSError, ValueError) as error:
            place.unlink(missing_ok=True)
            raise NeedsTrades from error
        plain = json.loads((table.schema.metadata or {})[_META])
        columns: dict[str, Any] = {name: table[name].to_numpy() for name in _STORED}
        columns["arrival_ns"] = columns["event_time_ns"]
        columns["kind"] = np.zeros(table.num_rows, dtype=np.int8)
        columns["symbol"] = np.zeros(table.num_rows, dtype=np.int16)
        return Digest.build((Instrument(*plain["instrument"]),), columns)

    def _made(self, path: Path, reading: Reading) -> Day:
        before = _marks(path)
        file = reading.open(path)
        peeked = file.peek()
        watch = watch_of(peeked, peeked.symbols[0], file.contract_size)
        frame = parse_interval(reading.frame)
        digest, summary = _digested(file, watch, frame)
        summary = replace(summary, digest_rows=len(digest), source_bytes=file.info.bytes)
        assert file.info.sha256 is not None
        key = _key_of(file.info.sha256, path, reading)
        day = Day(key, frame, file.info, watch, file.equations, summary)
        self._store(day, digest)
        self._remember(path, file.info.sha256, before)
        return day

    def _store(self, day: Day, digest: Digest) -> None:
        plain = {
            "frame": day.frame.text,
            "info": asdict(day.info),
            "watch": asdict(day.watch),
            "equations": [asdict(law) for law in day.equations],
            "summary": day.summary.to_dict(),
            "instrument": list(asdict(digest.instruments[0]).values()),
        }
        kinds = {"buyer_is_maker": pa.bool_()}
        arrays = [array_of(getattr(digest, name), pa.int64()) for name in _STORED]
        table = pa.table(
            [
                one.cast(kinds.get(name, pa.int64()))
                for name, one in zip(_STORED, arrays, strict=True)
            ],
            names=list(_STORED),
        )
        text = json.dumps(plain).encode()
        table = table.replace_schema_metadata({_META: text, _CHECK: hashlib.sha256(text).digest()})
        numbers = {name: "DELTA_BINARY_PACKED" for name in _STORED if name not in kinds}
        place = self._place(day.key)
        with replacing(place) as part:
            pq.write_table(
                table,
                part,
                compression="zstd",
                use_dictionary=False,
                column_encoding=numbers,
                write_page_checksum=True,
            )

    def _key(self, path: Path, reading: Reading) -> str | None:
        """Return the key of a file that has not changed since it was last read."""
        known = self._known(path)
        return None if known is None else _key_of(known, path, reading)

    def _known(self, path: Path) -> str | None:
        """Return the sha256 of a file that has not changed since it was last read."""
        try:
            known = json.loads(self._seen(path).read_text("utf-8"))
            return str(known["sha256"]) if _marks(path) == known["stat"] else None
        except (InputError, OSError, ValueError, KeyError, TypeError):
            return None

    def _remember(self, path: Path, sha256: str, before: list[int]) -> None:
        """Remember what a path held, whose marks were these before it was read.

        Raises InputError where it has changed since.
        """
        if _marks(path) != before:
            raise InputError(
                path, "a file that stays as it is", "one that changed while it was read"
            )
        seen = {"path": str(path), "stat": before, "sha256": sha256}
        with replacing(self._seen(path)) as part:
            part.write_text(json.dumps(seen), encoding="utf-8")

    def _place(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}.parquet"

    def _seen(self, path: Path) -> Path:
        name = hashlib.sha256(str(path.resolve()).encode()).hexdigest()
        return self._root / "seen" / f"{name}.json"


def _marks(path: Path) -> list[int]:
    try:
        now = path.stat()
    except OSError as error:
        raise InputError(path, "a readable file", error.strerror or str(error)) from None
    return [now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns]


def _digested(file: TradeFile, watch: FileWatch, frame: Interval) -> tuple[Digest, TradeSummary]:
    """Read a file to its end; a digest without rows where it has to be read again."""
    digests: list[Digest] = []
    summary = TradeSummary()
    instrument: Instrument | None = None
    why = _unfit(file.peek())
    for tape in file.chunks():
        watch.add(tape)
        instrument = instrument or tape.instruments[0]
        if len(tape.instruments) > 1:
            why = why or "several symbols in one file"
        digest = None if why else digest_of(tape, frame)
        if digest is None:
            why = why or "trades that are not plain: of another kind, repeated or out of order"
            continue
        digests.append(digest)
        summary = summary.then(tape)
    assert instrument is not None
    nothing = Digest.empty((instrument,))
    rows = file.info.rows
    if why or summary.odd:
        return nothing, TradeSummary(trades=rows, odd=(why or summary.odd[0],))
    whole = concat(digests)
    if any(getattr(whole, name).dtype == object for name in ("price", "quantity", "quote")):
        return nothing, TradeSummary(trades=rows, odd=("numbers beyond int64",))
    return whole, summary


def _unfit(info: FileInfo) -> str | None:
    """Say why the trades of a file cannot be digested, whatever they are."""
    if info.receive_unit is not None or info.layout == "stream":
        return "a recording: trades by the instant of their arrival"
    if not info.ids_stated:
        return "trade ids are not stated"
    return None


def _key_of(sha256: str, path: Path, reading: Reading) -> str:
    # A file's name says what symbol and day it is of.
    text = "\n".join((sha256, path.name, reading.text()))
    return hashlib.sha256(text.encode()).hexdigest()


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
