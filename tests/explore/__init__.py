"""Exploration: drawing, judging, shrinking, bundles."""
