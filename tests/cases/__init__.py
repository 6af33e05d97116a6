"""Inputs after users' reports, and wrong ones that were once called valid: one run each."""
