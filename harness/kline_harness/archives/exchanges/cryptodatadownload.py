"""CryptoDataDownload: klines of many exchanges, whose rules are theirs.

Source: its files: an address in the first line, the newest row first, volumes named by coin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kline_harness.archives.exchange import Exchange, KlineForm
from kline_harness.kline_rule import NO_RULE

_COIN_VOLUME = re.compile(r"volume[ _(]*([A-Z0-9]{2,})\)?", re.IGNORECASE)


def volumes_by_coin(
    names: Sequence[str], columns: Sequence[str], stated: str, file_names: Sequence[str]
) -> tuple[str, ...]:
    """Return the columns, names such as `Volume BTC` replaced by what they mean.

    They are volumes of the base coin, with which the symbol begins (the one that a row has
    `stated`, else the one in the files' names), or of the quote coin, with which it ends. Where
    the symbol does not say which, they are not read.
    """
    symbols = [re.sub(r"[^A-Z0-9]", "", text.upper()) for text in file_names]
    if stated:
        symbols[0] = re.sub(r"[^A-Z0-9]", "", stated.upper())
    matches = [_COIN_VOLUME.fullmatch(name.strip().strip('"')) for name in names]
    coins = {match[1].upper() for match in matches if match}
    meanings: dict[str, str] = {}
    for base in coins:
        for quote in coins - {base} if len(coins) > 1 else ():
            if any(base + quote in symbol for symbol in symbols):
                meanings |= {base: "volume", quote: "quote_volume"}
    if len(coins) == 1 and stated:
        (coin,) = coins
        meanings = {coin: "volume"} if symbols[0].startswith(coin) else {}
        meanings |= {coin: "quote_volume"} if symbols[0].endswith(coin) else {}
    return tuple(
        meanings.get(match[1].upper(), name) if match and not name else name
        for match, name in zip(matches, columns, strict=True)
    )


EXCHANGE = Exchange(
    "cryptodatadownload",
    NO_RULE,
    kline_forms=(KlineForm(marks=("unix", "date", "symbol")),),
    address="cryptodatadownload.com",
    kline_names={"open_time": "date unix unixtimestamp", "count": "tradecount", "symbol": "symbol"},
)
