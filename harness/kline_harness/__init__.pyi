"""The public names, for type checkers: each is loaded on use, which they cannot follow."""

from kline_harness.aggregators.per_event import PerEventAggregator as PerEventAggregator
from kline_harness.aggregators.per_event import TradeRow as TradeRow
from kline_harness.api import compare as compare
from kline_harness.api import inspect as inspect
from kline_harness.api import read_klines as read_klines
from kline_harness.api import read_trades as read_trades
from kline_harness.api import replay as replay
from kline_harness.archives import ColumnMap as ColumnMap
from kline_harness.archives import ExchangeKlines as ExchangeKlines
from kline_harness.columns import Instrument as Instrument
from kline_harness.columns import Rows as Rows
from kline_harness.errors import ContractError as ContractError
from kline_harness.errors import HarnessError as HarnessError
from kline_harness.errors import InputError as InputError
from kline_harness.errors import OutputError as OutputError
from kline_harness.errors import UsageError as UsageError
from kline_harness.errors import UserError as UserError
from kline_harness.exchange.served_exchange import serve as serve
from kline_harness.interfaces import Aggregator as Aggregator
from kline_harness.interfaces import Consumer as Consumer
from kline_harness.interfaces import FeedSlice as FeedSlice
from kline_harness.interfaces import Tick as Tick
from kline_harness.interval import INTERVALS as INTERVALS
from kline_harness.interval import Interval as Interval
from kline_harness.interval import parse_interval as parse_interval
from kline_harness.kline import Emission as Emission
from kline_harness.kline import KlineBatch as KlineBatch
from kline_harness.kline import Life as Life
from kline_harness.kline import Trigger as Trigger
from kline_harness.replay.scenario import Audit as Audit
from kline_harness.replay.scenario import Scenario as Scenario
from kline_harness.results import Compared as Compared
from kline_harness.results import Findings as Findings
from kline_harness.results import Inspected as Inspected
from kline_harness.results import KlineTable as KlineTable
from kline_harness.results import Replayed as Replayed
from kline_harness.results import Table as Table
from kline_harness.simulation.channels import ChannelOptions as ChannelOptions
from kline_harness.tape import Tape as Tape
from kline_harness.tape import TradeKind as TradeKind
from kline_harness.verdict import Finding as Finding
from kline_harness.verdict import Severity as Severity
from kline_harness.verdict import Validity as Validity
from kline_harness.verdict import Verdict as Verdict

__version__: str
__all__: list[str]
