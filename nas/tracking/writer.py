"""One thread that writes what is pending, so that a slow or absent store never holds a study.

A thread, because the study's results are already safe when it is told of them, a store may take
seconds to refuse, and 40 ms a trial are better spent beside the training than between two trials;
one, because MLflow's client, SQLite and the order parent before child want it so. It is a daemon:
a process that ends does not wait for it longer than `finish` says. MLflow's own asynchronous
logging lost 191 of 200 metrics when the process ended; here everything pending can be made
again from the study.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from nas.errors import TrackingError

PAUSE_SECONDS = 30.0
HOLD_SECONDS = 10.0
FAILURES_UNTIL_DOWN = 2
"""One failed item may be at fault itself; when another fails next, it is the store."""

Item = TypeVar("Item")


class _Nothing:
    """No key is due; None is a key (that of the study)."""


_NOTHING = _Nothing()
_Key = int | None | _Nothing


class Writer(Generic[Item]):
    """Writes the newest item of each key, in the order the keys came.

    `prepare` opens the store, before the first item and again after every failure; `write` writes
    one item; both raise TrackingError. `told` gets a failure's message once per outage. A failed
    item is tried again after PAUSE_SECONDS, while others go on, and once more at the end.
    """

    def __init__(
        self,
        *,
        prepare: Callable[[], None],
        write: Callable[[Item], None],
        told: Callable[[str], None],
    ) -> None:
        self._prepare = prepare
        self._write = write
        self._told = told
        self._pending: dict[int | None, Item] = {}
        self._due: dict[int | None, float] = {}
        self._changed = threading.Condition()
        self._held_since: float | None = None
        self._down_until = 0.0
        self._failed: set[int | None] = set()  # since the last success or pause
        self._absent = False
        self._silent = False
        self._prepared = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="nas-tracking", daemon=True)

    def start(self) -> None:
        """Begin to write; what was put before is kept."""
        self._thread.start()

    def put(self, key: int | None, item: Item) -> None:
        """Have this item written, in the place of an older one of the same key."""
        with self._changed:
            self._pending[key] = item
            self._due.setdefault(key, 0.0)
            self._changed.notify_all()

    def hold(self, held: bool) -> None:
        """Write nothing while held (a latency is being measured), but never for long."""
        with self._changed:
            self._held_since = time.monotonic() if held else None
            self._changed.notify_all()

    def finish(self, seconds: float) -> int:
        """Try everything that is pending once more, for so long; returns how much is left."""
        with self._changed:
            self._closing = True
            self._held_since = None
            self._down_until = 0.0
            self._failed = set()
            self._due = dict.fromkeys(self._pending, 0.0)
            self._changed.notify_all()
        self._thread.join(seconds)
        with self._changed:
            return len(self._pending)

    def _run(self) -> None:
        while True:
            with self._changed:
                while isinstance(key := self._next(), _Nothing):
                    if self._closing:
                        return
                    self._changed.wait(self._seconds_to_wait())
                item = self._pending[key]
            try:
                self._attempt(item)
            except TrackingError as error:
                with self._changed:
                    self._put_off(key, error)
            else:
                with self._changed:
                    self._done(key, item)

    def _next(self) -> _Key:
        now = time.monotonic()
        held = self._held_since is not None and now - self._held_since < HOLD_SECONDS
        if held or now < self._down_until:
            return _NOTHING
        return next((key for key in self._pending if self._due[key] <= now), _NOTHING)

    def _seconds_to_wait(self) -> float | None:
        if not self._pending:
            return None
        time_due = max(self._down_until, min(self._due[key] for key in self._pending))
        if self._held_since is not None:
            time_due = max(time_due, self._held_since + HOLD_SECONDS)
        return max(0.01, time_due - time.monotonic())

    def _attempt(self, item: Item) -> None:
        if not self._prepared:
            self._absent = True
            self._prepare()
            self._absent = False
            self._prepared = True
        self._prepared = False
        self._write(item)
        self._prepared = True

    def _done(self, key: int | None, item: Item) -> None:
        self._failed = set()
        self._silent = False
        if self._pending[key] is item:
            del self._pending[key], self._due[key]

    def _put_off(self, key: int | None, error: TrackingError) -> None:
        # While closing, each item gets one more attempt, and an absent store one in all.
        again = math.inf if self._closing else time.monotonic() + PAUSE_SECONDS
        self._due[key] = again
        self._failed.add(key)
        if self._absent or len(self._failed) >= FAILURES_UNTIL_DOWN:
            self._down_until = again
            self._failed = set()
        if key is not None:
            # Others first; but the study's own run stays before those of its trials.
            self._pending[key] = self._pending.pop(key)
        if not self._silent:
            self._silent = True
            self._told(str(error))
