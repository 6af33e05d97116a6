"""The exchanges' kline rules, and that they are used."""

from __future__ import annotations

from pathlib import Path

from kline_harness.archives import exchange_of, exchanges
from kline_harness.archives.registry import EXCHANGES
from kline_harness.id_rule import IdRule
from kline_harness.inspection import inspect_files
from kline_harness.kline_rule import Basis, OpenRule, QuietRule
from kline_harness.verdict import Validity

SOURCES = Path(__file__).resolve().parents[1] / "fixtures" / "sources"


def test_every_exchanges_file_is_found_by_itself() -> None:
    folder = Path(exchanges.__path__[0])
    # One of many files is a folder.
    pages = [*folder.glob("*.py"), *(page.parent for page in folder.glob("*/__init__.py"))]
    files = {path.stem for path in pages} - {"__init__"}
    assert files == {exchange.name for exchange in EXCHANGES}


def test_no_two_dialects_claim_the_same_rows() -> None:
    """One header may be two exchanges', whose times are then written differently."""
    claims = [
        (one.header or one.columns, one.time) for exchange in EXCHANGES for one in exchange.trades
    ]
    assert len(set(claims)) == len(claims)


def test_only_binances_rule_is_proved() -> None:
    proved = {one.name for one in EXCHANGES if one.klines.open_basis is Basis.PROVED}
    assert proved == {"binance"}
    rule = exchange_of("binance").klines
    assert (rule.open, rule.quiet) == (OpenRule.FIRST_TRADE, QuietRule.FLAT)


def test_nothing_is_known_of_a_source_that_is_not_stated() -> None:
    for name in ("table", "not stated"):
        unknown = exchange_of(name)
        assert (unknown.klines.open, unknown.klines.quiet) == (OpenRule.UNKNOWN, QuietRule.UNKNOWN)
        assert unknown.id_rule(None, is_recorded=False) is IdRule.UNKNOWN


def test_a_gap_is_quiet_where_the_rule_says_so() -> None:
    """The same rows: of Kraken quiet, of others halted or lost."""
    for name, kind, validity in [
        ("XBTUSD_1.csv", "quiet_rows_left_out", Validity.VALID),
        ("kraken-ohlc.json", "quiet_rows_left_out", Validity.VALID),
        ("XBTUSD-1m.csv", "rows_missing", Validity.UNKNOWN),
    ]:
        inspection = inspect_files([SOURCES / name])
        (finding,) = inspection.files[0].verdict.findings
        assert (finding.kind, finding.evidence["count"]) == (kind, 2)
        assert inspection.validity is validity


def test_numbered_trades_and_sparse_ids_are_not_held_to_have_no_gap() -> None:
    for path in SOURCES.glob("*"):
        if path.name == "metadata.json" or "1m" in path.name or "_1." in path.name:
            continue
        if "ohlc" not in path.name:
            assert inspect_files([path]).files[0].verdict.findings == (), path.name
