"""The model of klagg, a service that aggregates Binance USD-M trades, and what belongs to it."""
