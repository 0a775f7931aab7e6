"""The learning rate through a training, and who is updated with it."""

from __future__ import annotations

import math

import torch
from torch import nn

from nas.settings import TrainingSettings

START = {"one_cycle": 1 / 25, "cosine": 0.0, "linear": 0.0}
"""What share of the peak the learning rate starts from."""


def rate(progress: float, settings: TrainingSettings) -> float:
    """The learning rate at `progress`, 0..1, through the training.

    Linear up to the peak over `warmup_share`, then half a cosine down to 0, or a line. One-cycle
    starts from a 25th of the peak, the others from 0.

    Reference: Smith and Topin 2018, Super-Convergence, sec. 3 (momentum is left constant);
    Loshchilov and Hutter 2017, SGDR, eq. 5, without restarts.
    """
    peak, warmup = settings.learning_rate, settings.warmup_share
    start = START[settings.schedule]
    if progress < warmup:
        return peak * (start + (1 - start) * progress / warmup)
    if settings.schedule == "linear":
        return peak * (1 - progress) / (1 - warmup)
    return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2


def optimizer(module: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov's momentum, or AdamW; weight decay falls on matrices and kernels alone.

    `settings.momentum` is SGD's momentum and AdamW's beta1.
    """
    groups = [
        {
            "params": [p for p in module.parameters() if p.ndim > 1],
            "weight_decay": settings.weight_decay,
        },
        {"params": [p for p in module.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(
            groups, lr=settings.learning_rate, betas=(settings.momentum, 0.999), fused=True
        )
    return torch.optim.SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        fused=True,
    )
