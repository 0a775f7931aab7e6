"""The second reference network: if its ratio to the first moves, the machine is in another regime.

It is of another kind, so that what favours one of them (a busy neighbour, another clock, a warm
board) shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nas.architecture import Architecture
from nas.latency.deviation import Spread
from nas.latency.measuring import Run
from nas.latency.protocol import Ratio
from nas.latency.runtimes import Prepared, prepare
from nas.latency.subject import Subject, subject
from nas.latency.target import Target

SECOND = "second reference"


class Regime:
    """What is known of the second reference; nothing happens where there is none.

    `prepared` takes part in a measurement beside the candidates; `told` hears once of a ratio whose
    interval has left that of the first time.
    """

    def __init__(
        self,
        second: Architecture | Subject | None,
        target: Target,
        *,
        told: Callable[[str], None],
    ) -> None:
        self.prepared: dict[str, Prepared] = {}
        if second is not None:
            self.prepared[SECOND] = prepare(subject(second), target)
        self.first: Ratio | None = None
        self._told = told
        self._warned = False

    def look(self, run: Run, spread: Spread) -> None:
        """See how it did in a run that it may have been part of."""
        now = _ratio(run, spread)
        if now is None:
            return
        if self.first is None:
            self.first = now
        elif not self._warned and (now.low > self.first.high or now.high < self.first.low):
            self._warned = True
            self._told(
                f"the second reference network takes {now.ratio:.3f} of the first, and took "
                f"{self.first.ratio:.3f} before: the device is in another regime, and latencies "
                "from before and after may differ by as much"
            )

    def conditions(self, run: Run, spread: Spread) -> dict[str, Any]:
        """What belongs to a number measured beside it."""
        now = _ratio(run, spread)
        if now is None or self.first is None:
            return {}
        return {
            "second_reference_ratio": now.ratio,
            "second_reference_drift": now.ratio / self.first.ratio - 1,
        }


def _ratio(run: Run, spread: Spread) -> Ratio | None:
    return run.ratio(SECOND, spread) if any(run.of(SECOND)) else None
