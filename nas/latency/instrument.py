"""The instrument a study measures with: networks in, `Latency` values out."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from nas.architecture import Architecture
from nas.errors import SettingsError
from nas.latency.decision import Bound, at_best, hopeless, judged, verdict
from nas.latency.deviation import Spread, in_ms
from nas.latency.levels import DECIDE, SCREEN, Level, turns
from nas.latency.measuring import Run, disturbance, measure
from nas.latency.memory import Memory
from nas.latency.protocol import Ratio
from nas.latency.regime import Regime
from nas.latency.runtimes import Prepared, prepare
from nas.latency.seat import DUPLICATE, REFERENCE, Patience, Seat
from nas.latency.subject import Subject, subject
from nas.latency.target import Target
from nas.outcome import Latency

STATISTICS = ("median", "p95")


class Instrument:
    """Measures networks on a target beside a reference network, in processes of its own.

    The processes live until `close`, or until this process ends, however it ends. `folder` is that
    of the store (`latency.db`): what was measured there before is not measured again, but for a
    few as a check, and without `recalls` all of it is; `told` hears what is to be told about it.
    `second` is a network of another kind that takes part at the start and in every decision: if
    its ratio moves, the regime did. A device elsewhere that goes away is waited for with
    `patience`; without it that is an error. A close case that took `most_seconds` is left at that.

    Raises:
        TargetError: the target cannot be used.
        MeasurementError: the reference cannot be measured on it.
    """

    def __init__(
        self,
        target: Target,
        *,
        reference: Architecture | Subject,
        second: Architecture | Subject | None = None,
        folder: Path | None = None,
        recalls: bool = True,
        statistic: str = "median",
        level: Level = SCREEN,
        patience: Patience | None = None,
        told: Callable[[str], None] = lambda _: None,
        seed: int | None = None,
    ) -> None:
        if statistic not in STATISTICS:
            raise SettingsError(
                f"objective.latency_statistic: must be a known statistic; got {statistic!r}; "
                f"allowed: {', '.join(STATISTICS)}"
            )
        self.target, self.statistic, self.level = target, statistic, level
        self.most_seconds = math.inf
        self._rng = random.Random(seed)
        self._reference = subject(reference)
        prepared = prepare(self._reference, target)
        self.regime = Regime(second, target, told=told)
        always = {REFERENCE: prepared, DUPLICATE: prepared}
        number = max(level.processes, DECIDE.processes)
        self._seats = [Seat(target, always, patience=patience) for _ in range(number)]
        self.memory = Memory(
            target.key, self._reference.name, statistic, folder, recalls=recalls, told=told
        )
        try:
            self._first = self._measure({}, level)
            self.memory.begin(self.reference, self._first, DUPLICATE, self.versions)
            if self.regime.prepared:
                self._measure(self.regime.prepared, level)
        except BaseException:
            self.close()
            raise

    @property
    def notes(self) -> list[str]:
        """What had to be told about the store."""
        return self.memory.notes

    @property
    def spread(self) -> Spread:
        """What is known of the deviation between processes on this target."""
        return self.memory.spread

    @property
    def pids(self) -> list[int]:
        """The measuring processes that run."""
        return [seat.pid for seat in self._seats if seat.pid is not None]

    @property
    def versions(self) -> dict[str, str]:
        """Of the measuring process: Python, system, runtime."""
        return dict(self._seats[0].facts["versions"])

    @property
    def reference(self) -> Latency:
        """The reference network: its ratio is 1 by definition.

        Its milliseconds are the median of all its quiet calls so far, so that they settle within
        the first measurements; another invocation is at best as sure of them as of the ratio of
        its hidden duplicate.
        """
        run = self._first
        copy = run.ratio(DUPLICATE, self.memory.spread)
        ms, low, high = self._in_ms(1.0, 1 / (1 + copy.half_width), 1 + copy.half_width)
        return Latency(
            ms=ms,
            low=low,
            high=high,
            ratio=1.0,
            ratio_low=1.0,
            ratio_high=1.0,
            reference_ms=ms,
            **self._circumstances(DUPLICATE, run, copy, networks=1),
        )

    def measure(self, network: Architecture | Subject, *, level: Level | None = None) -> Latency:
        """One network, at the instrument's level unless another is given.

        Raises:
            MeasurementError: the runtime cannot take it or gives other outputs than eager torch,
                or the measuring process was lost time and again.
        """
        return self.measure_many([network], level=level)[0]

    def measure_many(
        self, networks: Sequence[Architecture | Subject], *, level: Level | None = None
    ) -> list[Latency]:
        """Several networks in one interleaving, in the order given; see `measure`."""
        subjects = {one.name: one for one in map(subject, networks)}
        found: dict[str, Latency] = {}
        itself = subjects.pop(self._reference.name, None)
        for name in list(subjects):
            known = self.memory.recall(name, self.versions)
            if known is not None:
                found[name] = self._as_now(known)
                del subjects[name]
        if subjects:
            prepared = {name: prepare(one, self.target) for name, one in subjects.items()}
            try:
                run = self._measure(prepared, level or self.level)
            finally:
                self._drop(prepared)
            found |= {name: self._keep(name, run, len(prepared)) for name in prepared}
        if itself:
            # Last, so that its milliseconds are those the others were made with.
            found[itself.name] = self.reference
        return [found[subject(network).name] for network in networks]

    def settle(self, network: Architecture | Subject, *bounds: Bound) -> Latency:
        """Measure until the interval is clearly on one side of every bound, within a budget.

        First as `measure`; then in more processes, then in all longer, as long as that may settle
        it. All turns count together; see `nas.latency.decision.judged`.
        """
        wanted = subject(network)
        name, run = wanted.name, None
        if name == self._reference.name:
            # Its own ratio is 1 by definition: measuring it as a candidate adds nothing.
            return judged(self.reference, bounds)
        known = self.memory.recall(name, self.versions)
        latency = None if known is None else self._as_now(known)
        if latency and not self._may_settle(latency, bounds):
            return judged(latency, bounds)
        prepared = {name: prepare(wanted, self.target)}
        try:
            for after, level in turns(self.level if known is None else None):
                more = self._measure(prepared, level, after=after)
                run = more if run is None else run.beside(more) if after else run + more
                latency = self._latency(name, run, 1)
                late = run.seconds - run.waited > self.most_seconds
                if late or not self._may_settle(latency, bounds):
                    break
        finally:
            self._drop(prepared)
        assert run is not None  # there is a first turn
        return judged(self._keep(name, run, 1), bounds)

    def _may_settle(self, latency: Latency, bounds: Sequence[Bound]) -> bool:
        """Whether measuring further may put a latency on one side of every bound."""
        if verdict(latency, *bounds) != "unresolved" or hopeless(latency, bounds):
            return False
        some = latency.processes < DECIDE.processes
        return some or verdict(at_best(latency, self.spread), *bounds) != "unresolved"

    def _measure(self, prepared: dict[str, Prepared], level: Level, *, after: int = 0) -> Run:
        """One run in the level's processes, without the first `after` of them."""
        seats = self._seats[after : level.processes]
        run = measure(
            seats,
            prepared,
            level=level,
            statistic=self.statistic,
            rng=self._rng,
            beside=self.regime.prepared if level.processes > 1 else None,
        )
        self.regime.look(run, self.memory.spread)
        return run

    def _drop(self, prepared: dict[str, Prepared]) -> None:
        for seat in self._seats:
            seat.drop(list(prepared))

    def _keep(self, name: str, run: Run, networks: int) -> Latency:
        latency = self._latency(name, run, networks)
        self.memory.keep(latency, name, run, self.versions)
        return latency

    def _latency(self, name: str, run: Run, networks: int) -> Latency:
        ratio = run.ratio(name, self.memory.spread)
        ms, low, high = self._in_ms(ratio.ratio, ratio.low, ratio.high)
        return Latency(
            ms=ms,
            low=low,
            high=high,
            ratio=ratio.ratio,
            ratio_low=ratio.low,
            ratio_high=ratio.high,
            reference_ms=ms / ratio.ratio,
            **self._circumstances(name, run, ratio, networks=networks),
        )

    def _as_now(self, known: Latency) -> Latency:
        """A stored ratio in the reference's milliseconds of now; the drift of them is shown."""
        now = self._reference_ms()
        conditions = {
            **known.conditions,
            "invocations_differ": self.spread.invocations.half_width,
            "reference_drift": now / known.reference_ms - 1,
        }
        ms, low, high = self._in_ms(known.ratio, known.ratio_low, known.ratio_high)
        return replace(
            known,
            ms=ms,
            low=low,
            high=high,
            reference_ms=now,
            seconds=0.0,
            conditions=conditions,
        )

    def _in_ms(self, ratio: float, low: float, high: float) -> tuple[float, float, float]:
        differ = self.spread.invocations.half_width
        return in_ms(ratio, low, high, reference_ms=self._reference_ms(), differ=differ)

    def _reference_ms(self) -> float:
        """Wall-clock milliseconds of the reference, from all its calls so far."""
        used = [seat for seat in self._seats if seat.used]
        return statistics.median(seat.reference_ns(self.statistic) for seat in used) / 1e6

    def _circumstances(self, name: str, run: Run, ratio: Ratio, *, networks: int) -> dict[str, Any]:
        """The fields of a `Latency` that say how it was measured."""
        processes, facts = len(run.samples), self._seats[0].facts
        conditions: dict[str, Any] = {
            "level": run.level.name,
            "versions": self.versions,
            "threads": self.target.threads,
            **{key: facts[key] for key in ("pinned", "worker") if key in facts},
            "quiet_share": ratio.quiet / ratio.samples,
            "gated": ratio.gated,
            "precision": ratio.precision,
            "invocations_differ": self.spread.invocations.half_width,
            "duplicate_ratio": run.ratio(DUPLICATE, self.memory.spread).ratio,
            "reference_drift": run.reference_ms / self._reference_ms() - 1,
            **disturbance(run, name),
            **self.regime.conditions(run, self.memory.spread),
        }
        return {
            "statistic": self.statistic,
            "clock": self.target.clock if self.statistic == "median" else "wall",
            "status": "RESOLVED" if ratio.precision <= run.level.wish else "UNRESOLVED",
            "target": self.target.key,
            "reference": self._reference.name,
            "rounds": ratio.samples // processes,
            "processes": processes,
            "seconds": run.seconds / networks,
            "conditions": conditions,
        }

    def close(self) -> None:
        """End the measuring processes."""
        for seat in self._seats:
            seat.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
