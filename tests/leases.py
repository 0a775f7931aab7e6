"""Who waits for a lease, seen from outside."""

from __future__ import annotations

import fcntl

from nas.latency import lease


def waits_for_the_device() -> bool:
    """Whether somebody waits to have it alone: the gate is held so long."""
    with (lease.folder() / "cpu.gate").open("r+") as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
