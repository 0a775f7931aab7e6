"""Child processes that signals stop, also where these tests run in the background."""

import signal
import subprocess
import sys
from pathlib import Path


def hearing() -> None:
    """For `preexec_fn`: a shell that starts tests in the background has them ignore signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def nas(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """The program, started in a folder, in a session of its own; what it prints in one pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "nas.cli", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=hearing,
    )
