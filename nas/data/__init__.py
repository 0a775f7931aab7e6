"""Named data sets, split once and for all, in memory or streamed from files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import torch

from nas.data.arrays import load_arrays
from nas.data.dataset import DataSet, Split
from nas.data.digits import load_digits
from nas.data.files import Files, read
from nas.data.folder import load_folder
from nas.data.hub import load_hub
from nas.settings import DataSettings

__all__ = ["DataSet", "Split", "batches", "load"]

SOURCES: dict[str, Callable[[DataSettings], DataSet]] = {
    "digits": lambda settings: load_digits(),
    "arrays": load_arrays,
    "folder": load_folder,
    "hub": load_hub,
}


def load(settings: DataSettings) -> DataSet:
    """The data set these settings name, read once a process.

    Raises:
        DataError: it is missing, damaged or not a set of labelled images.
    """
    given = (settings.path, settings.labels, settings.files)
    found = [Path(name).stat() for name in given if name is not None and Path(name).exists()]
    return _load(settings, tuple((one.st_mtime_ns, one.st_size) for one in found))


@lru_cache(maxsize=2)
def _load(settings: DataSettings, stamps: tuple[tuple[int, int], ...]) -> DataSet:
    return SOURCES[settings.name](settings)


def batches(
    split: Split, chosen: Sequence[torch.Tensor]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Images and labels at each tensor of indices, one after the other.

    Shape:
        uint8 (n, channels, height, width) and int64 (n,).

    Raises:
        DataError: a streamed file is damaged and `data.on_damaged` is not `skip`.
    """
    if isinstance(split.images, Files):
        for indices, (images, kept) in zip(chosen, read(split.images, chosen), strict=True):
            yield images, split.labels[indices[kept]]
    else:
        for indices in chosen:
            # Whole images are copied: a tenth of the time of split.images[indices].
            yield split.images.index_select(0, indices), split.labels[indices]
