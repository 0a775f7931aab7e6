"""What an instrument knows from before: stored measurements, and how far processes are apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from nas.errors import MeasurementError
from nas.latency.deviation import Spread
from nas.latency.measuring import Run
from nas.latency.store import Store, Stored
from nas.outcome import Latency

CHECKS = 3
"""As many known networks are measured again before the others are believed. With one of them
outside its stored interval nothing older than now is: by chance alone that happens to one in twenty
of them, and costs no more than measuring."""


class Memory:
    """Measurements of one target beside one reference network, in the store if there is one.

    Without `recalls` they are only written down. `told` hears at once of what `notes` then holds.
    """

    def __init__(
        self,
        target: str,
        reference: str,
        statistic: str,
        folder: Path | None,
        *,
        recalls: bool = True,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._where = {"target": target, "reference": reference, "statistic": statistic}
        self._store = Store(folder) if folder is not None else None
        self._recalls = recalls
        self._began = time.time()
        self._checks: dict[str, Latency] = {}
        self._agreed = 0
        self._outside = 0
        self._full = False
        self._told = told
        self.notes: list[str] = []
        for note in self._store.notes if self._store else []:
            self._note(note)
        self.spread = Spread()
        if self._store:
            invocations = self._store.invocations(target, statistic)
            self.spread = replace(self._store.spread(target), invocations=invocations)

    def _note(self, note: str) -> None:
        self.notes.append(note)
        self._told(note)

    def begin(self, now: Latency, run: Run, name: str, versions: Mapping[str, str]) -> None:
        """Write the reference network down, measured under `name` in this run; say what is known.

        Its drift is that of all milliseconds: ratios are what is stored and used.
        """
        if self._store is None:
            return
        known = self._store.known(versions=versions, **self._where)
        before = self._store.latest(network=now.reference, versions=versions, **self._where)
        self._add(now, now.reference, run, name, versions)
        if not self._recalls:
            return
        others = known - (before is not None)
        if others:
            self._note(
                f"latencies of {others} networks are known from earlier studies; the first "
                f"{min(CHECKS, others)} that are proposed again are measured again as a check"
            )
        if before is not None:
            drift = now.ms / before.latency.ms - 1
            self._note(
                f"the reference network takes {now.ms:.3g} ms of wall clock; when it was last "
                f"measured: {before.latency.ms:.3g} ms ({100 * drift:+.0f} %)"
            )

    def recall(self, network: str, versions: Mapping[str, str]) -> Latency | None:
        """What is known of a network, or None if it is to be measured (for the first time, as a
        check, or because earlier checks failed)."""
        if self._store is None or not self._recalls:
            return None
        known = self._store.latest(network=network, versions=versions, **self._where)
        if known is None or (self._outside and known.at < self._began):
            return None
        if known.at < self._began and self._agreed + self._outside < CHECKS:
            self._checks[network] = known.latency
            return None
        return _from_store(known)

    def keep(
        self,
        latency: Latency,
        network: str,
        run: Run,
        versions: Mapping[str, str],
        *,
        name: str = "",
    ) -> None:
        """Write a measurement down; compare it with the stored one it was to check.

        `name` is that of the network in the run where it is another one.
        """
        spread = run.spread(name or network)
        self.spread += spread
        before = self._checks.pop(network, None)
        if before is not None:
            self._compare(before, latency, network)
        if self._store is None:
            return
        try:
            self._add(latency, network, run, name or network, versions)
            if spread.freedom:
                self._store.add_spread(latency.target, spread)
        except MeasurementError as error:
            # A full disk takes nothing from what was measured: told once, tried again each time.
            if not self._full:
                self._note(f"measurements cannot be written down, and the study goes on: {error}")
            self._full = True

    def _add(
        self, latency: Latency, network: str, run: Run, name: str, versions: Mapping[str, str]
    ) -> None:
        assert self._store is not None  # asked by both who call this
        self._store.add(
            latency,
            network=network,
            level=run.level.name,
            versions=versions,
            samples=run.of(name),
            states=run.states,
        )

    def _compare(self, before: Latency, now: Latency, network: str) -> None:
        if before.ratio_low <= now.ratio <= before.ratio_high:
            self._agreed += 1
            if self._agreed == CHECKS and not self._outside:
                self._note(f"{CHECKS} stored latencies were checked and hold: the others are used")
            return
        self._outside += 1
        self._note(
            f"{network}: measured again as a check, its ratio is {now.ratio:.3f}; stored: "
            f"{before.ratio_low:.3f} to {before.ratio_high:.3f}"
        )
        if self._outside == 1:
            self._note("stored latencies no longer hold here: all are measured again")


def _from_store(known: Stored) -> Latency:
    return replace(known.latency, conditions={**known.latency.conditions, "measured_at": known.at})
