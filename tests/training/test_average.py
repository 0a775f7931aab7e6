import pytest
import torch
from torch import nn

from nas.training.average import applied, keep, start, update


def module_of(value):
    module = nn.BatchNorm1d(1)
    nn.init.constant_(module.weight, value)
    return module


def test_the_average_moves_by_one_less_the_decay():
    module = module_of(1.0)
    average = start(module)
    nn.init.constant_(module.weight, 3.0)
    # Far from the start the warm-up of the decay is over: 0.9 * 1 + 0.1 * 3.
    update(average, module, decay=0.9, step=1000)
    assert average["weight"].item() == pytest.approx(1.2)


def test_the_first_steps_forget_faster():
    module = module_of(1.0)
    average = start(module)
    nn.init.constant_(module.weight, 2.0)
    # At step 0 the decay is 1 / 10: 0.1 * 1 + 0.9 * 2.
    update(average, module, decay=0.9, step=0)
    assert average["weight"].item() == pytest.approx(1.9)


def test_averages_hold_running_statistics_and_no_counts():
    assert start(module_of(1.0)).keys() == {"weight", "bias", "running_mean", "running_var"}


def test_averaged_weights_are_lent_and_given_back_or_kept():
    module = module_of(1.0)
    average = start(module)
    nn.init.constant_(module.weight, 2.0)
    with applied(average, module):
        assert module.weight.item() == 1.0
    assert module.weight.item() == 2.0
    with applied(None, module):
        assert module.weight.item() == 2.0
    keep(average, module)
    assert module.weight.item() == 1.0


def test_the_weights_come_back_when_what_uses_the_average_fails():
    module = module_of(1.0)
    average = start(module)
    nn.init.constant_(module.weight, 2.0)
    with pytest.raises(ZeroDivisionError), applied(average, module):
        torch.zeros(1).item() / 0
    assert module.weight.item() == 2.0
