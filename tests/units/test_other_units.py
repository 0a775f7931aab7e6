"""MobileNet's and IGCV3's units and those ShuffleNet v1 is compared with."""

import pytest
import torch
from torch import nn
from unit_modules import convolutions, reached, steps, unit

from nas.costs import count_module


def test_the_inverted_residual_has_relu6_after_all_but_the_last_convolution():
    assert steps(unit("inverted_residual", 24, 24), 24) == "1x1 relu6 dw relu6 1x1"


def test_the_inverted_residual_strides_on_its_depthwise():
    module = unit("inverted_residual", 24, 32, stride=2)
    assert convolutions(module, (24, 8, 8)) == [
        (24, 144, 1, 1, 1, (8, 8)),
        (144, 144, 3, 2, 144, (4, 4)),
        (144, 32, 1, 1, 1, (4, 4)),
    ]


def test_an_inverted_residual_that_does_not_widen_has_no_first_pointwise_convolution():
    assert steps(unit("inverted_residual", 32, 16, expansion=1.0), 32) == "dw relu6 1x1"


def test_an_inverted_residual_adds_its_input_and_nothing_follows():
    module = unit("inverted_residual", 24, 24).eval()
    nn.init.zeros_(module.path[-1].conv.weight)
    x = torch.randn(1, 24, 4, 4)
    assert torch.equal(module(x), x)


def test_igcv3_has_relu6_after_the_depthwise_only_and_a_permutation_after_each_pointwise():
    module = unit("inverted_residual", 24, 24, groups=2)
    assert steps(module, 24) == "1x1 shuffle dw relu6 1x1 shuffle"
    assert (module.path[1].groups, module.path[-1].groups) == (2, 12)  # 2, then C / 2
    assert [row[4] for row in convolutions(module, (24, 8, 8))] == [2, 144, 2]


def test_igcv3_connects_every_input_to_every_output():
    module = unit("inverted_residual", 24, 24, groups=2).path
    assert reached(module, 24).all()


def test_the_separable_unit_has_relu_after_both_convolutions():
    module = unit("separable", 32, 64, stride=2)
    assert steps(module, 32) == "dw relu 1x1 relu"
    assert convolutions(module, (32, 8, 8)) == [
        (32, 32, 3, 2, 32, (4, 4)),
        (32, 64, 1, 1, 1, (4, 4)),
    ]


def test_the_bottleneck_has_relu_after_the_sum_not_before():
    module = unit("bottleneck", 48, 48).eval()
    assert steps(module, 48) == "1x1 relu 3x3 relu 1x1 relu"
    nn.init.zeros_(module.path[-1].conv.weight)
    x = torch.randn(1, 48, 4, 4)
    assert torch.equal(module(x), x.relu())


def test_the_bottleneck_that_changes_size_has_a_pointwise_projection_without_activation():
    module = unit("bottleneck", 48, 96, stride=2)
    assert convolutions(module, (48, 8, 8)) == [
        (48, 24, 1, 1, 1, (8, 8)),
        (24, 24, 3, 2, 1, (4, 4)),
        (24, 96, 1, 1, 1, (4, 4)),
        (48, 96, 1, 2, 1, (4, 4)),
    ]
    assert steps(module, 48) == "1x1 relu 3x3 relu 1x1 1x1 relu"


def test_resnext_is_the_bottleneck_with_groups_in_its_dense_convolution():
    module = unit("resnext", 48, 48, groups=4)
    assert steps(module, 48) == "1x1 relu 3x3 relu 1x1 relu"
    assert convolutions(module, (48, 8, 8)) == [
        (48, 24, 1, 1, 1, (8, 8)),
        (24, 24, 3, 1, 4, (8, 8)),
        (24, 48, 1, 1, 1, (8, 8)),
    ]


def test_vgg_is_two_dense_convolutions_with_relu():
    module = unit("vgg", 12, 25, stride=2)
    assert steps(module, 12) == "3x3 relu 3x3 relu"
    assert convolutions(module, (12, 8, 8)) == [
        (12, 25, 3, 2, 1, (4, 4)),
        (25, 25, 3, 1, 1, (4, 4)),
    ]


# Zhang et al. 2018, ShuffleNet, sec. 3.2: C channels, bottleneck M, maps of H x W, g groups.
CHANNELS, MID, HEIGHT, WIDTH = 192, 48, 7, 9


def multiply_adds(module):
    return count_module(module, (CHANNELS, HEIGHT, WIDTH)).multiply_adds


def test_a_bottleneck_costs_hw_2cm_plus_9m2():
    module = unit("bottleneck", CHANNELS, CHANNELS)
    assert multiply_adds(module) == HEIGHT * WIDTH * (2 * CHANNELS * MID + 9 * MID**2)


@pytest.mark.parametrize("groups", [2, 4, 16])
def test_a_resnext_unit_costs_hw_2cm_plus_9m2_over_g(groups):
    module = unit("resnext", CHANNELS, CHANNELS, groups=groups, expansion=4.0)
    assert multiply_adds(module) == HEIGHT * WIDTH * (2 * CHANNELS * MID + 9 * MID**2 // groups)
