"""How good predictions are, and whether two networks differ on the same images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nas.errors import SettingsError, nearest
from nas.result import ClassScore, Difference
from nas.settings.objective import METRICS

RESAMPLES = 10_000


def confusion(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> np.ndarray:
    """How many images of each class (rows) were taken for each class (columns).

    Shape:
        int (n,) and int (n,) to int64 (classes, classes).
    """
    counts = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return counts.reshape(classes, classes)


def per_class(matrix: np.ndarray, class_names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class, from a confusion matrix."""
    right = np.diag(matrix).astype(float)
    there, taken = matrix.sum(1), matrix.sum(0)
    precision = right / np.maximum(taken, 1)
    recall = right / np.maximum(there, 1)
    # Harmonic mean of both, written so that nothing right and nothing predicted gives 0.
    f1 = 2 * right / np.maximum(there + taken, 1)
    return tuple(
        ClassScore(name, int(there[n]), float(precision[n]), float(recall[n]), float(f1[n]))
        for n, name in enumerate(class_names)
    )


def score(metric: str, labels: np.ndarray, scores: np.ndarray) -> float:
    """A metric of predictions, 0..1.

    balanced_accuracy is the mean recall, macro_f1 the mean F1, of the classes that have images;
    top5 the share of images whose label is among the five highest scores.

    Shape:
        labels: int (n,); scores: (n, classes), the highest one wins.

    Raises:
        SettingsError: no such metric.
    """
    if metric not in METRICS:
        raise SettingsError(
            f"objective.metric: must be one of the known names; got {metric!r}; "
            f"allowed: {nearest(metric, METRICS)}"
        )
    if metric == "top5":
        # Ties count against the label: a network that says the same of all classes is no good.
        own = np.take_along_axis(scores, labels[:, None], 1)
        return float(((scores >= own).sum(1) <= 5).mean())
    predicted = scores.argmax(1)
    if metric == "accuracy":
        return float((predicted == labels).mean())
    matrix = confusion(labels, predicted, classes=scores.shape[1])
    table = per_class(matrix, [""] * scores.shape[1])
    shares = [
        row.recall if metric == "balanced_accuracy" else row.f1 for row in table if row.images
    ]
    return float(np.mean(shares))


def paired_bootstrap(
    winner: ArrayLike, reference: ArrayLike, *, seed: int, resamples: int = RESAMPLES
) -> Difference:
    """How much more of the same images the winner labels rightly, from paired resamples.

    Where several seeds were trained each row is one of them; seeds are resampled with the images,
    so that the interval holds the luck of both.

    Shape:
        winner, reference: bool (seeds, n), right or wrong; (n,) is one seed.

    Reference: Efron and Tibshirani 1993, An Introduction to the Bootstrap, percentile interval.
    """
    first, second = (np.atleast_2d(np.asarray(a, dtype=float)) for a in (winner, reference))
    if first.shape[1] != second.shape[1] or not first.size or not second.size:
        raise ValueError(
            "paired_bootstrap: both must be judged on the same images; got "
            f"{first.shape[1]} and {second.shape[1]}; allowed: equal numbers above 0"
        )
    random = np.random.default_rng(seed)
    images = first.shape[1]
    differences = np.empty(resamples)
    for index in range(resamples):
        chosen = random.integers(images, size=images)
        one = first[random.integers(len(first), size=len(first))].mean(0)
        other = second[random.integers(len(second), size=len(second))].mean(0)
        differences[index] = (one - other)[chosen].mean()
    low, high = np.quantile(differences, [0.025, 0.975])
    return Difference(float(first.mean() - second.mean()), float(low), float(high))
