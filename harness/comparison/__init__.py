"""Our klines against the exchange's, field by field."""
