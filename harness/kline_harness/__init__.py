"""Replay recorded trades through a kline aggregator and prove what it published.

Verbs
    replay           trades through an aggregator: every kline checked and compared
    compare          klines against the exchange's, without a replay
    inspect          what is missing, doubled or wrong in files
    read_trades      files of trades to a `Tape`
    read_klines      a file of the exchange's klines to `ExchangeKlines`
    serve            trades served to a service as the exchange does, on loopback

Results
    Replayed         of `replay`: verdict, checks, findings, klines, differences, report
    Compared         of `compare`
    Inspected        of `inspect`
    Findings         what the checks found, as sentences or a DataFrame
    Table            rows of a result, to Arrow or pandas
    KlineTable       stored final klines
    Verdict          the answer of one check
    Validity         valid, invalid or unknown
    Finding          one thing that a check found
    Severity         what a finding means for its check

Options
    Scenario         everything that decides a run, beside its files
    Audit            who listens to what is published
    ChannelOptions   how many values the channels hold
    ColumnMap        what the columns of a Parquet or Arrow file of trades are

Values
    Tape             trades as columns
    TradeKind        what a trade is
    KlineBatch       final klines as columns
    Trigger          what made an aggregator publish
    Emission         what an aggregator publishes for a slice of its feed
    Life             a transition in the life of a kline
    Instrument       a symbol and its scales
    INTERVALS        the intervals in the order of the codes in a `KlineBatch`
    Interval         1s to 1M, and where klines begin and end
    parse_interval   text such as "5m" to an `Interval`
    ExchangeKlines   the klines of one file

Seams
    Aggregator           what makes klines of a feed
    PerEventAggregator   a base for those written as what they do with each event
    TradeRow             one trade, as a per-event aggregator gets it
    FeedSlice            trades, and the signals between them
    Tick                 a clock signal
    Consumer             what listens to published klines
    Rows                 published rows, as a consumer gets them

Errors
    HarnessError     base of all of them
    UserError        something the caller can mend, in one sentence
    UsageError       an option or a combination of files
    InputError       a file: place, expected, found
    OutputError      the run folder
    ContractError    an aggregator or consumer that broke its contract

Importing this package imports none of them: each is loaded when it is used.
"""

import sys as _sys
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType

__version__ = "0.1.0"

_MODULES = {
    "api": ("compare", "inspect", "read_klines", "read_trades", "replay"),
    "results": ("Compared", "Findings", "Inspected", "KlineTable", "Replayed", "Table"),
    "exchange.served_exchange": ("serve",),
    "verdict": ("Finding", "Severity", "Validity", "Verdict"),
    "replay.scenario": ("Audit", "Scenario"),
    "archives": ("ColumnMap", "ExchangeKlines"),
    "simulation.channels": ("ChannelOptions",),
    "tape": ("Tape", "TradeKind"),
    "kline": ("Emission", "KlineBatch", "Life", "Trigger"),
    "columns": ("Instrument", "Rows"),
    "interval": ("INTERVALS", "Interval", "parse_interval"),
    "interfaces": ("Aggregator", "Consumer", "FeedSlice", "Tick"),
    "aggregators.per_event": ("PerEventAggregator", "TradeRow"),
    "errors": (
        *("ContractError", "HarnessError", "InputError", "OutputError", "UsageError", "UserError"),
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])  # noqa: PLE0605


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(_import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(_ModuleType):
    """Keeps `replay` the function: importing the package `replay` would put itself there."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, _ModuleType)):
            super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package
