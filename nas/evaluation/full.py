"""A candidate's accuracy from one complete training, as functions for a process of their own.

They take settings and paths, never tensors: each process reads its data once and keeps it.
"""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from nas import weights as stored
from nas.architecture import Architecture
from nas.data import DataSet, Split, batches, load
from nas.data.resizing import resized
from nas.errors import DataError
from nas.evaluation.metrics import confusion, per_class, score
from nas.outcome import Evaluation
from nas.result import ClassScore
from nas.settings import DataSettings, TrainingSettings
from nas.training import Report, Trained, accuracy, outputs, resolve, train

BASELINE_IMAGES = 10_000
BASELINE_SIDE = 32
BASELINE_BATCH = 500


def evaluate_full(
    architecture: Architecture,
    *,
    data: DataSettings,
    training: TrainingSettings,
    seed: int,
    weights: Path | None = None,
    metric: str = "accuracy",
    report: Report = lambda *_: None,
) -> Evaluation:
    """Train once and give the validation accuracy; the weights go to `weights` if given.

    Images are brought to the architecture's own height and width. Where weights are asked for, each
    epoch is stored beside them until the end: a training that was killed goes on behind its last
    whole epoch.

    Raises:
        TrainingError: the loss became infinite or not a number, or memory ran out.
        DataError: the data is missing or damaged.
        StudyError: the weights cannot be written.
    """
    images = _sized(data, architecture.input[1:])
    if weights is None:
        trained = train(architecture, images, training, seed=seed, report=report)
        return _scored(trained, images, training, metric)
    folder = weights.with_suffix("")
    try:
        trained = train(architecture, images, training, seed=seed, report=report, folder=folder)
    except DataError:
        # A checkpoint that was cut by a power failure, or of another recipe: from the beginning.
        shutil.rmtree(folder)
        trained = train(architecture, images, training, seed=seed, report=report, folder=folder)
    stored.save(trained.module, weights, architecture=architecture)
    found = _scored(trained, images, training, metric)
    shutil.rmtree(folder)
    return found


def _scored(
    trained: Trained, images: DataSet, training: TrainingSettings, metric: str
) -> Evaluation:
    """The evaluation, with the metric of the validation images where it is not plain accuracy."""
    if metric == "accuracy":
        return trained.evaluation
    parts = outputs(trained.module, images.validation, data=images, settings=resolve(training))
    found = _joined(list(parts))
    return replace(trained.evaluation, score=score(metric, found.labels, found.scores))


def test_accuracy(architecture: Architecture, weights: Path, *, data: DataSettings) -> float:
    """The share of test images that a network with these weights labels rightly.

    For finalists only: a search that looks at it has no test images any more.

    Raises:
        DataError: weights or data are missing, damaged or of another architecture.
    """
    images = _sized(data, architecture.input[1:])
    module = stored.load(architecture, weights)
    settings = resolve(TrainingSettings(device="cpu"))
    return accuracy(module, images.test, data=images, settings=settings)


# pytest must not take it for a test where it is imported.
test_accuracy.__test__ = False  # type: ignore[attr-defined]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network says of a split's images.

    Shape:
        labels: int64 (n,); scores: float32 (n, classes), the highest one wins.
    """

    labels: np.ndarray
    scores: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Which images are labelled rightly, bool (n,)."""
        return np.asarray(self.scores.argmax(1) == self.labels)


def predictions(
    architecture: Architecture, weights: Path, *, data: DataSettings, split: str = "test"
) -> Predictions:
    """What a network with these weights says of the images of `validation` or `test`.

    Raises:
        DataError: weights or data are missing, damaged or of another architecture.
    """
    images = _sized(data, architecture.input[1:])
    module = stored.load(architecture, weights)
    settings = resolve(TrainingSettings(device="cpu"))
    return _joined(list(outputs(module, getattr(images, split), data=images, settings=settings)))


def _joined(parts: list[tuple[torch.Tensor, torch.Tensor]]) -> Predictions:
    return Predictions(
        labels=torch.cat([labels for _, labels in parts]).cpu().numpy(),
        scores=torch.cat([logits for logits, _ in parts]).float().cpu().numpy(),
    )


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the test images say of a trained network.

    `value` is the study's metric, 0..1; `right` tells which images are labelled rightly, among the
    first five labels where the metric is top5.

    Shape:
        right: bool (n,).
    """

    value: float
    right: np.ndarray
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]


def judge(
    architecture: Architecture, weights: Path, *, data: DataSettings, metric: str
) -> Judgement:
    """Look at the test images; for finalists only.

    Raises:
        DataError: weights or data are missing, damaged or of another architecture.
    """
    found = predictions(architecture, weights, data=data)
    matrix = confusion(found.labels, found.scores.argmax(1), classes=architecture.classes)
    own = np.take_along_axis(found.scores, found.labels[:, None], 1)
    return Judgement(
        value=score(metric, found.labels, found.scores),
        right=(found.scores >= own).sum(1) <= 5 if metric == "top5" else found.right,
        classes=per_class(matrix, load(data).class_names),
        confusion=tuple(tuple(int(count) for count in row) for row in matrix),
    )


@lru_cache(maxsize=4)
def _sized(data: DataSettings, size: tuple[int, int]) -> DataSet:
    """The data at a candidate's own resolution."""
    return resized(load(data), size)


def baseline(data: DataSettings) -> float:
    """Test accuracy of a logistic regression on the training pixels, for scale.

    Of larger sets it sees the first 10,000 training images, averaged down to 32x32 pixels.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    images = load(data)
    train_pixels, train_labels = _pixels(images.train, BASELINE_IMAGES)
    test_pixels, test_labels = _pixels(images.test, len(images.test))
    with warnings.catch_warnings():
        # A baseline that stops at its last iteration is as good a scale.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(max_iter=300)
        model.fit(train_pixels, train_labels)
    return float(model.score(test_pixels, test_labels))


def _pixels(split: Split, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `most` images as rows of numbers 0..1, and their labels."""
    rows, labels = [], []
    chosen = torch.split(torch.arange(len(split))[:most], BASELINE_BATCH)
    for images, targets in batches(split, chosen):
        height, width = (min(side, BASELINE_SIDE) for side in images.shape[2:])
        small = functional.adaptive_avg_pool2d(images.float() / 255, (height, width))
        rows.append(small.flatten(1).numpy())
        labels.append(targets.numpy())
    return np.concatenate(rows), np.concatenate(labels)
