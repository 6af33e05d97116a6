"""Kline aggregators behind one seam: the exact one and models of real services."""
