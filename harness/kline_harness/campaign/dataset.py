"""The klines of a campaign as a table that others read: hive partitions and `dataset.json`.

``klines/market=um/symbol=BTCUSDT/interval=1m/month=2024-07/klines.parquet``: a file has the rows
whose open time is of that month, in order of open time, and every column of the stored klines but
those that the path states. The same klines give the same bytes, however and by whom they were made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kline_harness.arrow import decimal_words, int64_of, texts_of
from kline_harness.errors import InputError
from kline_harness.kline import DECIMAL_COLUMNS, SCHEMA
from kline_harness.storage.dataset import KlineDataset
from kline_harness.whole_file import replacing, write_json

DATASET = "kline-harness/dataset/1"
MANIFEST = "dataset.json"
FILE = "klines.parquet"
# Readers of hive partitions take every file of a folder: the list of files lies outside of it.
TABLE = "klines"
PATH_COLUMNS = ("symbol", "interval")
COLUMNS = tuple(name for name in SCHEMA.names if name not in PATH_COLUMNS)
STORED = pa.schema([SCHEMA.field(name) for name in COLUMNS])
# A month's kline is published in the month after; a year's series is never held whole.
_MONTHS_HELD = 2
_DICTIONARY = ["trigger", *DECIMAL_COLUMNS]
_SPLIT = {name: "BYTE_STREAM_SPLIT" for name in COLUMNS if name not in _DICTIONARY}


def write_series(klines: Path, root: Path, market: str, symbol: str) -> list[dict[str, Any]]:
    """Write one symbol's stored klines as partitions; return what `dataset.json` says of each."""
    waiting: dict[tuple[str, int], list[pa.Table]] = {}
    written: dict[tuple[str, int], dict[str, Any]] = {}

    def store(keys: Iterable[tuple[str, int]]) -> None:
        for interval, month in sorted(keys):
            place = _place(root, market, symbol, interval, str(np.datetime64(month, "M")))
            tables = waiting.pop((interval, month))
            if (interval, month) in written:
                tables.insert(0, pq.ParquetFile(place).read())
            written[interval, month] = _stored(root, place, tables)

    for piece in KlineDataset(klines).pieces():
        for key, table in _parts(piece):
            waiting.setdefault(key, []).append(table)
        newest = max((month for _, month in waiting), default=0)
        store([key for key in waiting if key[1] < newest - _MONTHS_HELD])
    store(list(waiting))
    return [written[key] for key in sorted(written)]


def _parts(piece: pa.Table) -> Iterator[tuple[tuple[str, int], pa.Table]]:
    """Yield the rows of each interval and month (counted from 1970), in their order."""
    if piece.num_rows == 0:
        return
    texts, codes = texts_of(piece["interval"])
    opens = int64_of(piece["open_time"]).astype("datetime64[us]")
    months = opens.astype("datetime64[M]").astype(np.int64)
    table = piece.select(list(COLUMNS))
    order = np.lexsort((months, codes))
    heads = np.flatnonzero(np.diff(codes[order], prepend=-1) | np.diff(months[order], prepend=-1))
    for rows in np.split(order, heads[1:]):
        first = int(rows[0])
        yield (texts[int(codes[first])], int(months[first])), table.take(pa.array(rows))


def _place(root: Path, market: str, symbol: str, interval: str, month: str) -> Path:
    levels = (f"market={market}", f"symbol={symbol}", f"interval={interval}", f"month={month}")
    return root.joinpath(TABLE, *levels, FILE)


def _stored(root: Path, place: Path, tables: Sequence[pa.Table]) -> dict[str, Any]:
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    # Stable: of two klines of one open time the first published stays first.
    order = np.argsort(int64_of(table["open_time"]), kind="stable")
    table = (
        table.take(pa.array(order)).cast(STORED).replace_schema_metadata({"kline-harness": DATASET})
    )
    with replacing(place) as part:
        pq.write_table(
            table,
            part,
            compression="zstd",
            use_dictionary=_DICTIONARY,
            column_encoding=_SPLIT,
        )
    return {**_entry(root, place), "values_sha256": _values_sha256(table)}


def _entry(root: Path, place: Path) -> dict[str, Any]:
    data = place.read_bytes()
    opens = int64_of(pq.ParquetFile(place).read(["open_time"])["open_time"])
    return {
        "path": place.relative_to(root).as_posix(),
        "rows": len(opens),
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "first_open_time_us": int(opens[0]),
        "last_open_time_us": int(opens[-1]),
    }


def _values_sha256(table: pa.Table) -> str:
    """Return the sha256 of a table's values, column by column: whatever library encoded them."""
    digest = hashlib.sha256()
    for name in COLUMNS:
        column = table[name]
        digest.update(f"{name} {STORED.field(name).type} {column.null_count}\n".encode())
        if name in DECIMAL_COLUMNS:
            digest.update(decimal_words(column).tobytes())
        elif name == "trigger":
            texts, codes = texts_of(column)
            digest.update("\n".join(texts[code] for code in codes.tolist()).encode())
        else:
            digest.update(int64_of(column).tobytes())
            if column.null_count:
                # A missing id is -1 there, as one that nothing traded has.
                digest.update(column.is_null().to_numpy().tobytes())
    return digest.hexdigest()


def write_manifest(
    root: Path, files: Iterable[Mapping[str, Any]], columns: pa.Schema = STORED
) -> Path:
    """Write what the dataset is and holds; files of klines that it does not name are removed."""
    listed = sorted((dict(one) for one in files), key=lambda one: str(one["path"]))
    kept = {root / str(one["path"]) for one in listed}
    for stale in set(root.rglob(FILE)) - kept:
        stale.unlink()
    content = {
        "schema": DATASET,
        "partitions": ["market", "symbol", "interval", "month"],
        "columns": [{"name": field.name, "type": str(field.type)} for field in columns],
        "rows": sum(one["rows"] for one in listed),
        "files": listed,
    }
    place = root / MANIFEST
    write_json(place, content)
    return place


def read_manifest(root: Path) -> dict[str, Any]:
    """Return what a dataset says of itself.

    Raises InputError for what is none, and for one of a later schema.
    """
    place = root / MANIFEST
    try:
        content: dict[str, Any] = json.loads(place.read_text("utf-8"))
        schema = content["schema"]
        assert isinstance(content["files"], list)
    except (OSError, ValueError, KeyError, AssertionError) as error:
        raise InputError(place, "a dataset's list of files", str(error)) from None
    if schema != DATASET:
        raise InputError(place, DATASET, str(schema))
    return content


def faults_of(root: Path) -> list[str]:
    """Return what is not as `dataset.json` says: files that lack, or are not those listed."""
    faults = []
    for one in read_manifest(root)["files"]:
        place = root / one["path"]
        try:
            found = hashlib.sha256(place.read_bytes()).hexdigest()
        except OSError as error:
            faults.append(f"{place}: expected {one['rows']:,} rows, found {error.strerror}")
            continue
        if found != one["sha256"]:
            faults.append(f"{place}: expected sha256 {one['sha256']}, found {found}")
    return faults


def compact(root: Path, target: Path) -> Path:
    """Write a dataset anew with one file for each series: of few rows a month, most are small.

    The partition of the month then names the first and the last one. Each month stays a row
    group of its own, which readers skip by its statistics. A column that a later program added is
    kept, and is null where a file does not have it.

    Raises InputError where a file is not the one that `dataset.json` lists.
    """
    if faults := faults_of(root):
        raise InputError(root, "the files that its dataset.json lists", faults[0])
    series: dict[str, list[str]] = {}
    columns = STORED
    for one in read_manifest(root)["files"]:
        folder, _, _ = one["path"].rpartition("/month=")
        series.setdefault(folder, []).append(one["path"])
        columns = pa.unify_schemas([columns, pq.read_schema(root / one["path"]).remove_metadata()])
    entries = []
    for folder, paths in sorted(series.items()):
        months = [path.rpartition("/month=")[2].partition("/")[0] for path in sorted(paths)]
        span = months[0] if len(months) == 1 else f"{months[0]}..{months[-1]}"
        place = target / folder / f"month={span}" / FILE
        schema = columns.with_metadata({"kline-harness": DATASET})
        with (
            replacing(place) as part,
            pq.ParquetWriter(
                part, schema, compression="zstd", use_dictionary=_DICTIONARY, column_encoding=_SPLIT
            ) as writer,
        ):
            for path in sorted(paths):
                table = pq.ParquetFile(root / path).read()
                for field in [one for one in schema if one.name not in table.column_names]:
                    table = table.append_column(field, pa.nulls(len(table), field.type))
                writer.write_table(table.select(schema.names).cast(schema))
        entries.append(_entry(target, place))
    return write_manifest(target, entries, columns)
