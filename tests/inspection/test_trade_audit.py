"""The trade audit against plain counting, over any cut into tapes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from kline_harness.checks.files import FileWatch
from kline_harness.columns import Instrument
from kline_harness.inspection.tally import Tally
from kline_harness.inspection.trade_audit import TradeAudit
from kline_harness.tape import Tape

INSTRUMENT = Instrument.of("ALFAUSDT", 0, 0)

# Rows as (id, time in s, quote quantity off by so much).
rows = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 40), st.sampled_from([0, 0, 0, 1])),
    min_size=1,
    max_size=25,
)


def audited(table: list[tuple[int, int, int]], cuts: list[int]) -> dict[str, int]:
    """How often each kind is found, the rows given in pieces."""
    tally = Tally("file")
    watch = FileWatch("t.csv", INSTRUMENT.symbol, (10 * 10**9, 30 * 10**9))
    audit = TradeAudit(tally, watch, layout="trades", market="spot", first_line=2)
    edges = sorted({0, len(table), *(cut % len(table) for cut in cuts)})
    for start, stop in pairwise(edges):
        ids, times, off = (
            np.array(c, dtype=np.int64) for c in zip(*table[start:stop], strict=True)
        )
        price = np.full(len(ids), 7, dtype=np.int64)
        tape = Tape.of(
            INSTRUMENT,
            trade_id=ids,
            price=price,
            quantity=price,
            quote=price * price + off,
            event_time_ns=times * 10**9,
            buyer_is_maker=ids < 0,
        )
        audit.add(tape, INSTRUMENT)
    audit.finish()
    return {f.kind: f.evidence["count"] for f in tally.findings()}


@settings(max_examples=200, deadline=None)
@given(rows, st.lists(st.integers(0, 24), max_size=4))
def test_counts_are_those_of_plain_python(
    table: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    ids, times = [row[0] for row in table], [row[1] for row in table]
    steps = list(pairwise(table))
    expected = {
        "ids_missing": max(ids) - min(ids) + 1 - len(set(ids)),
        "duplicate_ids": len(ids) - len(set(ids)),
        "ids_backwards": sum(b[0] < a[0] for a, b in steps),
        "time_backwards": sum(b[0] >= a[0] and b[1] < a[1] for a, b in steps),
        "time_outside_name": sum(not 10 <= time < 30 for time in times),
        "quote_not_product": sum(row[2] for row in table),
    }
    assert audited(table, cuts) == {kind: count for kind, count in expected.items() if count}
