"""What a service stored: tables of klines, whatever keeps them, as exact klines by series."""

from __future__ import annotations

from kline_harness.exchange.stores.content import BadRow, StoreContent, StoredSeries
from kline_harness.exchange.stores.reader import StoreOptions, read_store

__all__ = ["BadRow", "StoreContent", "StoreOptions", "StoredSeries", "read_store"]
