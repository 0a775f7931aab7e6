"""Who may disturb whom: training batches share a device, a measurement has it alone.

`cuda` is the first GPU that this process sees, by the name that the whole machine has for it, its
UUID: two processes on two GPUs do not disturb each other, two on one do, whatever each calls it.

Two kernel file locks per device, a gate that everyone passes and then the room. A measurement
holds the gate while it waits for the room, so that training batches that come later queue behind
it: with the room alone an exclusive waiter starves as long as the shared holders overlap.

The files lie in one folder for the whole machine. They are opened for each lease and closed in
forked children, so that a lease never outlives the process that took it.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from nas.errors import MeasurementError

_OPEN: set[int] = set()


def _close_all_in_child() -> None:
    # Closing a copy leaves the parent's lock alone: flock belongs to what was opened, and is given
    # back by LOCK_UN or by the last copy's end. Without this a child would hold it for its life.
    for descriptor in _OPEN:
        os.close(descriptor)
    _OPEN.clear()
    _HELD.__dict__.clear()


_HELD = threading.local()
os.register_at_fork(after_in_child=_close_all_in_child)


def folder() -> Path:
    """The machine-wide folder of the lock files."""
    return Path(tempfile.gettempdir()) / "latency-nas-lease"


def _machine_wide(device: str) -> str:
    """The same name in every process: each has its own idea of which GPU is its first."""
    if device == "cuda":
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return f"cuda:{_uuid(visible) or visible.split(',')[0].strip() or 0}"
    return device


@lru_cache(maxsize=8)
def _uuid(visible: str) -> str:
    """The first GPU's, where torch sees one; `visible` is what this process may see.

    A number is no name: CUDA and the system count GPUs in orders of their own.
    """
    import torch

    if not torch.cuda.is_available():
        return ""
    return str(getattr(torch.cuda.get_device_properties(0), "uuid", ""))


def _open(device: str, name: str) -> int:
    path = folder() / f"{re.sub('[:/]', '-', device)}.{name}"
    try:
        # Not created if it is there: in a sticky folder Linux refuses O_CREAT on the file of
        # another user (fs.protected_regular).
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = _create(path)
    except OSError as error:
        raise _unusable(path, error) from error
    _OPEN.add(descriptor)
    return descriptor


def _create(path: Path) -> int:
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(exist_ok=True)
            path.parent.chmod(0o1777)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if os.fstat(descriptor).st_uid == os.getuid():
            os.fchmod(descriptor, 0o666)  # the umask would lock other users out
    except OSError as error:
        raise _unusable(path, error) from error
    return descriptor


def _unusable(path: Path, error: OSError) -> MeasurementError:
    return MeasurementError(
        f"lease: its lock files must be writable; got {path}: {error.strerror}; "
        "allowed: another TMPDIR"
    )


def _close(descriptor: int) -> None:
    if descriptor in _OPEN:  # else this is a forked child, which has closed it
        _OPEN.discard(descriptor)
        # Unlocked by name: a copy in a process forked by other means would keep it locked.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextmanager
def _lease(device: str, mode: int) -> Iterator[float]:
    started = time.perf_counter()
    room = _open(device, "room")
    try:
        gate = _open(device, "gate")
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)
            fcntl.flock(room, mode)
        finally:
            _close(gate)
        yield time.perf_counter() - started
    finally:
        _close(room)


def _held() -> dict[str, int]:
    held: dict[str, int] = _HELD.__dict__.setdefault("modes", {})
    return held


@contextmanager
def shared(device: str = "cpu") -> Iterator[float]:
    """Compute on a device beside others, for one training batch; gives the seconds waited.

    A thread that holds the device already passes at once: behind a waiting measurement it would
    wait for itself.

    Raises:
        MeasurementError: the lock files cannot be opened.
    """
    device, held = _machine_wide(device), _held()
    if device in held:
        yield 0.0
        return
    with _lease(device, fcntl.LOCK_SH) as waited:
        held[device] = fcntl.LOCK_SH
        try:
            yield waited
        finally:
            held.pop(device, None)


@contextmanager
def exclusive(device: str = "cpu") -> Iterator[float]:
    """Have a device alone, for one measurement; gives the seconds waited.

    Raises:
        MeasurementError: the lock files cannot be opened.
    """
    device, held = _machine_wide(device), _held()
    if held.get(device) == fcntl.LOCK_EX:
        yield 0.0
        return
    # A thread that measures inside its own training batch would wait for itself for ever.
    assert device not in held, f"lease: {device} is held shared by this very thread"
    with _lease(device, fcntl.LOCK_EX) as waited:
        held[device] = fcntl.LOCK_EX
        try:
            yield waited
        finally:
            held.pop(device, None)
