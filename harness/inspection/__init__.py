"""Files of trades and klines looked at closely: what is missing, doubled, out of place or wrong."""

from harness.inspection.inspection import Inspection, inspect_files
from harness.inspection.subject import FileReport

__all__ = ["FileReport", "Inspection", "inspect_files"]
