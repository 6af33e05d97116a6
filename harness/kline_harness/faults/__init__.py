"""What can go wrong on purpose: the catalogue of faults, each drawn from one seed."""
