"""The state a network is timed in."""

import torch
from torch import nn

from nas.latency.subject import Subject, module_of


def deep():
    layers = []
    for _ in range(60):
        layers += [nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)]
    return nn.Sequential(*layers)


def test_activations_keep_an_ordinary_size_through_a_deep_network():
    network = Subject("deep", (4, 8, 8), deep)
    image = torch.randn(1, 4, 8, 8)
    with torch.no_grad():
        assert deep().eval()(image).abs().max() < 1e-6  # what is prevented
        assert 0.1 < module_of(network)(image).std() < 10


def test_the_module_is_in_eval_mode_with_its_own_momentum():
    module = module_of(Subject("deep", (4, 8, 8), deep))
    assert not any(part.training for part in module.modules())
    assert {m.momentum for m in module.modules() if isinstance(m, nn.BatchNorm2d)} == {0.1}


def test_the_callers_random_numbers_and_module_are_untouched():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    state = torch.get_rng_state()
    module_of(Subject("own", (1, 8, 8), lambda: module))
    assert torch.equal(state, torch.get_rng_state())
    assert module.training
    assert torch.equal(module[1].running_mean, torch.zeros(2))


def test_two_builds_are_equal():
    network = Subject("deep", (4, 8, 8), deep)
    image = torch.randn(1, 4, 8, 8)
    assert torch.equal(module_of(network)(image), module_of(network)(image))
