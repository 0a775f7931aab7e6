"""A folder of class folders of images, as ImageNet is laid out.

    path/CLASS/*.png                       split by the shares and the seed, or
    path/train/CLASS/*.png, path/val/...   and, if there is one, path/test/...

Where `train` and `val` are given but no `test`, `val` is the test split, as for ImageNet, and the
validation images that steer a search are cut from `train`: a search must not see what its winner
is judged by.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nas.data.dataset import DataSet, Indices, Split, assemble, divide, share_sizes, split
from nas.data.files import Files, read, workers_of
from nas.errors import DataError
from nas.settings import DataSettings

log = logging.getLogger(__name__)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})
VALIDATION_NAMES = ("val", "validation", "valid")
GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "F"})
STATISTICS_IMAGES = 2000
DECODED_AT_ONCE = 256


def load_folder(settings: DataSettings) -> DataSet:
    """The images below `settings.path`.

    Raises:
        DataError: no folder, no images, a damaged one, sizes that differ, or a class with too few.
    """
    root = Path(str(settings.path))
    class_names, parts = _list(root)
    paths = tuple(path for part in parts.values() for path, _ in part)
    labels = np.array([label for part in parts.values() for _, label in part], dtype=np.int64)
    channels, height, width = _shape(settings, paths)
    files = Files(paths, channels, height, width, settings.on_damaged, workers_of(settings.workers))
    size_gb = len(paths) * channels * height * width / 1e9
    if size_gb > settings.memory_gb:
        log.info(
            "%s: %.1f GB of pixels, more than data.memory_gb=%g: streamed by %d workers",
            root, size_gb, settings.memory_gb, files.workers,
        )  # fmt: skip
        return _streamed(settings, files, labels, class_names, _indices(settings, parts, labels))
    log.info("%s: %.2f GB of pixels, kept in memory", root, size_gb)
    images, kept = _decoded(files)
    parts = _without(parts, kept)
    indices = _indices(settings, parts, labels[kept])
    return divide(
        root.resolve().name,
        images=images,
        labels=labels[kept],
        class_names=class_names,
        indices=indices,
    )


Part = list[tuple[Path, int]]


def _list(root: Path) -> tuple[tuple[str, ...], dict[str, Part]]:
    """The names of the classes, and for each given part of the set its files with their labels."""
    if not root.is_dir():
        raise DataError(
            f"data.path: no such folder; got {str(root)!r}; allowed: a folder of class folders"
        )
    folders = {path.name: path for path in sorted(root.iterdir()) if path.is_dir()}
    given = {"all": root}
    if "train" in folders:
        given = {"train": folders["train"]}
        validation = next((folders[name] for name in VALIDATION_NAMES if name in folders), None)
        if "test" in folders:
            given["test"] = folders["test"]
            if validation:
                given["validation"] = validation
        elif validation:
            given["test"] = validation
    first = next(iter(given.values()))
    names = tuple(sorted(path.name for path in first.iterdir() if path.is_dir()))
    if len(names) < 2:
        raise DataError(
            f"data.path: must hold a folder for each of two classes or more; got "
            f"{', '.join(names) or 'none'} in {first}"
        )
    return names, {part: _files(folder, names) for part, folder in given.items()}


def _files(folder: Path, names: tuple[str, ...]) -> Part:
    unknown = sorted({path.name for path in folder.iterdir() if path.is_dir()} - set(names))
    if unknown:
        raise DataError(
            f"data.path: {folder} must hold the classes of the training images; got {unknown[0]!r}"
        )
    found: Part = []
    for label, name in enumerate(names):
        inside = sorted((folder / name).rglob("*")) if (folder / name).is_dir() else []
        images = [path for path in inside if path.suffix.lower() in SUFFIXES]
        if not images:
            raise DataError(
                f"data.path: every class needs images; got none in {folder / name}; allowed: "
                f"{', '.join(sorted(SUFFIXES))}"
            )
        found += [(path, label) for path in images]
    return found


def _shape(settings: DataSettings, paths: tuple[Path, ...]) -> tuple[int, int, int]:
    """Channels, height and width: as set, else as all the images that can be opened have them."""
    if settings.channels and settings.height and settings.width:
        return settings.channels, settings.height, settings.width
    sizes: dict[tuple[int, int], Path] = {}
    grey = True
    for path in paths:
        try:
            with Image.open(path) as image:
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


def _without(parts: dict[str, Part], kept: np.ndarray) -> dict[str, Part]:
    """The parts less the files that could not be read."""
    left, start = {}, 0
    for name, part in parts.items():
        stays = kept[start : start + len(part)]
        left[name] = [item for item, stay in zip(part, stays, strict=True) if stay]
        start += len(part)
    return left


def _indices(settings: DataSettings, parts: dict[str, Part], labels: np.ndarray) -> Indices:
    """Which images are for training, validation and test: as given, the rest cut by share."""
    where = f"data {settings.path}"
    starts = np.cumsum([0, *map(len, parts.values())])
    places = {
        name: np.arange(start, start + len(part))
        for (name, part), start in zip(parts.items(), starts, strict=False)
    }
    if "all" in places:
        sizes = share_sizes(
            len(labels), validation=settings.validation_share, test=settings.test_share
        )
        return split(where, labels=labels, sizes=sizes, seed=settings.seed)
    train, test = places["train"], places.get("test")
    if "validation" in places and test is not None:
        return train, places["validation"], test
    num_train, num_validation, num_test = share_sizes(
        len(train),
        validation=settings.validation_share,
        test=settings.test_share if test is None else 0,
    )
    first, second, third = split(
        where,
        labels=labels[train],
        sizes=(num_train, num_validation, num_test if test is None else None),
        seed=settings.seed,
    )
    return train[first], train[second], train[third] if test is None else test


def _streamed(
    settings: DataSettings,
    files: Files,
    labels: np.ndarray,
    class_names: tuple[str, ...],
    indices: Indices,
) -> DataSet:
    """The data set whose files are decoded as they are needed."""
    root = Path(str(settings.path))
    digest = hashlib.sha256(repr((files.channels, files.height, files.width)).encode())
    for path, label in zip(files.paths, labels, strict=True):
        # Pixels are not read for it: names, sizes and labels stand for them.
        line = f"{path.relative_to(root).as_posix()} {path.stat().st_size} {label}\n"
        digest.update(line.encode())
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
        root.resolve().name,
        hash=digest.hexdigest()[:16],
        class_names=class_names,
        sample=torch.cat([images for images, _ in read(train.images, chosen)]),
        splits=(train, validation, test),
    )
