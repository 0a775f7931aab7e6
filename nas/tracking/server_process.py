"""The process of `nas ui`: MLflow's own server, gone when the process that started it is gone.

Run as `python -m nas.tracking.server_process ARGUMENTS OF mlflow server`; its standard input is a
pipe that nobody writes to, and that ends with the process that holds the other end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

GRACE_SECONDS = 3.0


def _end_with_parent() -> None:
    # Not sys.stdin: a thread that waits there holds a lock that the interpreter wants at its end.
    while os.read(0, 1):
        pass
    # The group holds this process and the worker that MLflow starts from it.
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Serve until the parent ends or a signal comes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from mlflow.cli import cli

    cli(["server", *sys.argv[1:]])


if __name__ == "__main__":
    main()
