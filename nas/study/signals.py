"""The first signal asks the study to stop, the second ends the process."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """While open, remembers the first SIGINT, SIGTERM or SIGHUP; another one acts as ever.

    Only the main thread of a program can catch signals: elsewhere (a notebook's worker thread)
    this does nothing.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # nohup, or a program that wants none of it: a study under it goes on.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._catch)
        return self

    def _catch(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._restore()
        if number == signal.SIGINT:
            # Python's own handler would raise in the middle of a write.
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def stop(self) -> bool:
        """Whether a signal came."""
        return self.number is not None
