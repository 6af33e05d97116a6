"""Replay recorded trades through a kline aggregator and prove what it published."""

__version__ = "0.1.0"
