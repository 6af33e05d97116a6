"""The exchanges' kline rules, and that they are used."""

from __future__ import annotations

from pathlib import Path

from kline_harness.archives.dialects import DIALECTS, KRAKEN_CSV
from kline_harness.inspection import inspect_files
from kline_harness.kline_rule import KLINE_RULES, Basis, OpenRule, QuietRule
from kline_harness.verdict import Validity

SOURCES = Path(__file__).resolve().parents[1] / "fixtures" / "sources"


def test_every_exchange_that_is_read_has_a_rule() -> None:
    exchanges = {dialect.source for dialect in (*DIALECTS, KRAKEN_CSV)} - {"tardis"}
    assert exchanges | {"binance"} == set(KLINE_RULES)


def test_only_binances_rule_is_proved() -> None:
    proved = {name for name, rule in KLINE_RULES.items() if rule.open_basis is Basis.PROVED}
    assert proved == {"binance"}
    assert KLINE_RULES["binance"].open is OpenRule.FIRST_TRADE
    assert KLINE_RULES["binance"].quiet is QuietRule.FLAT


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
