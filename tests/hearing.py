"""Child processes that signals stop, also where these tests run in the background."""

import signal


def hearing() -> None:
    """For `preexec_fn`: a shell that starts tests in the background has them ignore signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
