"""What is exported: a word to an architecture, its trained weights and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nas.architecture import Architecture
from nas.errors import StudyError
from nas.names import resolve
from nas.outcome import Certificate, Evaluation
from nas.result import ENDED
from nas.settings import Settings
from nas.settings.compose import compose, override
from nas.study.folder import is_study
from nas.study.storage import StudyStorage
from nas.trained import (
    FOLDER,
    RECORD,
    WEIGHTS,
    TrainedNetwork,
    latest,
    read,
    settings_of,
    trial_of,
)
from search_spaces.published import PUBLISHED


@dataclass(frozen=True)
class Source:
    """A network with weights: where they lie, and how they were come by.

    `settings` name the images and the target; `study` and `trial` say where it was found;
    `seed_tests` what other seeds of the same training had on the test images, this one's first;
    `certificate` what fresh processes found for the network at the end of its study.
    """

    name: str
    word: str
    architecture: Architecture
    weights: Path
    settings: Settings
    evaluation: Evaluation | None = None
    study: str = ""
    trial: int | None = None
    data_hash: str = ""
    seed_tests: tuple[float, ...] = ()
    certificate: Certificate | None = None


def find(
    word: str,
    overrides: Sequence[str] = (),
    *,
    folder: Path,
    config_dir: Path | None = None,
    weights: Path | None = None,
) -> Source:
    """The network a word names with its weights: those given, else of its last training to the end
    (nas train), else those its study keeps.

    Raises:
        InputError: the word means no network, or a setting is wrong.
        StudyError: it has no trained weights.
    """
    source = _found(word, overrides, folder, config_dir, weights)
    if not source.study or not is_study(folder / source.study):
        return source
    storage = StudyStorage.open(folder / source.study)
    try:
        known = storage.certificates()
    finally:
        storage.close()
    return replace(source, certificate=known.get(source.architecture.fingerprint))


def _found(
    word: str,
    overrides: Sequence[str],
    folder: Path,
    config_dir: Path | None,
    weights: Path | None,
) -> Source:
    if weights is None and (folder / FOLDER / word / RECORD).is_file():
        return _of_training(folder / FOLDER / word, word, overrides, folder, config_dir)
    study, trial = trial_of(word, folder)
    if study:
        settings = _changed(settings_of(study, folder), overrides, config_dir)
        return _of_study(study, trial, settings, overrides, folder, config_dir, weights)
    settings = compose(overrides, config_dir=config_dir)
    architecture = _named(word, settings, folder)
    if weights is not None:
        name = word if word in PUBLISHED else architecture.fingerprint[:12]
        return Source(name, word, architecture, weights, settings)
    done = latest(folder, fingerprint=architecture.fingerprint)
    if done is None:
        raise StudyError(
            f"network {word}: must have trained weights; got none in {folder / FOLDER}; allowed: "
            f"nas train {word} first, --weights FILE, or a STUDY"
        )
    return _of_training(done, word, overrides, folder, config_dir)


def _named(word: str, settings: Settings, folder: Path) -> Architecture:
    if word not in PUBLISHED:
        return resolve(word, folder=folder)
    from nas.data import load

    images = load(settings.data)
    return resolve(word, input=images.input, classes=images.classes, folder=folder)


def _of_training(
    path: Path, word: str, overrides: Sequence[str], folder: Path, config_dir: Path | None
) -> Source:
    record = read(path)
    if record.evaluation is None or not (path / WEIGHTS).is_file():
        raise StudyError(
            f"trained network {path.name}: must have come to its end; got one that was stopped; "
            f"allowed: go on with: {record.command}"
        )
    return Source(
        name=path.name,
        word=word,
        architecture=record.architecture,
        weights=path / WEIGHTS,
        settings=_changed(_settings(record, folder), overrides, config_dir),
        evaluation=record.evaluation,
        study=record.study,
        trial=record.trial,
        data_hash=record.data_hash,
    )


def _settings(record: TrainedNetwork, folder: Path) -> Settings:
    """The images and the recipe of a training, the target of the study it comes from."""
    found = compose()
    if record.study and trial_of(f"{record.study}:{record.trial}", folder)[0]:
        found = settings_of(record.study, folder)
    return replace(found, data=record.data, training=record.training)


def _of_study(
    study: str,
    trial: int | None,
    settings: Settings,
    overrides: Sequence[str],
    folder: Path,
    config_dir: Path | None,
    weights: Path | None,
) -> Source:
    word = f"{study}:{trial}"
    architecture = resolve(word, folder=folder)
    storage = StudyStorage.open(folder / study)
    try:
        data_hash = storage.get("nas.data") or ""
        outcome = next(one.outcome for one in storage.records() if one.number == trial)
        judged = (storage.get(ENDED) or {}).get("finalists", [])
    finally:
        storage.close()
    if weights is None:
        done = latest(folder, fingerprint=architecture.fingerprint, data_hash=data_hash)
        if done is not None:
            return _of_training(done, word, overrides, folder, config_dir)
    kept = folder / study / "checkpoints" / f"{architecture.fingerprint}.safetensors"
    if weights is None and not kept.is_file():
        raise StudyError(
            f"trial {word}: must have trained weights; got none, a study keeps those of its best "
            f"trials; allowed: nas train {word} first, or --weights FILE"
        )
    return Source(
        name=f"{study}-{trial}",
        word=word,
        architecture=architecture,
        weights=weights or kept,
        settings=settings,
        evaluation=None if weights is not None or outcome is None else outcome.evaluation,
        study=study,
        trial=trial,
        data_hash=data_hash if weights is None else "",
        seed_tests=tuple(
            seed["test"]
            for one in judged
            for seed in one.get("seeds", ())
            if one["trial"] == trial and weights is None
        ),
    )


def _changed(settings: Settings, overrides: Sequence[str], config_dir: Path | None) -> Settings:
    return override(settings, overrides, config_dir=config_dir) if overrides else settings
