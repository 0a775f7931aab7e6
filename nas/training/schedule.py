"""The learning rate through a training, and who is updated with it."""

from __future__ import annotations

import math

import torch
from torch import nn

from nas.settings import TrainingSettings


def rate(progress: float, settings: TrainingSettings) -> float:
    """The learning rate of the one-cycle schedule at `progress`, 0..1, through the training.

    Linear from a 25th of the peak up over `warmup_share`, then half a cosine down to 0.

    Reference: Smith and Topin 2018, Super-Convergence, sec. 3; momentum is left constant.
    """
    peak, warmup = settings.learning_rate, settings.warmup_share
    if progress < warmup:
        return peak * (1 / 25 + (1 - 1 / 25) * progress / warmup)
    return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def sgd(module: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """SGD; weight decay falls on weights of convolutions and classifier alone."""
    decayed = [p for p in module.parameters() if p.ndim > 1]
    free = [p for p in module.parameters() if p.ndim <= 1]
    return torch.optim.SGD(
        [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": free, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        fused=True,
    )
