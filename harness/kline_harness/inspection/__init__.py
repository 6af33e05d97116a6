"""Files of trades and klines looked at closely: what is missing, doubled, out of place or wrong."""

from kline_harness.inspection.inspection import Inspection, inspect_files
from kline_harness.inspection.subject import FileReport

__all__ = ["FileReport", "Inspection", "inspect_files"]
