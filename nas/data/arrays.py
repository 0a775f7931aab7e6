"""A data set in one .npz file, or a pair of .npy files: `images`, `labels`, if wanted names."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from nas.data.dataset import DataSet, divide, share_sizes, split
from nas.errors import DataError
from nas.settings import DataSettings

EXAMPLE = "numpy.savez('images.npz', images=..., labels=...)"


def load_arrays(settings: DataSettings) -> DataSet:
    """The images of `settings.path`, split by its shares and seed.

    Raises:
        DataError: the file is missing or damaged, or its arrays are not images with labels.
    """
    path = Path(str(settings.path))
    arrays = _read_pair(path, settings) if path.suffix == ".npy" else _read(path)
    images = _check_images(path, arrays["images"])
    labels = _check_labels(path, arrays["labels"], len(images))
    class_names = _check_classes(path, labels, arrays.get("class_names"))
    sizes = share_sizes(len(labels), validation=settings.validation_share, test=settings.test_share)
    return divide(
        path.stem,
        images=images,
        labels=labels,
        class_names=class_names,
        indices=split(
            f"data {path}", labels=labels, class_names=class_names, sizes=sizes, seed=settings.seed
        ),
    )


def _read_pair(path: Path, settings: DataSettings) -> dict[str, np.ndarray]:
    """Images of one .npy file, labels of another: `data.labels`, else labels.npy beside it."""
    labels = Path(settings.labels) if settings.labels else path.with_name("labels.npy")
    return {
        "images": _read_one("data.path", path),
        "labels": _read_one("data.labels", labels),
    }


def _read_one(where: str, path: Path) -> np.ndarray:
    if not path.is_file():
        raise DataError(
            f"{where}: no such file; got {str(path)!r}; allowed: a file of numpy.save, images as "
            "data.path and labels as data.labels"
        )
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{where}: {path} cannot be read as .npy, it is damaged or something else ({error}); "
            "allowed: a file of numpy.save without objects"
        ) from error
    if not isinstance(array, np.ndarray):
        raise DataError(
            f"{where}: must hold a single array; got the archive {path}; allowed: a file of "
            "numpy.save, or an archive named *.npz as data.path"
        )
    return array


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise DataError(f"data.path: no such file; got {str(path)!r}; allowed: a file of {EXAMPLE}")
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(
                    f"data.path: must hold two named arrays; got the single array of {path}; "
                    f"allowed: a file of {EXAMPLE}"
                )
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"data.path: must be an .npz file that can be read; got {path}, damaged or something "
            f"else ({error}); allowed: a file of {EXAMPLE}"
        ) from error
    for name in ("images", "labels"):
        if name not in arrays:
            raise DataError(
                f"data.path: {path} has no array {name!r}; got {', '.join(arrays) or 'none'}; "
                "allowed: images, labels and, if wanted, class_names"
            )
    return arrays


def _check_images(path: Path, images: np.ndarray) -> np.ndarray:
    """The images as (n, height, width, channels)."""
    if images.dtype != np.uint8:
        raise DataError(
            f"data {path}, images: must be uint8, 0..255; got {images.dtype}; allowed: "
            "images.astype('uint8') once they are on that scale"
        )
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(
            f"data {path}, images: must have the shape (n, height, width) or (n, height, width, "
            f"channels); got {images.shape}; allowed: for example (1000, 32, 32, 3)"
        )
    if images.shape[3] > 4 and images.shape[1] <= 4:
        raise DataError(
            f"data {path}, images: channels come last; got {images.shape}; allowed: "
            "images.transpose(0, 2, 3, 1)"
        )
    return images


def _check_labels(path: Path, labels: np.ndarray, count: int) -> np.ndarray:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"data {path}, labels: must be one whole number an image; got {labels.dtype} of shape "
            f"{labels.shape}; allowed: integers of shape ({count},)"
        )
    if len(labels) != count:
        raise DataError(
            f"data {path}, labels: there must be one an image; got {len(labels)} labels for "
            f"{count} images; allowed: {count} of them"
        )
    if count == 0:
        raise DataError(f"data {path}, images: there must be some; got none; allowed: one or more")
    return labels.astype(np.int64)


def _check_classes(path: Path, labels: np.ndarray, given: np.ndarray | None) -> tuple[str, ...]:
    """The names of the classes; without `class_names` their numbers."""
    least, greatest = int(labels.min()), int(labels.max())
    classes = greatest + 1 if given is None else len(given)
    if least < 0 or greatest >= classes:
        wrong = least if least < 0 else greatest
        raise DataError(
            f"data {path}, labels: a label is out of range; got {wrong}; allowed: 0..{classes - 1}"
        )
    present = np.unique(labels)
    if classes < 2:
        raise DataError(
            f"data {path}, labels: there must be two classes or more; got one, {present.tolist()}; "
            "allowed: labels 0 and 1 at least"
        )
    if len(present) != classes:
        missing = next(n for n, label in enumerate([*present.tolist(), -1]) if n != label)
        raise DataError(
            f"data {path}, labels: every class 0..{classes - 1} needs images; got none of class "
            f"{missing}; allowed: labels without gaps"
        )
    return tuple(map(str, range(classes) if given is None else given.tolist()))
