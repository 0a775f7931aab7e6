import pytest
import torch
from unit_modules import convolutions, reached, steps, unit

from nas.costs import count_module


def test_the_unit_that_adds_has_relu_after_the_first_pointwise_and_after_the_sum_only():
    assert steps(unit("shuffle_v1", 48, 48, groups=3), 48) == "1x1 relu shuffle dw 1x1 relu"


def test_the_unit_that_joins_has_relu_on_the_branch_and_none_on_the_pooled_input():
    assert (
        steps(unit("shuffle_v1", 24, 48, groups=3, stride=2), 24)
        == "1x1 relu shuffle dw 1x1 pool relu"
    )
    x = torch.full((1, 24, 8, 8), -1.0)
    out = unit("shuffle_v1", 24, 48, groups=3, stride=2).eval()(x)
    assert (out[:, :24] < 0).all()
    assert (out[:, 24:] >= 0).all()


def test_relu_follows_the_sum():
    module = unit("shuffle_v1", 48, 48, groups=3).eval()
    torch.nn.init.zeros_(module.last.conv.weight)
    x = torch.randn(1, 48, 4, 4)
    assert torch.equal(module(x), x.relu())


def test_without_groups_or_by_option_nothing_is_shuffled():
    plain = "1x1 relu dw 1x1 relu"
    assert steps(unit("shuffle_v1", 48, 48), 48) == plain
    assert steps(unit("shuffle_v1", 48, 48, groups=3, options=(("shuffle", False),)), 48) == plain


def test_a_squeeze_and_excitation_weights_the_branch_before_the_sum():
    module = unit("shuffle_v1", 48, 48, groups=3, options=(("se", 4),))
    assert steps(module, 48) == "1x1 relu shuffle dw 1x1 average 1x1 relu 1x1 sigmoid relu"
    # Hidden channels: what the branch gives, 48 or 48 - 24, over 4.
    assert module.excitation.weights[1].out_channels == 12
    joining = unit("shuffle_v1", 24, 48, stride=2, options=(("se", 4),))
    assert joining.excitation.weights[1].out_channels == 6


def test_the_first_unit_of_1x_g3_is_the_papers():
    # Bottleneck 240 / 4 of the whole output; dense first pointwise; 240 - 24 from the last one.
    module = unit("shuffle_v1", 24, 240, groups=3, stride=2, first=True)
    assert convolutions(module, (24, 56, 56)) == [
        (24, 60, 1, 1, 1, (56, 56)),
        (60, 60, 3, 2, 60, (28, 28)),
        (60, 216, 1, 1, 3, (28, 28)),
    ]


def test_every_later_unit_has_groups_on_both_pointwise_convolutions():
    module = unit("shuffle_v1", 240, 480, groups=3, stride=2)
    assert convolutions(module, (240, 28, 28)) == [
        (240, 120, 1, 1, 3, (28, 28)),
        (120, 120, 3, 2, 120, (14, 14)),
        (120, 240, 1, 1, 3, (14, 14)),
    ]
    assert module.pool.stride == 2
    assert module.pool.count_include_pad


def test_a_unit_that_widens_without_striding_pools_with_stride_1():
    module = unit("shuffle_v1", 24, 48, groups=3)
    assert (module.pool.kernel_size, module.pool.stride, module.pool.padding) == (3, 1, 1)
    x = torch.rand(1, 24, 6, 6)
    pooled = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    assert torch.equal(module.eval()(x)[:, :24], pooled)


def branch(module):
    return torch.nn.Sequential(module.first, module.shuffle, module.depthwise, module.last)


def test_the_shuffle_connects_every_input_to_every_output():
    module = branch(unit("shuffle_v1", 240, 240, groups=3))
    assert reached(module, 240).all()


def test_without_the_shuffle_groups_stay_apart():
    module = branch(unit("shuffle_v1", 240, 240, groups=3, options=(("shuffle", False),)))
    blocks = torch.block_diag(*[torch.ones(80, 80)] * 3).bool()
    assert torch.equal(reached(module, 240), blocks)


@pytest.mark.parametrize(("out", "mid", "seen"), [(96, 24, 3), (192, 48, 6), (256, 64, 8)])
def test_groups_of_fewer_channels_than_groups_are_connected_in_part(out, mid, seen):
    # 24 channels in 8 groups are 3 a group: an output group takes one channel from each of 3.
    module = unit("shuffle_v1", out, out, groups=8)
    assert module.first.conv.out_channels == mid
    inputs = reached(branch(module), out)[:, :: out // 8]  # one input of each group
    assert set(inputs.sum(dim=1).tolist()) == {seen}


def test_the_xception_like_unit_is_this_one_with_a_single_dense_group():
    module = unit("xception", 48, 48, groups=8)
    assert steps(module, 48) == "1x1 relu dw 1x1 relu"
    assert [row[4] for row in convolutions(module, (48, 8, 8))] == [1, 12, 1]


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_a_unit_costs_hw_2cm_over_g_plus_9m(groups):
    # Zhang et al. 2018, sec. 3.2: C channels, bottleneck M, maps of H x W.
    channels, mid, height, width = 192, 48, 7, 9
    module = unit("shuffle_v1", channels, channels, groups=groups)
    expected = height * width * (2 * channels * mid // groups + 9 * mid)
    assert count_module(module, (channels, height, width)).multiply_adds == expected
