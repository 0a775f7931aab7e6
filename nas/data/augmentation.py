"""Augmentation of whole batches as tensors, on the device they are on."""

from __future__ import annotations

import torch
from torch.nn import functional


def shift(images: torch.Tensor, pixels: int, *, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by up to `pixels` in both directions; what comes into view is black.

    Shape:
        (N, C, H, W), of any dtype, to the same.
    """
    if pixels == 0:
        return images
    count, _, height, width = images.shape
    padded = functional.pad(images, (pixels,) * 4)
    # Every crop of every image as a view, from which one is taken per image.
    crops = padded.unfold(2, height, 1).unfold(3, width, 1).permute(0, 2, 3, 1, 4, 5)
    down, right = torch.randint(
        2 * pixels + 1, (2, count), generator=generator, device=images.device
    )
    return crops[torch.arange(count, device=images.device), down, right]


def flip(images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Each image mirrored left to right with probability 1/2.

    Shape:
        (N, C, H, W), of any dtype, to the same.
    """
    mirrored = torch.rand(len(images), generator=generator, device=images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def normalise(
    images: torch.Tensor,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    memory_format: torch.memory_format = torch.contiguous_format,
) -> torch.Tensor:
    """uint8 pixels as floats of mean 0 and deviation 1.

    Shape:
        uint8 (N, C, H, W) to float32 of the same; mean and std per channel, on the scale 0..1.
    """
    shape = (1, -1, 1, 1)
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).view(shape)
    offset = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=images.device)
    return (images * scale - offset.view(shape)).contiguous(memory_format=memory_format)
