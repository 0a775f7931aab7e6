"""A folder of class folders of images, as ImageNet is laid out.

    path/CLASS/*.png                       split by the shares and the seed, or
    path/train/CLASS/*.png, path/val/...   and, if there is one, path/test/...

Where `train` and `val` are given but no `test`, `val` is the test split, as for ImageNet, and the
validation images that steer a search are cut from `train`: a search must not see what its winner
is judged by.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nas.data.dataset import DataSet
from nas.data.decoded import from_files
from nas.errors import DataError
from nas.settings import DataSettings

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})
VALIDATION_NAMES = ("val", "validation", "valid")


def load_folder(settings: DataSettings) -> DataSet:
    """The images below `settings.path`.

    Raises:
        DataError: no folder, no images, a damaged one, sizes that differ, or a class with too few.
    """
    root = Path(str(settings.path))
    class_names, parts = _list(root)
    paths = tuple(path for part in parts.values() for path, _ in part)
    labels = np.array([label for part in parts.values() for _, label in part], dtype=np.int64)
    return from_files(
        settings,
        name=root.resolve().name,
        paths=paths,
        labels=labels,
        class_names=class_names,
        counts={name: len(part) for name, part in parts.items()},
        # Pixels are not read to know a streamed image again: its name and size stand for them.
        identity=lambda n: (
            f"{Path(str(paths[n])).relative_to(root).as_posix()} "
            f"{Path(str(paths[n])).stat().st_size}"
        ),
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
