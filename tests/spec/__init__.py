"""The klines specification: how its cases are made, what must pass them, what must not."""
