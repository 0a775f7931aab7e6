"""What a network says of the images of a split, and how much of it is right."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from nas.data import DataSet, Split, batches
from nas.latency.lease import shared
from nas.settings import TrainingSettings
from nas.training.inputs import prepared
from nas.training.kernels import fast_kernels

BATCH = 512


def accuracy(
    module: nn.Module,
    split: Split,
    *,
    data: DataSet,
    settings: TrainingSettings,
) -> float:
    """The share of a split's images that a module labels rightly; `data` gives mean and std."""
    right = torch.zeros((), dtype=torch.int64, device=settings.device)
    seen = 0
    for logits, labels in outputs(module, split, data=data, settings=settings):
        right += (logits.argmax(1) == labels).sum()
        seen += len(labels)
    return int(right) / seen


def outputs(
    module: nn.Module,
    split: Split,
    *,
    data: DataSet,
    settings: TrainingSettings,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The logits of a split's images and their labels, in order, batch after batch.

    Shape:
        (n, classes) and int64 (n,), on the training device.
    """
    was_training = module.training
    module.eval()
    chosen = torch.split(torch.arange(len(split)), BATCH)
    try:
        for images, labels in batches(split, chosen):
            with shared(settings.device), torch.inference_mode(), fast_kernels(module, settings):
                logits = module(prepared(images, data=data, settings=settings))
            yield logits, labels.to(settings.device)
    finally:
        module.train(was_training)
