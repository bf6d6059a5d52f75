"""Run a command and report its cost, including every process that it left behind.

python measure.py COMMAND... prints one JSON line on stderr. Run as a process of its own: workers
are children of a fork server that is not waited for, so this process adopts all orphans.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def main() -> int:
    """Run the rest of the command line, and report wall and CPU seconds and peak resident bytes."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    began = time.perf_counter()
    status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - began
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = {
        "wall": wall,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss * 1024,
        "status": status,
    }
    sys.stderr.write(f"\n{json.dumps(cost)}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
