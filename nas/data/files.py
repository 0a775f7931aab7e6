"""Image files that are decoded when they are needed, by worker processes."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from nas.errors import DataError

log = logging.getLogger(__name__)

MODES = {1: "L", 3: "RGB"}


class Row(Protocol):
    """An encoded image that is no file of its own; its text names it in messages."""

    def read(self) -> bytes:
        """The bytes of the file that it would be."""


@dataclass(frozen=True)
class Files:
    """Image files, each of which becomes `channels` x `height` x `width` pixels."""

    paths: tuple[Path | Row, ...]
    channels: int
    height: int
    width: int
    on_damaged: str
    workers: int

    def __len__(self) -> int:
        return len(self.paths)


def workers_of(setting: int) -> int:
    """The number of worker processes: as set, or one a core, at most four."""
    return setting or min(4, len(os.sched_getaffinity(0)))


def opened(path: Path | Row) -> Image.Image:
    """The image, of which no more than the header is read yet; to be closed."""
    return Image.open(path if isinstance(path, Path) else io.BytesIO(path.read()))


def decode(path: Path | Row, *, channels: int, height: int, width: int) -> np.ndarray:
    """One image, resized to cover height x width and cut to it around the middle.

    Shape:
        uint8 (height, width, channels).

    Raises:
        DataError: the file is damaged or no image.
    """
    try:
        with opened(path) as file:
            image = file.convert(MODES[channels])
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError) as error:
        # Pillow raises SyntaxError for some broken PNG files.
        raise DataError(
            f"data: an image must be readable; got {path} ({type(error).__name__}: {error}); "
            "allowed: remove it, or data.on_damaged=skip"
        ) from error
    if image.size != (width, height):
        scale = max(width / image.width, height / image.height)
        covering = max(width, round(image.width * scale)), max(height, round(image.height * scale))
        image = image.resize(covering, Image.Resampling.BILINEAR)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    return np.asarray(image, dtype=np.uint8).reshape(height, width, channels)


class _Decoded(Dataset[torch.Tensor | str]):
    """What the worker processes read: an image, or the message why there is none."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> torch.Tensor | str:
        files = self._files
        try:
            pixels = decode(
                files.paths[index],
                channels=files.channels,
                height=files.height,
                width=files.width,
            )
        except DataError as error:
            return str(error)
        return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def _as_list(items: list[torch.Tensor | str]) -> list[torch.Tensor | str]:
    return items


def read(
    files: Files, chosen: Sequence[torch.Tensor]
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """For each tensor of indices the images at them, and which of the indices could be read.

    Shape:
        uint8 (n, channels, height, width) and bool (m,) with n of m true.

    Raises:
        DataError: a file cannot be read and `on_damaged` is not `skip`.
    """
    loader = DataLoader(
        _Decoded(files),
        batch_sampler=[indices.tolist() for indices in chosen],
        num_workers=files.workers,
        collate_fn=_as_list,
    )
    for items in loader:
        images = [item for item in items if isinstance(item, torch.Tensor)]
        damaged = [item for item in items if isinstance(item, str)]
        if damaged and files.on_damaged != "skip":
            more = f" (and {len(damaged) - 1} more)" if len(damaged) > 1 else ""
            raise DataError(damaged[0] + more)
        for message in damaged:
            log.warning("left out: %s", message)
        kept = torch.tensor([isinstance(item, torch.Tensor) for item in items])
        shape = (0, files.channels, files.height, files.width)
        empty = torch.empty(shape, dtype=torch.uint8)
        yield torch.stack(images) if images else empty, kept
