"""Aggregators in processes of their own: right ones, wrong ones, and ones that misbehave."""
