"""A trial done again from its MLflow run alone: does it come out as it did?"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.composition import compose_parts
from nas.device import instrument_of
from nas.errors import TrackingError
from nas.examining import make_examiner
from nas.objective import noise_of
from nas.outcome import Latency, Outcome
from nas.settings import Settings
from nas.settings.schema import typed
from nas.study.signals import StopSignals
from nas.tracking import TrackedTrial, trial_of
from nas.tracking.origin import origin
from nas.workers import Workers

STANDARD_ERRORS = 2.0
"""Two accuracies agree if they differ by no more of those of their difference."""


@dataclass(frozen=True)
class Repeated:
    """A trial then and now.

    `accuracy_agrees` and `latency_agrees` are None where one of both has none; `noise` is the
    standard error of the accuracy; `remarks` tell what is not as it was.
    """

    study: str
    trial: int
    then: Outcome
    now: Outcome
    noise: float
    accuracy_agrees: bool | None
    latency_agrees: bool | None
    remarks: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether nothing that can be compared disagrees, and something could be compared."""
        found = [self.accuracy_agrees, self.latency_agrees]
        return False not in found and (True in found or self.then.kind == self.now.kind)


def repeat(
    run: str,
    *,
    runs: Path,
    uri: str | None = None,
    told: Callable[[str], None] = lambda stage: None,
) -> Repeated:
    """Count, measure and train the network of a trial again, as its study did.

    Everything is read from MLflow: the study's folder may be gone. `told` hears each stage.

    Raises:
        TrackingError: there is no such run, or it has no outcome to compare with.
        NasError: its data or its target are not here.
    """
    trial = trial_of(run, runs=runs, uri=uri)
    then = trial.outcome
    if then is None or then.kind in ("repeated", "failed"):
        raise TrackingError(
            f"run {run}: must be that of a trial that was counted, measured or trained; got one "
            f"that {'has no outcome' if then is None else then.kind}; allowed: another run"
        )
    settings = _settings(trial, then, runs)
    with StopSignals() as signals, ExitStack() as stack:
        target = then.latency.target if then.latency else ""
        parts = compose_parts(settings, resolved=_resolved(then), target=target)
        checkpoints = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nas-")))
        workers = Workers(stop=signals.stop)
        stack.callback(workers.close)
        # Without its store: what is remembered would agree with itself.
        instrument = instrument_of(parts, stack)
        examiner = make_examiner(parts, instrument, workers, checkpoints)
        now = examiner.examine(
            trial.architecture,
            {},
            enter=told,
            report=lambda result, of: None,
            refuse=then.evaluation is None,
        )
    images = parts.facts.validation_images
    noise = noise_of(then.evaluation.accuracy, images) if then.evaluation else 0.0
    return Repeated(
        study=trial.study,
        trial=trial.number,
        then=then,
        now=now,
        noise=noise,
        accuracy_agrees=_accuracies_agree(then, now, noise),
        latency_agrees=_latencies_agree(then.latency, now.latency),
        remarks=_remarks(trial.origin, then, now),
    )


def _settings(trial: TrackedTrial, then: Outcome, runs: Path) -> Settings:
    settings = typed(trial.settings)
    settings = replace(settings, study=replace(settings.study, folder=str(runs)))
    if then.evaluation is None or not then.evaluation.rungs:
        return settings
    # What is told is the training on the last rung it reached, which was complete in itself.
    return replace(
        settings,
        training=replace(settings.training, epochs=then.evaluation.rungs[-1].epochs),
        evaluation=replace(settings.evaluation, name="full"),
    )


def _resolved(then: Outcome) -> dict[str, Any] | None:
    """What its study found out about the machine; None where it did not train."""
    conditions = then.evaluation.conditions if then.evaluation else {}
    names = ("device", "threads", "memory_format", "precision")
    return {name: conditions[name] for name in names if name in conditions} or None


def _accuracies_agree(then: Outcome, now: Outcome, noise: float) -> bool | None:
    if then.evaluation is None or now.evaluation is None:
        return None
    difference = abs(then.evaluation.accuracy - now.evaluation.accuracy)
    return difference <= STANDARD_ERRORS * math.sqrt(2) * noise


def _latencies_agree(then: Latency | None, now: Latency | None) -> bool | None:
    """Whether the intervals meet: of the ratio where both were measured beside one network."""
    if then is None or now is None or then.target != now.target:
        return None
    if then.reference and then.reference == now.reference:
        return then.ratio_low <= now.ratio_high and now.ratio_low <= then.ratio_high
    return then.low <= now.high and now.low <= then.high


def _remarks(before: Mapping[str, Any], then: Outcome, now: Outcome) -> tuple[str, ...]:
    """What is not as it was: versions, the machine, the target."""
    here = origin()
    old, new = before.get("packages", {}), here.get("packages", {})
    found = [
        f"{name} {version} then, {new.get(name, 'none')} now"
        for name, version in old.items()
        if new.get(name) != version
    ]
    for key in ("python", "processor", "system"):
        if key in before and before[key] != here.get(key):
            found.append(f"{key} {before[key]} then, {here.get(key)} now")
    if then.latency and now.latency and then.latency.target != now.latency.target:
        found.append(f"target {then.latency.target} then, {now.latency.target} now")
    if then.evaluation and not then.evaluation.whole:
        found.append("it ended on a lower rung, and was trained for that rung's epochs again")
    return tuple(found)
