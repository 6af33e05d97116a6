"""Kline aggregators behind one seam: the exact one, a readable one, and what others are made of."""
