"""Optuna's trials as everybody outside of it sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from optuna.trial import FrozenTrial

from nas.architecture import Architecture
from nas.outcome import Certificate, Outcome, TrialRecord


def certified(outcome: Outcome | None, known: Mapping[str, Certificate]) -> Outcome | None:
    """The outcome of an evaluated network with its certificate, if it has one."""
    if outcome is None or outcome.kind != "evaluated":
        return outcome
    return replace(outcome, certificate=known.get(outcome.architecture.fingerprint))


def record(trial: FrozenTrial) -> TrialRecord:
    """What everybody outside Optuna sees of a trial."""
    attributes = trial.user_attrs
    written, proposed = attributes.get("nas.record"), attributes["nas.architecture"]
    outcome = Outcome.from_json(written) if written else None
    # One value where both are: a study keeps all its trials in memory. A repeat may be of another.
    same = outcome if written and written["architecture"] == proposed else None
    return TrialRecord(
        number=trial.number,
        genes=dict(trial.params),
        architecture=same.architecture if same else Architecture.from_json(proposed),
        started=_seconds(trial.datetime_start) or 0.0,
        finished=_seconds(trial.datetime_complete),
        outcome=outcome,
    )


def _seconds(time: datetime | None) -> float | None:
    return time.timestamp() if time else None
