from dataclasses import replace

import pytest
from torch import nn

from nas.settings import TrainingSettings
from nas.training.schedule import optimizer, rate


def test_the_rate_rises_over_the_warm_up_and_ends_at_zero():
    settings = TrainingSettings(learning_rate=0.5, warmup_share=0.25)
    assert rate(0, settings) == pytest.approx(0.02)
    assert rate(0.125, settings) == pytest.approx(0.26)  # half-way from 0.02 to 0.5
    assert rate(0.25, settings) == pytest.approx(0.5)
    assert rate(0.625, settings) == pytest.approx(0.25)  # the middle of the cosine
    assert rate(1, settings) == pytest.approx(0, abs=1e-12)
    assert rate(0, replace(settings, warmup_share=0)) == 0.5


def test_a_line_falls_evenly_from_the_peak_to_zero():
    settings = TrainingSettings(schedule="linear", warmup_share=0.0, learning_rate=0.5)
    assert [rate(p, settings) for p in (0, 0.25, 0.5, 1)] == [0.5, 0.375, 0.25, 0]


def test_cosine_starts_from_zero():
    settings = TrainingSettings(learning_rate=0.5, warmup_share=0.2, schedule="cosine")
    assert rate(0, settings) == 0
    assert rate(0.1, settings) == pytest.approx(0.25)
    assert rate(0.2, settings) == pytest.approx(0.5)
    assert rate(0.6, settings) == pytest.approx(0.25)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_kernels_and_matrices_decay_and_nothing_else(name):
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Linear(2, 3))
    settings = TrainingSettings(optimizer=name, weight_decay=0.1)
    decayed, free = optimizer(module, settings).param_groups
    assert decayed["weight_decay"] == 0.1
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 1, 1, 1), (3, 2)]
    assert free["weight_decay"] == 0
    assert [tuple(p.shape) for p in free["params"]] == [(2,), (2,), (2,), (3,)]
