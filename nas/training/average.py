"""An exponential average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


def start(module: nn.Module) -> dict[str, torch.Tensor]:
    """The average before the first step: a copy of all numbers of the module that are real."""
    return {name: value.detach().clone() for name, value in _real(module).items()}


def update(average: dict[str, torch.Tensor], module: nn.Module, *, decay: float, step: int) -> None:
    """Move the average towards the module; `step` counts from 0.

    The decay begins low, (1 + step) / (10 + step), so that the first weights are soon forgotten.

    Reference: Polyak and Juditsky 1992; the warm-up of the decay as in TensorFlow's
    ExponentialMovingAverage.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    current = _real(module)
    with torch.no_grad():
        torch._foreach_lerp_(list(average.values()), [current[n] for n in average], share)


@contextmanager
def applied(average: dict[str, torch.Tensor] | None, module: nn.Module) -> Iterator[None]:
    """The module has the averaged weights in here, its own behind; without an average its own."""
    own = start(module) if average is not None else {}
    keep(average, module)
    try:
        yield
    finally:
        keep(own, module)


def keep(average: dict[str, torch.Tensor] | None, module: nn.Module) -> None:
    """Give the module the averaged weights."""
    current = _real(module)
    with torch.no_grad():
        for name, value in (average or {}).items():
            current[name].copy_(value)


def _real(module: nn.Module) -> dict[str, torch.Tensor]:
    # Batch counts are whole numbers, of which there is no average.
    return {n: v for n, v in module.state_dict().items() if v.is_floating_point()}
