"""Every planted defect is found by the check that should find it."""
