"""From the pixels of a batch to what a network is given."""

from __future__ import annotations

import torch

from nas.data import DataSet
from nas.data.augmentation import crop, erase, flip, jitter, normalise, shift
from nas.settings import TrainingSettings

MEMORY_FORMATS = {
    "contiguous": torch.contiguous_format,
    "channels_last": torch.channels_last,
}
LOW = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""The precisions that are mixed with float32."""


def augmented(
    images: torch.Tensor,
    generator: torch.Generator,
    *,
    data: DataSet,
    settings: TrainingSettings,
) -> torch.Tensor:
    """A training batch as the network gets it."""
    images = shift(images.to(settings.device), settings.shift, generator=generator)
    if settings.flip:
        images = flip(images, generator=generator)
    if settings.crop < 1:
        images = crop(images, settings.crop, generator=generator)
    if settings.jitter:
        images = jitter(images, settings.jitter, generator=generator)
    images = prepared(images, data=data, settings=settings)
    return erase(images, settings.erase, generator=generator) if settings.erase else images


def prepared(images: torch.Tensor, *, data: DataSet, settings: TrainingSettings) -> torch.Tensor:
    """Images as the network gets them where nothing is changed: on the device, normalised."""
    return normalise(
        images.to(settings.device),
        mean=data.mean,
        std=data.std,
        memory_format=MEMORY_FORMATS[settings.memory_format],
    )
