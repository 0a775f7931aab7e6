"""A data set at another size, for spaces whose resolution is a gene."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional

from nas.data.dataset import DataSet, Split
from nas.data.files import Files

IMAGES_AT_ONCE = 256


def resized(data: DataSet, size: tuple[int, int]) -> DataSet:
    """The same images and splits at (height, width), bilinear with anti-aliasing, still uint8.

    Mean and standard deviation stay those of the original images.
    """
    if size == data.input[1:]:
        return data
    return replace(
        data,
        input=(data.input[0], *size),
        train=_resized(data.train, size),
        validation=_resized(data.validation, size),
        test=_resized(data.test, size),
    )


def _resized(split: Split, size: tuple[int, int]) -> Split:
    if isinstance(split.images, Files):
        # Decoded straight to that size, from the pixels of the file.
        return Split(replace(split.images, height=size[0], width=size[1]), split.labels)
    chunks = [
        functional.interpolate(images.float(), size=size, mode="bilinear", antialias=True)
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
        for images in torch.split(split.images, IMAGES_AT_ONCE)
    ]
    return Split(torch.cat(chunks), split.labels)
