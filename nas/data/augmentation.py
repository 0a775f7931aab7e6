"""Augmentation of whole batches as tensors, on the device they are on."""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def shift(images: torch.Tensor, pixels: int, *, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by up to `pixels` in both directions; what comes into view is black.

    Shape:
        (N, C, H, W), of any dtype, to the same.
    """
    if pixels == 0:
        return images
    count, channels, height, width = images.shape
    padded = functional.pad(images, (pixels,) * 4).contiguous()
    image, plane, row, _ = padded.stride()
    # A crop is a stretch of the padded memory, of which the ends of rows are then left out: to copy
    # stretches takes a twentieth of the time of copying rows.
    stretch = (channels - 1) * plane + (height - 1) * row + width
    down, right = torch.randint(
        2 * pixels + 1, (2, count), generator=generator, device=images.device
    )
    starts = torch.arange(count, device=images.device) * image + down * row + right
    taken = padded.flatten().unfold(0, stretch, 1).index_select(0, starts)
    return taken.as_strided(images.shape, (stretch, plane, row, 1))


def flip(images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Each image mirrored left to right with probability 1/2.

    Shape:
        (N, C, H, W), of any dtype, to the same.
    """
    count = len(images)
    mirrored = torch.rand(count, generator=generator, device=images.device) < 0.5
    both = torch.cat([images, images.flip(3)])
    return both.index_select(0, torch.arange(count, device=images.device) + count * mirrored)


def crop(images: torch.Tensor, least: float, *, generator: torch.Generator) -> torch.Tensor:
    """Of each image a random part, `least` to 1 of its area, stretched to the whole, bilinear.

    The part's sides are in a ratio of 3/4 to 4/3 of the image's own.

    Shape:
        (N, C, H, W), of any dtype, to float32 of the same.

    Reference: Szegedy et al. 2015, Going Deeper with Convolutions, sec. 6.
    """
    count, device = len(images), images.device
    area, aspect, x, y = torch.rand(4, count, generator=generator, device=device)
    side = (least + (1 - least) * area).sqrt()
    stretch = torch.exp((2 * aspect - 1) * math.log(4 / 3) / 2)
    width, height = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    # In the coordinates of grid_sample an image reaches from -1 to 1.
    theta = torch.zeros(count, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1] = width, height
    theta[:, 0, 2], theta[:, 1, 2] = (2 * x - 1) * (1 - width), (2 * y - 1) * (1 - height)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(
        images.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def jitter(images: torch.Tensor, strength: float, *, generator: torch.Generator) -> torch.Tensor:
    """Brightness, contrast and saturation of each image times 1 - strength to 1 + strength.

    Shape:
        (N, C, H, W) on the scale 0..255 to float32 of the same; grey images keep their saturation.
    """
    count = len(images)
    factors = 1 + strength * (
        2 * torch.rand(3, count, 1, 1, 1, generator=generator, device=images.device) - 1
    )
    changed = (images.float() * factors[0]).clamp_(0, 255)
    mean = changed.mean((1, 2, 3), keepdim=True)
    changed = torch.lerp(mean, changed, factors[1]).clamp_(0, 255)
    if images.shape[1] > 1:
        grey = changed.mean(1, keepdim=True)
        changed = torch.lerp(grey.expand_as(changed), changed, factors[2]).clamp_(0, 255)
    return changed


def erase(images: torch.Tensor, probability: float, *, generator: torch.Generator) -> torch.Tensor:
    """In some of the images a rectangle of 2 % to a third of the area set to 0, their mean.

    Shape:
        (N, C, H, W), normalised, to the same.

    Reference: Zhong et al. 2020, Random Erasing, alg. 1, with sides in a ratio of 0.3 to 3.3.
    """
    count, _, height, width = images.shape
    chosen, area, aspect, x, y = torch.rand(5, count, generator=generator, device=images.device)
    side = (0.02 + (1 / 3 - 0.02) * area).sqrt()
    stretch = torch.exp((2 * aspect - 1) * math.log(1 / 0.3) / 2)
    rows = _stretch_of(y, (side / stretch).clamp(max=1), height)
    columns = _stretch_of(x, (side * stretch).clamp(max=1), width)
    inside = rows[:, :, None] & columns[:, None, :] & (chosen < probability)[:, None, None]
    return images.masked_fill(inside[:, None], 0)


def _stretch_of(place: torch.Tensor, share: torch.Tensor, length: int) -> torch.Tensor:
    """Which of `length` positions lie in a stretch of that share at that place, both 0..1.

    Shape:
        (N,) and (N,) to bool (N, length).
    """
    size = (share * length).round().clamp(min=1)
    start = ((length - size + 1) * place).floor()
    position = torch.arange(length, device=place.device)
    return (position >= start[:, None]) & (position < (start + size)[:, None])


def normalise(
    images: torch.Tensor,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    memory_format: torch.memory_format = torch.contiguous_format,
) -> torch.Tensor:
    """Pixels as floats of mean 0 and deviation 1.

    Shape:
        (N, C, H, W) on the scale 0..255 to float32 of the same; mean and std per channel, on the
        scale 0..1.
    """
    shape = (1, -1, 1, 1)
    scale = torch.tensor([1 / (255 * s) for s in std], device=images.device).view(shape)
    offset = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=images.device)
    return (images * scale - offset.view(shape)).contiguous(memory_format=memory_format)
