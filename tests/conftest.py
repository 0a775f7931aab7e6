"""One thread a test process: threads that wait for one another spin, and the cores are shared."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
