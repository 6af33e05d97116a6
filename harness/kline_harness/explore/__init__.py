"""Many runs in memory: random scenarios, shrinking, bundles that replay a finding."""
