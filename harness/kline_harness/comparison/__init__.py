"""Our klines against the exchange's, field by field; differences explained with proof."""
