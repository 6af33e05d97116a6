"""Many runs in memory: canaries, random scenarios, shrinking, bundles that replay a finding."""
