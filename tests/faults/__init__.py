"""Faults: struck by identity, recorded, recovered from."""
