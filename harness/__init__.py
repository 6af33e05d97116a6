"""Replay recorded trades through a kline aggregator and prove what it published."""
