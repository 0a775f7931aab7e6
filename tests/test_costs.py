import random
import warnings
from dataclasses import replace

import pytest
import torch
from architectures import EXACT, draw
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import nas.costs
from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.costs import count, count_module, layers, layers_of
from nas.network import build

SMALL = Architecture((3, 8, 8), StemSpec(4, 1, False), (UnitSpec("shuffle_v2", 8, 2),), HeadSpec(), 10)  # fmt: skip  # noqa: E501


def flops_of_torch(module, input):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module.eval()(torch.zeros(1, *input))
    return counter.get_total_flops()


@pytest.mark.parametrize("name", EXACT)
def test_published_networks_cost_what_their_authors_code_costs(name):
    architecture, multiply_adds, parameters = EXACT[name]
    costs = count(architecture)
    assert (costs.multiply_adds, costs.parameters) == (multiply_adds, parameters)
    assert costs.uncounted == ()


def check_against_torch(seeds):
    for seed in seeds:
        architecture = draw(random.Random(seed))
        module = build(architecture)
        costs = count(architecture)
        assert 2 * costs.multiply_adds == flops_of_torch(module, architecture.input), seed
        assert costs.parameters == sum(p.numel() for p in module.parameters()), seed
        assert costs == count_module(module, architecture.input), seed
        rows = layers(module, architecture.input)
        assert costs.multiply_adds == sum(row.multiply_adds for row in rows), seed
        assert costs.parameters == sum(row.parameters for row in rows), seed
        assert layers_of(architecture) == tuple(replace(r, receptive_field=0) for r in rows), seed


def test_random_networks_cost_half_of_what_torchs_own_counter_says():
    check_against_torch(range(12))


@pytest.mark.slow
def test_two_hundred_random_networks_cost_half_of_what_torchs_own_counter_says():
    check_against_torch(range(1000, 1200))


def test_every_layer_of_a_small_network_is_what_a_hand_counts():
    rows = layers(build(SMALL), SMALL.input)
    # (kind, kernel, stride, output, multiply-adds, memory access): memory access is input read +
    # output written + weights read, e.g. the stem 3*8*8 + 4*8*8 + 4*3*9 = 556.
    assert [
        (r.kind, r.kernel_size, r.stride, r.output, r.multiply_adds, r.memory_access) for r in rows
    ] == [
        ("convolution", 3, 1, (4, 8, 8), 6912, 556),
        ("pointwise", 1, 1, (4, 8, 8), 1024, 528),
        ("depthwise", 3, 2, (4, 4, 4), 576, 356),
        ("pointwise", 1, 1, (4, 4, 4), 256, 144),
        ("depthwise", 3, 2, (4, 4, 4), 576, 356),
        ("pointwise", 1, 1, (4, 4, 4), 256, 144),
        ("global_pool", 4, 1, (8, 1, 1), 0, 0),
        ("linear", 1, 1, (10,), 80, 98),
    ]
    costs = count(SMALL)
    assert (costs.multiply_adds, costs.memory_access) == (9680, 2182)


def test_memory_access_of_a_pointwise_convolution_is_that_of_shufflenet_v2_section_2():
    # hw (c1 + c2) + c1 c2
    module = nn.Sequential(nn.Conv2d(24, 40, 1))
    assert count_module(module, (24, 7, 9)).memory_access == 7 * 9 * (24 + 40) + 24 * 40


def test_counting_leaves_the_given_module_as_it_was():
    module = build(SMALL).train()
    module.units.eval()
    keys = list(module.state_dict())
    count_module(module, SMALL.input)
    layers(module, SMALL.input)
    assert list(module.state_dict()) == keys
    assert module.training
    assert not module.units.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
    assert not any(
        name.endswith(("total_ops", "total_params")) for name, _ in module.named_buffers()
    )
    build(SMALL).load_state_dict(module.state_dict())


def test_counting_draws_no_random_numbers(monkeypatch):
    nas.costs._counted.cache_clear()
    torch.manual_seed(3)
    before = torch.get_rng_state()
    count(SMALL)
    assert torch.equal(torch.get_rng_state(), before)


def test_counting_is_quiet(capsys):
    nas.costs._counted.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count(SMALL)
    assert capsys.readouterr() == ("", "")


def test_a_subclass_of_a_convolution_is_counted():
    class Own(nn.Conv2d):
        pass

    # thop itself knows exact types only and would say 0. 16 places, 8 x 4 x 9 weights.
    assert count_module(nn.Sequential(Own(4, 8, 3, padding=1)), (4, 4, 4)).multiply_adds == 4608


def test_a_layer_reachable_under_two_names_is_counted_once_a_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Conv2d(4, 4, 1)
            self.two = nn.Sequential(self.one, nn.ReLU())

        def forward(self, x):
            return self.two(x)

    costs = count_module(Twice(), (4, 2, 2))
    assert (costs.multiply_adds, costs.parameters) == (64, 20)  # 4 places x 16 weights; 16 + 4


def test_a_layer_called_twice_is_counted_twice():
    class Again(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Conv2d(4, 4, 1, bias=False)

        def forward(self, x):
            return self.one(self.one(x))

    costs = count_module(Again(), (4, 2, 2))
    assert (costs.multiply_adds, costs.parameters) == (128, 16)


def test_operations_without_a_rule_are_listed():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(4, 4, 1, 1))

        def forward(self, x):
            x = functional.conv2d(x, self.weight)
            return torch.einsum("nchw,ndhw->ncd", x, x)

    costs = count_module(Hidden(), (4, 2, 2))
    assert costs.uncounted == ("conv2d", "einsum")
    assert costs.multiply_adds == 0


def test_elementwise_operations_and_pooling_have_the_rule_of_counting_nothing():
    module = nn.Sequential(nn.Sigmoid(), nn.AvgPool2d(2), nn.Hardswish(), nn.Softmax(1), nn.PReLU())
    assert count_module(module, (4, 8, 8)).multiply_adds == 0
    assert count_module(module, (4, 8, 8)).uncounted == ()


def test_a_repeated_count_is_the_same():
    first = count(SMALL)
    assert count(SMALL) == first
    nas.costs._counted.cache_clear()
    assert count(SMALL) == first


def test_the_layers_of_a_counted_architecture_are_not_counted_again():
    nas.costs._counted.cache_clear()
    count(SMALL)
    counted = nas.costs._counted.cache_info().misses
    assert len(layers_of(SMALL)) == 8
    assert nas.costs._counted.cache_info().misses == counted
