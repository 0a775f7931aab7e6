"""The Optuna study on disk: the only memory of a study.

One folder a study: `study.db` (Optuna, SQLite), `settings.yaml`, `log.jsonl`, `checkpoints/`. A
trial is written twice: whole, before its genes are used, and with its outcome, before Optuna is
told; whatever lies between two writes when the power goes can be taken up from what is there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.trial import FrozenTrial, TrialState, create_trial

from nas.architecture import Architecture
from nas.errors import StudyError
from nas.masking import masked
from nas.objective import Direction
from nas.outcome import Certificate, Evaluation, Outcome, TrialRecord
from nas.study import database
from nas.study.database import FORMAT, begin, said
from nas.study.drivers import Drivers
from nas.study.folder import DATABASE, ELSEWHERE, check_folder, driver, elsewhere, missing
from nas.study.proposals import CONSTRAINT, Proposal, quiet
from nas.study.records import certified, record
from nas.study.server import begin_on_server, load_from_server, url_of

CERTIFICATES = "nas.certificates"
CONSTRAINT_KEY = f"{_CONSTRAINTS_KEY}:{CONSTRAINT}"
"""Where Optuna keeps the constraint of a trial."""

DRIVER = "nas.driver"
"""Which driver a running trial is examined by."""


class StudyStorage:
    """One study on disk, or with its database on a server (`uri`)."""

    def __init__(self, path: Path, study: optuna.Study, uri: str | None = None) -> None:
        self.path = path
        self.uri = uri
        self._study = study
        self._drivers: Drivers | None = None
        self._number = 0
        self._ids: dict[int, int] = {}

    @classmethod
    def create(
        cls,
        path: Path,
        directions: Sequence[Direction],
        attributes: Mapping[str, Any],
        *,
        fill: Callable[[Path], None] = lambda folder: None,
        uri: str | None = None,
    ) -> StudyStorage:
        """A new study in the new folder `path`, there whole or not at all.

        `fill` writes whatever else belongs into the folder; with `uri` its database is there.

        Raises:
            StudyError: the folder exists, cannot be written, or is on a network file system.
        """
        check_folder(path.parent)
        path.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            kept = "nothing was begun: make room or mend the cause, and try again"
            with said(path, kept=kept, where=uri or ""):
                fill(making)
                if uri is None:
                    begin(making / DATABASE, path.name, directions, attributes)
                else:
                    (making / ELSEWHERE).write_text(f"{masked(uri)}\n{path.name}\n")
                    # The format last: who finds it finds everything.
                    whole = {**attributes, "nas.format": FORMAT}
                    begin_on_server(uri, path.name, directions, whole)
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
        return cls.open(path, uri=uri)

    @classmethod
    def open(cls, path: Path, *, uri: str | None = None) -> StudyStorage:
        """The study in the folder `path`; where its database is on a server, `uri` may say how to
        reach that.

        Raises:
            StudyError: there is none (the nearest names), it is damaged, or a newer version's.
        """
        stored, name = elsewhere(path) or (None, path.name)
        if uri := uri or stored:
            with said(path, where=uri), quiet():
                return cls(path, load_from_server(uri, name), uri)._checked()
        if not (path / DATABASE).is_file():
            raise missing(path)
        check_folder(path)
        with said(path), quiet():
            database.check_integrity(path / DATABASE)
            study = optuna.load_study(
                storage=database.connect_migrated(path / DATABASE),
                study_name=None,
                sampler=optuna.samplers.RandomSampler(),
            )
            return cls(path, study)._checked()

    def _checked(self) -> StudyStorage:
        database.check_format(self.name, self.get("nas.format"))
        return self

    def said(self) -> AbstractContextManager[None]:
        """What goes wrong with the database inside becomes one message."""
        return said(self.path, where=self.uri or "")

    @property
    def name(self) -> str:
        """The study's name, that of its folder."""
        return self.path.name

    def get(self, key: str) -> Any:
        """An attribute of the study, None if it was never set."""
        return self._study.user_attrs.get(key)

    def set(self, key: str, value: Any) -> None:
        """Write an attribute of the study."""
        with self.said():
            self._study.set_user_attr(key, value)

    @property
    def trials(self) -> list[FrozenTrial]:
        """Optuna's own view of the trials, in order."""
        with self.said():
            return self._study.get_trials(deepcopy=False)

    def propose(
        self,
        proposal: Proposal,
        architecture: Architecture,
        distributions: Mapping[str, BaseDistribution],
    ) -> TrialRecord:
        """Write a whole proposal in one transaction; returns the trial, running."""
        drives = {DRIVER: self._number} if self._drivers else {}
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(proposal.genes),
            distributions=dict(distributions),
            system_attrs=proposal.system_attrs,
            user_attrs={
                "nas.fingerprint": architecture.fingerprint,
                "nas.architecture": architecture.to_json(),
                "nas.text": architecture.text,
                **drives,
            },
        )
        with self.said():
            trial_id = database.write_new(self._study._storage, self._study._study_id, trial)
            made = record(self._study._storage.get_trial(trial_id))
        self._ids[made.number] = trial_id
        return made

    def write_outcome(self, number: int, outcome: Outcome) -> None:
        """Write how a trial ended; from here on it is never examined again."""
        values: dict[str, Any] = {
            "nas.violations": outcome.violations,
            "nas.feasible": outcome.feasible,
            "nas.outcome": outcome.kind,
            "nas.record": outcome.to_json(),
        }
        if outcome.evaluation and outcome.evaluation.rungs:
            values["nas.rung"] = len(outcome.evaluation.rungs) - 1
        with self.said():
            if self._drivers:
                self._drivers.check()
            database.write_together(self._study._storage, self._trial_id(number), values)

    def climbed(self, fingerprint: str) -> Evaluation | None:
        """What the running trial of this network reached on its rungs, None before the first."""
        trial = self._running(fingerprint)
        written = trial.user_attrs.get("nas.climbed") if trial else None
        return Evaluation.from_json(written) if written else None

    def note_climbed(self, fingerprint: str, evaluation: Evaluation) -> None:
        """Write what a running trial reached, so that no rung is trained twice."""
        trial = self._running(fingerprint)
        if trial is not None:
            with self.said():
                self._study._storage.set_trial_user_attr(
                    trial._trial_id, "nas.climbed", evaluation.to_json()
                )

    def _running(self, fingerprint: str) -> FrozenTrial | None:
        running = [trial for trial in self.trials if trial.state == TrialState.RUNNING]
        mine = [one for one in running if one.user_attrs.get("nas.fingerprint") == fingerprint]
        return mine[-1] if mine else None

    def tell(
        self, number: int, state: TrialState, values: Sequence[float] | None, violation: float
    ) -> TrialRecord:
        """Tell Optuna; returns the trial, finished."""
        storage, trial_id = self._study._storage, self._trial_id(number)
        with self.said():
            # As `Study.tell`, which reads the trial five times over.
            if state == TrialState.COMPLETE:
                storage.set_trial_system_attr(trial_id, CONSTRAINT_KEY, violation)
            storage.set_trial_state_values(trial_id, state, values)
            return record(storage.get_trial(trial_id))

    def _trial_id(self, number: int) -> int:
        if number in self._ids:
            return self._ids[number]
        storage = self._study._storage
        return storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)

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

    # Several drivers, where the database is on a server

    def join(self) -> None:
        """Become one of the study's drivers, until `close`."""
        assert self.uri is not None  # a study on SQLite has one driver
        with self.said():
            self._drivers = Drivers(url_of(self.uri), self._study.study_name)
            self._number = self._drivers.join()

    @property
    def drivers(self) -> Drivers | None:
        """This driver among the others; None on SQLite, and for those who only read."""
        return self._drivers

    @property
    def driver(self) -> str:
        """Pid and host of the processes that drive the study now, or an empty string."""
        if self.uri is None:
            return driver(self.path)
        url = url_of(self.uri)
        with self.said(), closing(Drivers(url, self._study.study_name)) as others:
            return ", ".join(others.alive().values())

    def take(self, what: int) -> bool:
        """Whether this driver is the one that does something, until `leave` or its end."""
        if self._drivers is None:
            return True
        with self.said():
            return self._drivers.take(what)

    def leave(self, what: int) -> None:
        """Let another driver do it."""
        if self._drivers is not None:
            with self.said():
                self._drivers.leave(what)

    def hand_over(self, number: int) -> None:
        """Make a running trial one of this driver's."""
        with self.said():
            storage, trial_id = self._study._storage, self._trial_id(number)
            storage.set_trial_user_attr(trial_id, DRIVER, self._number)

    def close(self) -> None:
        """Give the database back."""
        if self._drivers is not None:
            self._drivers.close()
        storage = self._study._storage
        storage.remove_session()
        backend = getattr(storage, "_backend", storage)
        if isinstance(backend, RDBStorage):
            backend.engine.dispose()
