"""A network trained to the end, as a function for a process of its own."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from nas import weights as stored
from nas.architecture import Architecture
from nas.data import load
from nas.data.resizing import resized
from nas.outcome import Evaluation
from nas.settings import DataSettings, TrainingSettings
from nas.training import Report, accuracy, resolve, train
from nas.training.group import ALONE, Group


@dataclass(frozen=True)
class Finished:
    """What training to the end found; `test_accuracy` is a share of `test_images`, 0..1."""

    evaluation: Evaluation
    test_accuracy: float
    test_images: int


def train_to_end(
    architecture: Architecture,
    *,
    data: DataSettings,
    training: TrainingSettings,
    seed: int,
    weights: Path,
    checkpoint: Path,
    group: Group = ALONE,
    report: Report = lambda *_: None,
) -> Finished:
    """Train, look at the test images once, keep the weights; of a group the first process does.

    Each epoch is kept in `checkpoint` until the end: what was stopped goes on behind its last whole
    epoch. Another training's checkpoint is refused, never overwritten.

    Raises:
        TrainingError: the loss became infinite or not a number, or memory ran out.
        DataError: data, weights to start from or the checkpoint are missing, damaged or of
            something else.
        StudyError: checkpoint or weights cannot be written; what was there stays.
    """
    images = resized(load(data), architecture.input[1:])
    trained = train(
        architecture, images, training, seed=seed, report=report, folder=checkpoint, group=group
    )
    if not group.first:
        return Finished(trained.evaluation, 0.0, 0)
    share = accuracy(trained.module, images.test, data=images, settings=resolve(training))
    stored.save(trained.module, weights, architecture=architecture)
    shutil.rmtree(checkpoint)
    return Finished(trained.evaluation, share, len(images.test))
