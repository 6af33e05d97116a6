"""Why a kline can differ from the exchange's: one file each, in the order of the registry."""
