"""What an instrument knows from before: stored measurements, and how far processes are apart."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nas.latency.measuring import Run
from nas.latency.protocol import Spread
from nas.latency.store import Store, Stored
from nas.outcome import Latency

CHECKS = 3
"""As many known networks are measured again before the others are believed."""

OUTSIDE = 1
"""With so many of them outside their stored interval nothing older than now is believed (one in
twenty is outside by chance)."""


class Memory:
    """Measurements of one target beside one reference network, in the store if there is one."""

    def __init__(self, target: str, reference: str, statistic: str, folder: Path | None) -> None:
        self._where = {"target": target, "reference": reference, "statistic": statistic}
        self._store = Store(folder) if folder is not None else None
        self._began = time.time()
        self._checks: dict[str, Latency] = {}
        self._agreed = 0
        self._outside = 0
        self.notes: list[str] = list(self._store.notes) if self._store else []
        self.spread = self._store.spread(target) if self._store else Spread()

    def recall(self, network: str, versions: Mapping[str, str]) -> Latency | None:
        """What is known of a network, or None if it is to be measured (for the first time, as a
        check, or because earlier checks failed)."""
        if self._store is None:
            return None
        known = self._store.latest(network=network, versions=versions, **self._where)
        if known is None or (self._outside > OUTSIDE and known.at < self._began):
            return None
        if known.at < self._began and self._agreed + self._outside < CHECKS:
            self._checks[network] = known.latency
            return None
        return _from_store(known)

    def keep(self, latency: Latency, network: str, run: Run, versions: Mapping[str, str]) -> None:
        """Write a measurement down; compare it with the stored one it was to check."""
        spread = run.spread(network)
        self.spread += spread
        before = self._checks.pop(network, None)
        if before is not None:
            self._compare(before, latency, network)
        if self._store is not None:
            self._store.add(
                latency,
                network=network,
                level=run.level.name,
                versions=versions,
                samples=run.of(network),
            )
            if spread.freedom:
                self._store.add_spread(latency.target, spread)

    def _compare(self, before: Latency, now: Latency, network: str) -> None:
        if before.ratio_low <= now.ratio <= before.ratio_high:
            self._agreed += 1
            return
        self._outside += 1
        self.notes.append(
            f"{network}: measured again as a check, its ratio is {now.ratio:.3f}; stored: "
            f"{before.ratio_low:.3f} to {before.ratio_high:.3f}"
        )
        if self._outside > OUTSIDE:
            self.notes.append("stored measurements no longer hold here: all are measured again")


def _from_store(known: Stored) -> Latency:
    return replace(known.latency, conditions={**known.latency.conditions, "measured_at": known.at})
