"""Batches whose images are mixed of two."""

from __future__ import annotations

import torch


def mix(
    images: torch.Tensor, *, mixup: float, cutmix: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """A batch mixed with itself in another order; that order, and the first image's share.

    Mixup adds the two images, cutmix pastes a rectangle of the second one; where both are wanted
    each batch gets one of them. 0 is without. A loss is then share x that of the own labels +
    (1 - share) x that of the labels in the other order.

    The share is drawn from Beta(alpha, alpha) by torch's global generator.

    Shape:
        (N, C, H, W) to the same and int64 (N,).

    Reference: Zhang et al. 2018, mixup, eq. 1-2; Yun et al. 2019, CutMix, eq. 1-2.
    """
    cuts = cutmix > 0 and (mixup == 0 or float(torch.rand(())) < 0.5)
    alpha = cutmix if cuts else mixup
    share = float(torch.distributions.Beta(alpha, alpha).sample())
    order = torch.randperm(len(images), generator=generator, device=images.device)
    if not cuts:
        return torch.lerp(images[order], images, share), order, share
    height, width = images.shape[2:]
    tall, wide = (round(side * (1 - share) ** 0.5) for side in (height, width))
    top, left = (
        int(torch.randint(side - part + 1, ())) for side, part in ((height, tall), (width, wide))
    )
    mixed = images.clone()
    box = (..., slice(top, top + tall), slice(left, left + wide))
    mixed[box] = images[order][box]
    # Whole pixels were pasted: the share is what is left of the first image.
    return mixed, order, 1 - tall * wide / (height * width)
