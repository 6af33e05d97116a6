"""Every exchange and seller of data whose files are known: each file of `exchanges` is one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules

from kline_harness.archives import exchanges
from kline_harness.archives.exchange import Dialect, Exchange, KlineForm
from kline_harness.archives.info import FileInfo
from kline_harness.id_rule import IdRule
from kline_harness.kline_rule import NO_RULE

EXCHANGES: tuple[Exchange, ...] = tuple(
    import_module(f"{exchanges.__name__}.{module.name}").EXCHANGE
    for module in sorted(iter_modules(exchanges.__path__), key=lambda module: module.name)
)
# Whose files do not say whose they are: somebody's own table, klines of five or six columns.
NOT_STATED = "not stated"
UNSTATED = Exchange(NOT_STATED, NO_RULE)
# Names that tables of no exchange's own form have; pandas names its index so.
_LIBRARIES = {
    "open_time": "date time timestamp indexlevel0",
    "symbol": "symbol pair",
    "timeframe": "timeframe interval",
}


def _meanings(aliases: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return what each name of a column means.

    Raises ValueError where one has two meanings.
    """
    found: dict[str, str] = {}
    for meaning, text in (pair for names in aliases for pair in names.items()):
        for name in text.split():
            if found.setdefault(name, meaning) != meaning:
                raise ValueError(f"a column {name} is {found[name]} here and {meaning} there")
    return found


TRADE_NAMES = _meanings(exchange.trade_names for exchange in EXCHANGES)
KLINE_NAMES = _meanings([_LIBRARIES, *(exchange.kline_names for exchange in EXCHANGES)])
_BY_NAME = {exchange.name: exchange for exchange in EXCHANGES}
_BY_HEADER: dict[tuple[str, ...], list[tuple[Exchange, Dialect]]] = {}
for _exchange in EXCHANGES:
    for _dialect in _exchange.trades:
        _names = tuple(name.lower() for name in _dialect.header)
        _BY_HEADER.setdefault(_names, []).append((_exchange, _dialect))


def exchange_of(source: str) -> Exchange:
    """Return what is known of a file's source; nothing where the source is not stated."""
    return _BY_NAME.get(source, UNSTATED)


def id_rule_of(info: FileInfo) -> IdRule:
    """Return what it means that a trade id is missing in a file of trades."""
    exchange = exchange_of(info.source)
    return exchange.id_rule(info.market, is_recorded=info.layout == "stream")


def trades_with_header(names: Sequence[str], row: Sequence[str]) -> tuple[Exchange, Dialect] | None:
    """Return whose trades have these names of columns; where several have, by the row's time."""
    found = _BY_HEADER.get(tuple(name.strip().strip('"').lower() for name in names), ())
    for exchange, one in found:
        place = one.columns.index("time")
        if place < len(row) and one.takes_time(row[place]):
            return exchange, one
    return found[0] if found else None


def trades_without_header(row: Sequence[str]) -> tuple[Exchange, Dialect] | None:
    """Return whose trades have no header and rows such as this one."""
    found = (pair for pair in _BY_HEADER.get((), ()) if pair[1].takes_row(row))
    return next(found, None)


def kline_forms() -> Iterator[tuple[Exchange, KlineForm]]:
    """Yield every way to know klines, with whose they are."""
    return ((exchange, form) for exchange in EXCHANGES for form in exchange.kline_forms)
