"""The Optuna study on disk: the only memory of a study.

One folder a study: `study.db` (Optuna, SQLite), `settings.yaml`, `log.jsonl`, `checkpoints/`. A
trial is written twice: whole, before its genes are used, and with its outcome, before Optuna is
told; whatever lies between two writes when the power goes can be taken up from what is there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.architecture import Architecture
from nas.errors import StudyError, nearest
from nas.objective import Direction
from nas.outcome import Certificate, Evaluation, Outcome, TrialRecord
from nas.study.database import FORMAT, begin, check_integrity, connect_migrated, said
from nas.study.folder import DATABASE, check_folder, studies
from nas.study.proposals import CONSTRAINT, Proposal, quiet

CERTIFICATES = "nas.certificates"


class StudyStorage:
    """One study on disk."""

    def __init__(self, path: Path, study: optuna.Study) -> None:
        self.path = path
        self._study = study

    @classmethod
    def create(
        cls,
        path: Path,
        directions: Sequence[Direction],
        attributes: Mapping[str, Any],
        *,
        fill: Callable[[Path], None] = lambda folder: None,
    ) -> StudyStorage:
        """A new study in the new folder `path`, there whole or not at all.

        `fill` writes whatever else belongs into the folder.

        Raises:
            StudyError: the folder exists, cannot be written, or is on a network file system.
        """
        check_folder(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            with said(path, kept="nothing was begun: make room or mend the cause, and try again"):
                begin(making / DATABASE, path.name, directions, attributes)
                fill(making)
                making.chmod(0o755)
                making.rename(path)
        except StudyError:
            if not path.exists():
                raise
            raise StudyError(
                f"study {path.name}: a new study needs a new name; got one that exists in "
                f"{path.parent}; allowed: another study.name, or nas resume {path.name}"
            ) from None
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> StudyStorage:
        """The study in the folder `path`.

        Raises:
            StudyError: there is none (the nearest names), it is damaged, or a newer version's.
        """
        if not (path / DATABASE).is_file():
            known = studies(path.parent)
            raise StudyError(
                f"study {path.name}: must be one of the studies in {path.parent}; got a name "
                f"without {DATABASE}; allowed: {nearest(path.name, known) or 'none yet'}"
            )
        check_folder(path)
        with said(path), quiet():
            check_integrity(path / DATABASE)
            study = optuna.load_study(
                storage=connect_migrated(path / DATABASE),
                study_name=None,
                sampler=optuna.samplers.RandomSampler(),
            )
            storage = cls(path, study)
        if (found := storage.get("nas.format")) != FORMAT:
            newer = "a newer latency-nas wrote it: upgrade to go on"
            raise StudyError(
                f"study {path.name}: this version reads format {FORMAT}; got {found}; "
                f"{newer if found else 'another application wrote it: it is no study of ours'}"
            )
        return storage

    @property
    def name(self) -> str:
        """The study's name, that of its folder."""
        return self.path.name

    def get(self, key: str) -> Any:
        """An attribute of the study, None if it was never set."""
        return self._study.user_attrs.get(key)

    def set(self, key: str, value: Any) -> None:
        """Write an attribute of the study."""
        with said(self.path):
            self._study.set_user_attr(key, value)

    @property
    def trials(self) -> list[FrozenTrial]:
        """Optuna's own view of the trials, in order."""
        with said(self.path):
            return self._study.get_trials(deepcopy=False)

    def propose(
        self,
        proposal: Proposal,
        architecture: Architecture,
        distributions: Mapping[str, BaseDistribution],
    ) -> TrialRecord:
        """Write a whole proposal in one transaction; returns the trial, running."""
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(proposal.genes),
            distributions=dict(distributions),
            system_attrs=proposal.system_attrs,
            user_attrs={
                "nas.fingerprint": architecture.fingerprint,
                "nas.architecture": architecture.to_json(),
                "nas.text": architecture.text,
            },
        )
        with said(self.path):
            trial_id = self._study._storage.create_new_trial(self._study._study_id, trial)
            return record(self._study._storage.get_trial(trial_id))

    def write_outcome(self, number: int, outcome: Outcome) -> None:
        """Write how a trial ended; from here on it is never examined again."""
        storage, trial_id = self._study._storage, self._trial_id(number)
        with said(self.path):
            # The record goes last: a trial that has it has everything else too.
            storage.set_trial_user_attr(trial_id, "nas.violations", outcome.violations)
            storage.set_trial_user_attr(trial_id, "nas.feasible", outcome.feasible)
            storage.set_trial_user_attr(trial_id, "nas.outcome", outcome.kind)
            if outcome.evaluation and outcome.evaluation.rungs:
                last = len(outcome.evaluation.rungs) - 1
                storage.set_trial_user_attr(trial_id, "nas.rung", last)
            storage.set_trial_user_attr(trial_id, "nas.record", outcome.to_json())

    def climbed(self, fingerprint: str) -> Evaluation | None:
        """What the running trial of this network reached on its rungs, None before the first."""
        trial = self._running(fingerprint)
        written = trial.user_attrs.get("nas.climbed") if trial else None
        return Evaluation.from_json(written) if written else None

    def note_climbed(self, fingerprint: str, evaluation: Evaluation) -> None:
        """Write what a running trial reached, so that no rung is trained twice."""
        trial = self._running(fingerprint)
        if trial is not None:
            with said(self.path):
                self._study._storage.set_trial_user_attr(
                    trial._trial_id, "nas.climbed", evaluation.to_json()
                )

    def _running(self, fingerprint: str) -> FrozenTrial | None:
        return next(
            (
                trial
                for trial in reversed(self.trials)
                if trial.state == TrialState.RUNNING
                and trial.user_attrs.get("nas.fingerprint") == fingerprint
            ),
            None,
        )

    def tell(
        self, number: int, state: TrialState, values: Sequence[float] | None, violation: float
    ) -> TrialRecord:
        """Tell Optuna; returns the trial, finished."""
        with said(self.path):
            trial_id = self._trial_id(number)
            trial = optuna.trial.Trial(self._study, trial_id)
            if state == TrialState.COMPLETE and not trial.constraints:
                trial.set_constraint(CONSTRAINT, violation)
            self._study.tell(number, values, state=state)
            return record(self._study._storage.get_trial(trial_id))

    def _trial_id(self, number: int) -> int:
        return self._study._storage.get_trial_id_from_study_id_trial_number(
            self._study._study_id, number
        )

    def records(self) -> list[TrialRecord]:
        """All trials, in order, with the certificates that the study has."""
        known = self.certificates()
        records = [record(trial) for trial in self.trials]
        return [replace(r, outcome=certified(r.outcome, known)) for r in records]

    def certificates(self) -> dict[str, Certificate]:
        """What was certified at the end of the study, by fingerprint."""
        found: dict[str, Any] = self.get(CERTIFICATES) or {}
        return {network: Certificate.from_json(value) for network, value in found.items()}

    def certify(self, found: Mapping[str, Certificate]) -> None:
        """Keep certificates, so that nothing is certified twice."""
        known = {**self.certificates(), **found}
        self.set(CERTIFICATES, {network: one.to_json() for network, one in known.items()})

    def close(self) -> None:
        """Give the database back."""
        storage = self._study._storage
        storage.remove_session()
        backend = getattr(storage, "_backend", storage)
        if isinstance(backend, RDBStorage):
            backend.engine.dispose()


def certified(outcome: Outcome | None, known: Mapping[str, Certificate]) -> Outcome | None:
    """The outcome of an evaluated network with its certificate, if it has one."""
    if outcome is None or outcome.kind != "evaluated":
        return outcome
    return replace(outcome, certificate=known.get(outcome.architecture.fingerprint))


def record(trial: FrozenTrial) -> TrialRecord:
    """What everybody outside Optuna sees of a trial."""
    attributes = trial.user_attrs
    written = attributes.get("nas.record")
    return TrialRecord(
        number=trial.number,
        genes=dict(trial.params),
        architecture=Architecture.from_json(attributes["nas.architecture"]),
        started=_seconds(trial.datetime_start) or 0.0,
        finished=_seconds(trial.datetime_complete),
        outcome=Outcome.from_json(written) if written else None,
    )


def _seconds(time: datetime | None) -> float | None:
    return time.timestamp() if time else None
