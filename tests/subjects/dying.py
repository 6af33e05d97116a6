"""Runs the example and kills itself after as many lines of input as its first argument says."""

import os
import signal
import subprocess
import sys

left = int(sys.argv[1])
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE)
assert child.stdin is not None
for line in sys.stdin.buffer:
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    child.stdin.write(line)
    child.stdin.flush()
child.stdin.close()
sys.exit(child.wait())
