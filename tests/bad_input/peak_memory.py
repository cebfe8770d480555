"""Runs a command and writes its peak of memory in MiB behind its output: `python peak_memory.py COMMAND …`.

A process of its own, as a child counts what its parent held when it was started.
"""

import resource
import subprocess
import sys

UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss in bytes, per MiB


if __name__ == "__main__":
    status = subprocess.call(sys.argv[1:])  # noqa: S603  what the test gives
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    sys.stdout.write(f"\npeak {peak / UNIT:.1f}\n")
    sys.exit(status)
