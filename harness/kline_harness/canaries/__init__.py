"""Planted defects: each a small wrapper, and the check that has to find it."""
