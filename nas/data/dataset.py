"""What training sees of a data set: images in memory, split once and for all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nas.data.files import Files
from nas.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Images are a tensor in memory, or `Files` that are decoded as they are needed;
    `nas.data.batches` reads both.

    Shape:
        images: uint8 (n, channels, height, width); labels: int64 (n,).
    """

    images: torch.Tensor | Files
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set split into training, validation and test images.

    `hash` is 16 hex digits over images, labels and split: equal exactly when training would see
    the same. `mean` and `std` are per channel, of the training images, on the scale 0..1. `kept`
    says whether they are in memory or streamed, and why.
    """

    name: str
    hash: str
    classes: int
    class_names: tuple[str, ...]
    input: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: Split
    validation: Split
    test: Split
    kept: str = "kept in memory: arrays are read whole"

    @property
    def counts(self) -> tuple[int, ...]:
        """Training images of each class."""
        found: list[int] = torch.bincount(self.train.labels, minlength=self.classes).tolist()
        return tuple(found)

    @property
    def told(self) -> str:
        """Fewest and most training images of a class, and whether images are in memory, and why."""
        least, most = min(self.counts), max(self.counts)
        return f"{self.classes} classes of {least:,} to {most:,} training images, {self.kept}"


Indices = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Which images are for training, validation and test."""


def divide(
    name: str,
    *,
    images: np.ndarray,
    labels: np.ndarray,
    class_names: tuple[str, ...],
    indices: Indices,
) -> DataSet:
    """The data set of these images at this split.

    Shape:
        images: uint8 (n, height, width, channels); labels: int64 (n,).
    """
    digest = hashlib.sha256(repr((images.shape, class_names)).encode())
    for array in (images, labels.astype("<i8"), *(part.astype("<i8") for part in indices)):
        digest.update(np.ascontiguousarray(array).data)
    pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    targets = torch.from_numpy(labels.astype(np.int64))
    train, validation, test = (
        Split(pixels[torch.from_numpy(part)], targets[torch.from_numpy(part)]) for part in indices
    )
    return assemble(
        name,
        hash=digest.hexdigest()[:16],
        class_names=class_names,
        sample=pixels[torch.from_numpy(indices[0])],
        splits=(train, validation, test),
    )


def assemble(
    name: str,
    *,
    hash: str,
    class_names: tuple[str, ...],
    sample: torch.Tensor,
    splits: tuple[Split, Split, Split],
) -> DataSet:
    """The data set of these splits, mean and deviation from `sample`, its training images."""
    mean, std = _statistics(sample)
    _, channels, height, width = sample.shape
    return DataSet(
        name=name,
        hash=hash,
        classes=len(class_names),
        class_names=class_names,
        input=(channels, height, width),
        mean=mean,
        std=std,
        train=splits[0],
        validation=splits[1],
        test=splits[2],
    )


def _statistics(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, exact: from counts of the 256 values."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        mean = float((counts * values).sum() / counts.sum())
        variance = float((counts * (values - mean) ** 2).sum() / counts.sum())
        means.append(mean)
        # A constant channel carries nothing; one grey level keeps its division defined.
        deviations.append(max(variance**0.5, 1 / 255))
    return tuple(means), tuple(deviations)


def split(
    where: str,
    *,
    labels: np.ndarray,
    class_names: Sequence[str],
    sizes: tuple[int, int, int | None],
    seed: int,
) -> Indices:
    """A stratified split into so many images for training, validation and test (None: no test).

    Each image gets its place among its class as a share of it, 0..1; in the order of places every
    stretch holds the classes in proportion. Test is cut from the low end, validation from the high
    one, so that a class of three images has one in each.

    Raises:
        DataError: a class has fewer images than there are splits, or a split is left empty.
    """
    train, validation, test = sizes[0], sizes[1], sizes[2] or 0
    wanted = [size for size in sizes if size is not None]
    if min(wanted) < 1 or sum(wanted) != len(labels):
        raise DataError(
            f"{where}: every split needs at least one image; got {len(labels)} images, split into "
            f"{train} for training, {validation} for validation and {test} for test; allowed: more "
            "images or other shares"
        )
    # RandomState's stream is frozen by numpy: the split is the same in every version.
    random = np.random.RandomState(seed)
    order = random.permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = order[labels[order] == label]
        if len(members) < len(wanted):
            raise DataError(
                f"{where}: every class needs an image in each of {len(wanted)} splits; got "
                f"{len(members)} of class {class_names[label]}; allowed from {len(wanted)} on"
            )
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    order = order[np.argsort(place[order], kind="stable")]
    return (
        np.sort(order[test : test + train]),
        np.sort(order[test + train :]),
        np.sort(order[:test]),
    )


def share_sizes(count: int, *, validation: float, test: float) -> tuple[int, int, int]:
    """Sizes of the training, validation and test split of `count` images."""
    num_validation, num_test = round(count * validation), round(count * test)
    return count - num_validation - num_test, num_validation, num_test
