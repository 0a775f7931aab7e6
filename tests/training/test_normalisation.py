from __future__ import annotations

import pytest
import torch
from torch import nn

from nas.training.normalisation import forgetting


@pytest.mark.parametrize("steps", [1, 3, 12, 43])
def test_a_short_training_leaves_a_hundredth_of_what_statistics_began_with(steps):
    norm = nn.BatchNorm2d(2)
    forgetting(nn.Sequential(norm), steps=steps)
    images = torch.randn(8, 2, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 5
    for _ in range(steps):
        norm(images)
    # The same images each time: their own mean and variance, but for a hundredth of 0 and of 1.
    mean, variance = images.mean((0, 2, 3)), images.var((0, 2, 3))
    assert torch.allclose(norm.running_mean, 0.99 * mean, rtol=1e-4)
    assert torch.allclose(norm.running_var, 0.99 * variance + 0.01, rtol=1e-4)


def test_a_long_training_keeps_the_momentum_it_has():
    norms = [nn.BatchNorm2d(2), nn.BatchNorm2d(2, momentum=0.5), nn.BatchNorm2d(2, momentum=None)]
    forgetting(nn.Sequential(*norms), steps=44)
    assert [norm.momentum for norm in norms] == [0.1, 0.5, None]
