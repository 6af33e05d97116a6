"""Campaigns: many symbols over many days, the same bytes as one replay of each symbol.

Dask is imported late, by `cluster.py` alone.
"""
