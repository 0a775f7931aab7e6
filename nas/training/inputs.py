"""From the pixels of a batch to what a network is given."""

from __future__ import annotations

import math

import torch

from nas.data import DataSet
from nas.data.augmentation import crop, erase, flip, jitter, normalise, shift
from nas.errors import SettingsError
from nas.settings import TrainingSettings
from nas.training.group import ALONE, Group

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


def check_batch(settings: TrainingSettings, data: DataSet) -> None:
    """Raise unless the training images fill a batch.

    Raises:
        SettingsError: they do not.
    """
    if settings.batch_size > len(data.train):
        raise SettingsError(
            "training.batch_size: must not be larger than the training split; got "
            f"{settings.batch_size}; allowed up to {len(data.train)} for {data.name}"
        )


def class_weights(data: DataSet, settings: TrainingSettings) -> torch.Tensor | None:
    """What an image of each class weighs in the loss, None where all weigh the same.

    Shape:
        float32 (classes,): n / (classes x images of the class), 1 in the mean of the images.
    """
    if settings.class_weights == "none":
        return None
    counts = torch.bincount(data.train.labels, minlength=data.classes)
    return (len(data.train) / (data.classes * counts)).float().to(settings.device)


def batched(
    count: int, settings: TrainingSettings, generator: torch.Generator, group: Group = ALONE
) -> tuple[torch.Tensor, ...]:
    """All images once, in random order, in batches that differ by one image at most.

    No image is dropped, and no batch is left with a single one, of which batch normalisation
    could make nothing.
    """
    order = torch.randperm(count, generator=generator, device=generator.device)
    return order.cpu().tensor_split(batches_of(count, settings, group))


def batches_of(count: int, settings: TrainingSettings, group: Group = ALONE) -> int:
    """How many batches an epoch of so many images has."""
    least = 2 * group.processes
    return max(1, min(math.ceil(count / settings.batch_size), count // least))
