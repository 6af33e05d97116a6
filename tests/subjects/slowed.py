"""Runs a subject with its output held up at random: SLOWED is the seed, none does not hold it."""

import os
import random
import subprocess
import sys
import time

child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE)
assert child.stdout is not None
draw = random.Random(os.environ["SLOWED"]) if "SLOWED" in os.environ else None
for line in child.stdout:
    if draw is not None and draw.random() < 0.05:
        time.sleep(draw.random() * 0.02)
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
sys.exit(child.wait())
