"""For authors of aggregators and consumers: contract kits, and the klines specification."""
