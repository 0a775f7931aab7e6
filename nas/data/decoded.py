"""Images of files and of tables: kept in memory or streamed, split as given or by share."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from nas.data.dataset import DataSet, Indices, Split, assemble, divide, share_sizes, split
from nas.data.files import Files, Row, opened, read, workers_of
from nas.errors import DataError
from nas.settings import DataSettings

log = logging.getLogger(__name__)

GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "F"})
STATISTICS_IMAGES = 2000
DECODED_AT_ONCE = 256


def from_files(
    settings: DataSettings,
    *,
    name: str,
    paths: tuple[Path | Row, ...],
    labels: np.ndarray,
    class_names: tuple[str, ...],
    counts: Mapping[str, int],
    identity: Callable[[int], str],
) -> DataSet:
    """The data set of these images, in the order of the parts that `counts` counts.

    `counts` has `all`, or `train` and what else is given of `validation` and `test`; what is
    missing is cut from `train`. `identity` gives words by which a streamed image is known again.

    Raises:
        DataError: an image is damaged, sizes differ, or a class has too few images.
    """
    channels, height, width = _shape(settings, paths)
    files = Files(paths, channels, height, width, settings.on_damaged, workers_of(settings.workers))
    size_gb = len(paths) * channels * height * width / 1e9
    if size_gb > settings.memory_gb:
        kept = (
            f"{size_gb:.1f} GB of pixels, more than data.memory_gb={settings.memory_gb:g}: "
            f"streamed by {files.workers} workers"
        )
        log.info("%s: %s", name, kept)
        indices = _indices(settings, counts, labels, class_names)
        found = _streamed(settings, name, files, labels, class_names, indices, identity)
        return replace(found, kept=kept)
    kept = f"{size_gb:.2g} GB of pixels, kept in memory (data.memory_gb={settings.memory_gb:g})"
    log.info("%s: %s", name, kept)
    images, readable = _decoded(files)
    found = divide(
        name,
        images=images,
        labels=labels[readable],
        class_names=class_names,
        indices=_indices(settings, _without(counts, readable), labels[readable], class_names),
    )
    return replace(found, kept=kept)


def _shape(settings: DataSettings, paths: tuple[Path | Row, ...]) -> tuple[int, int, int]:
    """Channels, height and width: as set, else as all the images that can be opened have them."""
    if settings.channels and settings.height and settings.width:
        return settings.channels, settings.height, settings.width
    sizes: dict[tuple[int, int], Path | Row] = {}
    grey = True
    for path in paths:
        try:
            with opened(path) as image:
                sizes.setdefault(image.size, path)
                grey = grey and image.mode in GREY_MODES
        except (OSError, SyntaxError, ValueError):
            continue  # named, or left out, when it is decoded
        if len(sizes) > 1 and settings.height is None:
            (first, one), (second, other) = list(sizes.items())[:2]
            raise DataError(
                f"data: images must have one size; got {first[0]}x{first[1]} ({one}) and "
                f"{second[0]}x{second[1]} ({other}); allowed: data.height and data.width, to "
                "which all are resized"
            )
    if not sizes:
        raise DataError(f"data: there must be images that can be read; got none, as {paths[0]}")
    width, height = next(iter(sizes))
    return (
        settings.channels or (1 if grey else 3),
        settings.height or height,
        settings.width or width,
    )


def _decoded(files: Files) -> tuple[np.ndarray, np.ndarray]:
    """All images, and for every file whether it could be read."""
    chosen = torch.split(torch.arange(len(files)), DECODED_AT_ONCE)
    read_all = list(read(files, chosen))
    images = torch.cat([images for images, _ in read_all]).permute(0, 2, 3, 1).numpy()
    return images, torch.cat([kept for _, kept in read_all]).numpy()


def _without(counts: Mapping[str, int], kept: np.ndarray) -> dict[str, int]:
    """The sizes of the parts less the files that could not be read."""
    left, start = {}, 0
    for name, count in counts.items():
        left[name] = int(kept[start : start + count].sum())
        start += count
    return left


def _indices(
    settings: DataSettings,
    counts: Mapping[str, int],
    labels: np.ndarray,
    class_names: Sequence[str],
) -> Indices:
    """Which images are for training, validation and test: as given, the rest cut by share."""
    cut = partial(split, f"data {settings.path}", class_names=class_names, seed=settings.seed)
    starts = np.cumsum([0, *counts.values()])
    places = {
        name: np.arange(start, start + count)
        for (name, count), start in zip(counts.items(), starts, strict=False)
    }
    if "all" in places:
        sizes = share_sizes(
            len(labels), validation=settings.validation_share, test=settings.test_share
        )
        return cut(labels=labels, sizes=sizes)
    train, test = places["train"], places.get("test")
    if "validation" in places and test is not None:
        return train, places["validation"], test
    num_train, num_validation, num_test = share_sizes(
        len(train),
        validation=settings.validation_share,
        test=settings.test_share if test is None else 0,
    )
    first, second, third = cut(
        labels=labels[train],
        sizes=(num_train, num_validation, num_test if test is None else None),
    )
    return train[first], train[second], train[third] if test is None else test


def _streamed(
    settings: DataSettings,
    name: str,
    files: Files,
    labels: np.ndarray,
    class_names: tuple[str, ...],
    indices: Indices,
    identity: Callable[[int], str],
) -> DataSet:
    """The data set whose files are decoded as they are needed."""
    digest = hashlib.sha256(repr((files.channels, files.height, files.width)).encode())
    for number, label in enumerate(labels):
        digest.update(f"{identity(number)} {label}\n".encode())
    for part in indices:
        digest.update(np.ascontiguousarray(part.astype("<i8")).data)
    train, validation, test = (
        Split(
            replace(files, paths=tuple(files.paths[i] for i in part)),
            torch.from_numpy(labels[part]),
        )
        for part in indices
    )
    order = np.random.RandomState(settings.seed).permutation(len(train))[:STATISTICS_IMAGES]
    assert isinstance(train.images, Files)
    chosen = torch.split(torch.from_numpy(np.sort(order)), DECODED_AT_ONCE)
    return assemble(
        name,
        hash=digest.hexdigest()[:16],
        class_names=class_names,
        sample=torch.cat([images for images, _ in read(train.images, chosen)]),
        splits=(train, validation, test),
    )
