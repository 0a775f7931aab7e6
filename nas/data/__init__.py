"""Named data sets, split once and for all, as tensors in memory."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from nas.data.arrays import load_arrays
from nas.data.dataset import DataSet, Split
from nas.data.digits import load_digits
from nas.settings import DataSettings

__all__ = ["DataSet", "Split", "load"]


def load(settings: DataSettings) -> DataSet:
    """The data set these settings name, read once a process.

    Raises:
        DataError: it is missing, damaged or not a set of labelled images.
    """
    stamp = None
    if settings.path is not None and Path(settings.path).is_file():
        status = Path(settings.path).stat()
        stamp = (status.st_mtime_ns, status.st_size)
    return _load(settings, stamp)


@lru_cache(maxsize=2)
def _load(settings: DataSettings, stamp: tuple[int, int] | None) -> DataSet:
    return load_digits() if settings.name == "digits" else load_arrays(settings)
