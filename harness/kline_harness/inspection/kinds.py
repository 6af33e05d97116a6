"""The kinds of defects that an inspection knows, how bad each is, and what it means."""

from __future__ import annotations

from dataclasses import dataclass

from kline_harness.verdict import Severity

_ERROR, _DOUBT, _NOTICE = Severity.ERROR, Severity.DOUBT, Severity.NOTICE


@dataclass(frozen=True, slots=True)
class Kind:
    """How bad a defect is and what it means, in a few words."""

    severity: Severity
    meaning: str


KINDS: dict[str, Kind] = {
    # The file itself.
    "unreadable": Kind(_ERROR, "the file cannot be read on from here"),
    "lines_not_read": Kind(_ERROR, "lines that this reader lost: a defect of kline-harness"),
    "header_again": Kind(_ERROR, "a header among the rows: files put together as they were"),
    "lines_before_header": Kind(_NOTICE, "lines before the header, such as a site's address"),
    "newest_first": Kind(_NOTICE, "the newest row comes first: rows are read from the last one on"),
    "columns_not_read": Kind(_DOUBT, "columns with unknown names, and fields that none has"),
    "columns_unknown": Kind(_NOTICE, "columns with unknown names, which nothing was read from"),
    "checksum_mismatch": Kind(_ERROR, "not the bytes its CHECKSUM file names"),
    "checksum_malformed": Kind(_ERROR, "the CHECKSUM file does not state a sha256"),
    "checksum_of_another_file": Kind(_DOUBT, "the CHECKSUM file names another file"),
    "time_outside_name": Kind(_ERROR, "rows outside of the day or month that the name claims"),
    "no_rows": Kind(_DOUBT, "a file of trades or klines without a row: nothing was looked at"),
    "names_contradict": Kind(_DOUBT, "the file's names, or name and rows, contradict each other"),
    # Trades.
    "ids_missing": Kind(_ERROR, "trade ids that no row has"),
    "raw_ids_missing": Kind(_ERROR, "raw trade ids in no aggregate, though no aggregate lacks"),
    "lone_ids_missing": Kind(_NOTICE, "single ids left out, as of insurance fund or ADL trades"),
    "many_lone_ids_missing": Kind(_DOUBT, "more single ids left out than fund trades use up"),
    "duplicate_ids": Kind(_ERROR, "trade ids of more than one row"),
    "ids_backwards": Kind(_ERROR, "rows not in the order of their ids"),
    "received_out_of_order": Kind(_NOTICE, "trades received after a later one"),
    "time_backwards": Kind(_ERROR, "a higher id with an earlier time"),
    "sentinel_rows": Kind(_NOTICE, "rows the exchange marked invalid (p=0 q=0 f=l=-1)"),
    "zero_quantity": Kind(_ERROR, "trades of no quantity"),
    "zero_price": Kind(_ERROR, "trades at the price 0"),
    "first_id_after_last": Kind(_ERROR, "aggregates whose first trade id is after their last"),
    "overlapping_aggregates": Kind(_ERROR, "raw trade ids in more than one aggregate"),
    "quote_not_product": Kind(_ERROR, "quote quantity is not price x quantity beyond rounding"),
    "nothing_applied": Kind(_DOUBT, "no trade of a market, so that no kline can be made of it"),
    "kind_not_known": Kind(_DOUBT, "trades of a kind that no document names: counted, or not"),
    "klines_not_compared": Kind(
        _NOTICE, "closed klines of a recording: replay --klines takes them"
    ),
    "starts_late": Kind(_DOUBT, "no trade for long after the start of the day or month"),
    "stops_early": Kind(_DOUBT, "no trade for long before the end of the day or month"),
    "maker_never_changes": Kind(_DOUBT, "the buyer is the maker in every trade, or in none"),
    # Klines.
    "rows_missing": Kind(_DOUBT, "no rows where quiet would be flat rows: halted, or lost"),
    "prices_missing": Kind(_ERROR, "no rows of a price that is never quiet"),
    "quiet_rows_left_out": Kind(_NOTICE, "rows only where something traded, as this source does"),
    "rows_start_late": Kind(_DOUBT, "first row after the start of the day or month"),
    "rows_end_early": Kind(_ERROR, "last row before the end of the day or month"),
    "duplicate_rows": Kind(_ERROR, "a kline more than once"),
    "conflicting_rows": Kind(_ERROR, "one open time, different klines"),
    "rows_backwards": Kind(_ERROR, "rows not in the order of their open times"),
    "misaligned_open_time": Kind(_ERROR, "open times that no kline of this interval has"),
    "wrong_close_time": Kind(_ERROR, "close time is not the last instant of the interval"),
    "ohlc_order": Kind(_ERROR, "high is not the highest or low not the lowest price"),
    "non_positive_price": Kind(_ERROR, "a price of 0"),
    "taker_exceeds_total": Kind(_ERROR, "takers bought more than was traded"),
    "quote_outside_of_prices": Kind(_ERROR, "a quote volume is not within volume x [low, high]"),
    "count_volume_mismatch": Kind(_ERROR, "only some of count, volume and quote volume are 0"),
    "quiet_not_level": Kind(_ERROR, "nothing traded and yet the prices differ"),
    "forming_row": Kind(_ERROR, "saved before it was final"),
    # Across files.
    "times_apart": Kind(_DOUBT, "files of no common time, so that nothing was compared"),
    "beyond_trades": Kind(_DOUBT, "klines after or before the time that the trades cover"),
    "beyond_klines": Kind(_DOUBT, "whole klines of the trades' time that no file reaches"),
    "nothing_whole": Kind(_DOUBT, "no kline lies within the trades' time: nothing was compared"),
    "symbol_without_klines": Kind(_DOUBT, "trades of a symbol with no klines, beside klines given"),
    "aggregate_differs": Kind(_ERROR, "an aggregate is not what its raw trades are together"),
    "raw_ids_in_no_aggregate": Kind(_ERROR, "raw trades of the same time that no aggregate has"),
    "aggregates_without_trades": Kind(_ERROR, "ids in aggregates that no raw trade has"),
    "levels_disagree": Kind(_ERROR, "a kline is not the sum of the klines in it"),
    "row_missing_though_lower": Kind(_ERROR, "no kline though all klines in it exist"),
    "versions_conflict": Kind(_ERROR, "two files state different rows for the same kline"),
    "rows_only_in_one": Kind(_ERROR, "klines that only one of two files of the same time has"),
    "id_in_two_files": Kind(_ERROR, "the same ids in the files of different days"),
    "trades_conflict": Kind(_ERROR, "two files state different trades for the same id"),
    "trades_only_in_one": Kind(_ERROR, "ids that only one of two files of the same time has"),
    "ids_missing_between": Kind(_ERROR, "ids between a file and the next day's that neither has"),
    "ids_missing_after": Kind(_DOUBT, "ids between a file and the next that no file has"),
    "same_time_without_ids": Kind(
        _DOUBT, "two files of one time, without ids to tell trades apart"
    ),
    "files_apart": Kind(_DOUBT, "nothing for long between files without trade ids"),
    "zero_volume_though_traded": Kind(_ERROR, "klines without volume where trades exist"),
    "no_row_though_traded": Kind(_ERROR, "no kline where trades exist"),
    "no_trades_though_volume": Kind(_ERROR, "no trades where klines have volume"),
    "volume_differs": Kind(_DOUBT, "kline volume is not that of the trades: replay tells why"),
    "nothing_traded_in_gap": Kind(_NOTICE, "rows missing where no trade exists either: a halt"),
}
