"""What every test process needs before torch is imported."""

import os

# One thread per worker: the suite runs one worker per core, and sums of one length are then taken in one order.
os.environ.setdefault("OMP_NUM_THREADS", "1")
