"""The virtual clock and the channels: the only room that knows SimPy."""
