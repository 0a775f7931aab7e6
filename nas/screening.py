"""Candidates that a table of block times puts clearly over a limit are refused unmeasured.

Off unless `target.table` names a file that `nas latency --table` wrote on the study's target. A
sampler that is told what is known beforehand does not even propose them. What is not clearly over,
and with it every winner, is measured; how far the table was off on those is told when the study
ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nas.architecture import Architecture
from nas.composition import Parts
from nas.errors import SettingsError
from nas.latency.decision import Bound, verdict
from nas.limits import bounds_of
from nas.outcome import Latency

if TYPE_CHECKING:
    from nas.latency.instrument import Instrument
    from nas.latency.table import BlockTable

CLOCK = "block table"
"""The clock of a latency that was predicted, not measured."""

MARGIN = 2.0
"""A prediction is taken to be off by as many times what nine in ten were off when it was tested."""


class Screen:
    """Latencies of candidates: predicted where that settles a limit, measured elsewhere.

    `refused` and `errors` count the networks refused on a prediction, and hold |prediction /
    measured - 1| of the ratio of those measured.
    """

    def __init__(
        self,
        table: BlockTable,
        instrument: Instrument,
        yardstick: Architecture,
        bounds: Sequence[Bound],
    ) -> None:
        self._table, self._instrument, self._bounds = table, instrument, tuple(bounds)
        self._yardstick = yardstick
        base = table.predict(yardstick)
        # Beside its own reference the table's ratios need no prediction of that.
        own = table.reference == yardstick.fingerprint
        self._base = 1.0 if own or base is None else base.ratio
        self._usable = own or base is not None
        self.refused = 0
        self.errors: list[float] = []

    def measure(self, architecture: Architecture) -> Latency:
        """As `Instrument.settle`; a prediction where that breaks a limit beyond its error.

        Raises:
            MeasurementError: as `Instrument.settle`.
        """
        if over := self.over(architecture):
            self.refused += 1
            return over
        measured = self._instrument.settle(architecture, *self._bounds)
        found = self.predict(architecture)
        if found and not self._itself(architecture):
            self.errors.append(abs(found.ratio / measured.ratio - 1))
        return measured

    def over(self, architecture: Architecture) -> Latency | None:
        """The prediction where that breaks a limit beyond its error."""
        found = self.predict(architecture)
        if found is None or self._itself(architecture):
            return None
        return found if verdict(found, *self._bounds) == "broken" else None

    def _itself(self, architecture: Architecture) -> bool:
        return architecture.fingerprint == self._yardstick.fingerprint

    def predict(self, architecture: Architecture) -> Latency | None:
        """The predicted latency, as wide as the table is unsure; None of unknown blocks."""
        prediction = self._table.predict(architecture)
        if prediction is None or not self._usable:
            return None
        reference = self._instrument.reference
        ratio, off = prediction.ratio / self._base, 1 + MARGIN * self._table.accuracy.p90
        return Latency(
            ms=ratio * reference.ms,
            low=ratio * reference.ms / off,
            high=ratio * reference.ms * off,
            ratio=ratio,
            ratio_low=ratio / off,
            ratio_high=ratio * off,
            statistic="median",
            clock=CLOCK,
            status="UNRESOLVED",
            target=self._table.target,
            reference=reference.reference,
            reference_ms=reference.ms,
            rounds=0,
            processes=0,
            seconds=0.0,
            conditions={"estimated_share": prediction.estimated},
        )

    def report(self) -> str:
        """What the screen did, and how far its table was off on what was measured all the same."""
        start = f"table of blocks: {self.refused} candidates refused on its prediction, unmeasured"
        if not self.errors:
            return f"{start}; none of the others tells how far it was off"
        mean, most = np.mean(self.errors), np.quantile(self.errors, 0.9)
        return (
            f"{start}; on the {len(self.errors)} measured ones it was off by {100 * mean:.1f} % "
            f"(nine in ten within {100 * most:.1f} %)"
        )


def screen_of(parts: Parts, instrument: Instrument | None) -> Screen | None:
    """The screen that `target.table` asks for, or None.

    Raises:
        DataError: the file is no table.
        SettingsError: it was measured on another target, or nothing here can use it.
    """
    path = parts.settings.target.table
    if path is None:
        return None
    if instrument is None or parts.yardstick is None or parts.table is not None:
        raise SettingsError(
            f"target.table: screens what would be measured; got {path!r} where latencies are "
            "looked up; allowed: null"
        )
    from nas.latency.table import BlockTable

    table = BlockTable.read(Path(path))
    if table.target != instrument.target.key:
        raise SettingsError(
            f"target.table: must be measured on the study's target, {instrument.target.key}; got "
            f"{table.target}; allowed: what nas latency --table SPACE writes for it"
        )
    return Screen(table, instrument, parts.yardstick, bounds_of(parts.objective))
