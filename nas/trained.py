"""Networks that were trained to the end: what is written down of them, and where.

    runs/trained/NAME/trained.json       this record; `evaluation` is null until the end
                      model.safetensors  the weights
                      checkpoint/        while it is trained

Read without torch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.errors import ArchitectureError, SettingsError, StudyError, nearest
from nas.names import RUN
from nas.outcome import Evaluation
from nas.settings import DataSettings, Settings, TrainingSettings
from nas.settings.stored import read as stored
from nas.status import status
from nas.study.folder import is_study, next_name
from nas.study.storage import StudyStorage

FOLDER = "trained"
RECORD = "trained.json"
WEIGHTS = "model.safetensors"
CHECKPOINT = "checkpoint"
FORMAT = 1


@dataclass(frozen=True)
class TrainedNetwork:
    """A network, the training it gets or got, and what came out.

    `source` is the word it was named by; `study` and `trial` say where it was found, if it was
    searched. `training` is as asked, `resolved` what was found out about the machine when it began.
    `test_accuracy` is a share of `test_images`, 0..1.
    """

    name: str
    source: str
    architecture: Architecture
    data: DataSettings
    training: TrainingSettings
    seed: int
    data_name: str
    data_hash: str
    processes: int = 1
    resolved: dict[str, Any] = field(default_factory=dict)
    study: str = ""
    trial: int | None = None
    command: str = ""
    evaluation: Evaluation | None = None
    test_accuracy: float | None = None
    test_images: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def identity(self) -> dict[str, Any]:
        """What makes it this training and no other."""
        return {
            "network": self.architecture.fingerprint,
            "data": self.data_hash,
            "training": asdict(self.training),
            "seed": self.seed,
            "processes": self.processes,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        plain = {f: getattr(self, f) for f in self.__dataclass_fields__}
        return {
            **plain,
            "format": FORMAT,
            "architecture": self.architecture.to_json(),
            "data": asdict(self.data),
            "training": asdict(self.training),
            "evaluation": self.evaluation and self.evaluation.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainedNetwork:
        """The way back from `to_json`."""
        found = {name: value[name] for name in cls.__dataclass_fields__ if name in value}
        found["architecture"] = Architecture.from_json(found["architecture"])
        found["data"] = DataSettings(**found["data"])
        found["training"] = TrainingSettings(**found["training"])
        found["notes"] = tuple(found.get("notes", ()))
        if found["evaluation"] is not None:
            found["evaluation"] = Evaluation.from_json(found["evaluation"])
        return cls(**found)


def write(path: Path, record: TrainedNetwork) -> None:
    """Keep a record in the folder `path`; an earlier one is replaced whole or stays.

    Raises:
        StudyError: the folder cannot be written.
    """
    beside = path / f".{RECORD}.{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_text(json.dumps(record.to_json(), indent=2), encoding="utf-8")
            beside.replace(path / RECORD)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StudyError(
            f"trained network {path.name}: must be written to {path}; got "
            f"{error.strerror or error}; allowed: a disk with room, or study.folder=DIR"
        ) from error


def read(path: Path) -> TrainedNetwork:
    """The record in a folder.

    Raises:
        StudyError: there is none (the nearest names), or it is damaged.
    """
    try:
        value = json.loads((path / RECORD).read_text(encoding="utf-8"))
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']}, this version reads {FORMAT}")
        return replace(TrainedNetwork.from_json(value), name=path.name)
    except FileNotFoundError:
        raise StudyError(
            f"trained network {path.name}: must be one of those in {path.parent}; got a name "
            f"without {RECORD}; allowed: {nearest(path.name, names(path.parent.parent)) or 'none'}"
        ) from None
    except (
        OSError, ValueError, KeyError, TypeError, ArchitectureError, SettingsError
    ) as error:  # fmt: skip
        raise StudyError(
            f"{path / RECORD}: must be as nas train wrote it; got {type(error).__name__}: {error}; "
            "allowed: remove the folder and train again"
        ) from error


def names(folder: Path) -> list[str]:
    """The trained networks in a folder of runs, in order."""
    return sorted(path.parent.name for path in (folder / FOLDER).glob(f"[!.]*/{RECORD}"))


def place_for(record: TrainedNetwork, folder: Path, *, stem: str) -> Path:
    """The folder of the very same training, begun or ended, else a new one called `stem`-NNN."""
    root = folder / FOLDER
    for name in names(folder):
        if name.startswith(f"{stem}-") and read(root / name).identity == record.identity:
            return root / name
    return root / next_name(root, stem)


def latest(folder: Path, *, fingerprint: str, data_hash: str | None = None) -> Path | None:
    """Where the last training of a network that came to its end is, if there is one."""
    root, found = folder / FOLDER, []
    for name in names(folder):
        record = read(root / name)
        if record.evaluation is None or record.architecture.fingerprint != fingerprint:
            continue
        if data_hash in (None, record.data_hash):
            found.append(root / name)
    return max(found, key=lambda path: (path / RECORD).stat().st_mtime_ns, default=None)


def trial_of(word: str, folder: Path) -> tuple[str, int | None]:
    """The study and the trial a word names, "" where it names none; without a number its best.

    The id of a trial's run in MLflow names the trial.

    Raises:
        StudyError: the study has no best network.
        TrackingError: MLflow knows no such run.
    """
    if RUN.fullmatch(word) and not is_study(folder / word):
        word = word_of(word, folder)
    study, _, number = word.partition(":")
    if not is_study(folder / study):
        return "", None
    if number.isdigit():
        return study, int(number)
    best = status(folder, study)[0].best_trial
    if number or best is None:
        raise StudyError(
            f"study {study}: must have a winner to be taken; got {word!r}, which has none; "
            f"allowed: {study}:TRIAL"
        )
    return study, best


def word_of(run: str, folder: Path, *, uri: str | None = None) -> str:
    """STUDY:TRIAL of a run in MLflow where its study lies in the folder, else its text form.

    Raises:
        TrackingError: there is no such run, or it is no trial's.
    """
    from nas.tracking import trial_of as tracked

    found = tracked(run, runs=folder, uri=uri)
    if is_study(folder / found.study):
        storage = StudyStorage.open(folder / found.study)
        try:
            records = storage.records()
        finally:
            storage.close()
        # A study of that name may be another one.
        if any((r.number, r.architecture) == (found.number, found.architecture) for r in records):
            return f"{found.study}:{found.number}"
    return found.architecture.text


def settings_of(study: str, folder: Path) -> Settings:
    """The settings a study trains by, what was found out about its machine among them.

    Raises:
        StudyError: no such study, or it cannot be read.
    """
    settings = stored(folder / study / "settings.yaml")
    storage = StudyStorage.open(folder / study)
    try:
        found = storage.get("nas.resolved") or {}
    finally:
        storage.close()
    return replace(settings, training=replace(settings.training, **found))
