"""What every test process needs before torch is imported."""

import os
import signal

# One thread per worker: the suite runs one worker per core, and sums of one length are then taken in one order.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts its background jobs with Ctrl-C ignored, and children inherit that; the tests of Ctrl-C need it to arrive.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
