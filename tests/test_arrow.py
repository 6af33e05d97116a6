"""Columns handed to Arrow."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kline_harness.arrow import dictionary_text, total_of


@pytest.mark.parametrize(
    "values", [["klines", "klines", "lifecycle"], ["a", "b", "a", "b"], ["a", "b"], ["a"]]
)
def test_a_dictionary_holds_each_text_once(values: list[str]) -> None:
    codes = np.array([*range(len(values)), 0], dtype=np.int32)
    column = dictionary_text(codes, values)
    assert column.to_pylist() == [*values, values[0]]
    assert column.dictionary.to_pylist() == list(dict.fromkeys(values))


def test_a_dictionary_page_ends_with_its_texts() -> None:
    """What Arrow's writer leaves unfilled after a repeated text would be bytes of no run."""
    sink = pa.BufferOutputStream()
    names = ["klines", "klines", "lifecycle"]
    column = dictionary_text(np.array([0, 1, 2], dtype=np.int32), names)
    pq.write_table(pa.Table.from_arrays([column], names=["channel"]), sink, compression="none")
    data = sink.getvalue().to_pybytes()
    page = b"\x06\0\0\0klines\x09\0\0\0lifecycle"
    # The next page's header, Thrift's first field as an int, follows at once.
    assert data[data.index(page) + len(page)] == 0x15


@pytest.mark.parametrize(
    "texts", [[], ["0.001"], ["12345678901234567890.000000001", "0.999999999", "-3.5"]]
)
def test_decimals_add_up_exactly(texts: list[str]) -> None:
    values = [Decimal(text) for text in texts]
    column = pa.chunked_array([pa.array(values, pa.decimal128(38, 18))])
    assert total_of(column) == sum(values, Decimal(0))
