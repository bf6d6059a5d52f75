"""What must be settled before a worker process imports NumPy; the fork server imports this first.

Workers do no linear algebra, and a process that is going to be forked must not have threads.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"
