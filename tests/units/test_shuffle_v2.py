import pytest
import torch
from torch import nn
from unit_modules import convolutions, reached, steps, unit


def options(**values):
    return {"options": tuple(sorted(values.items()))}


def test_relu_follows_both_pointwise_convolutions_and_never_the_depthwise():
    assert steps(unit("shuffle_v2", 48, 48), 48) == "1x1 relu dw 1x1 relu"


def test_the_projection_has_relu_after_its_pointwise_convolution_only():
    # The branch runs first, its last activation beside the projection's.
    expected = "1x1 relu dw 1x1 dw 1x1 relu relu"
    assert steps(unit("shuffle_v2", 24, 48, stride=2), 24) == expected


def test_the_stride_2_unit_is_the_released_one():
    # The first of 1x: main branch to 116 - 24, projection 24 to 24, bottleneck 116 / 2.
    module = unit("shuffle_v2", 24, 116, stride=2)
    assert sorted(convolutions(module, (24, 56, 56))) == sorted(
        [
            (24, 58, 1, 1, 1, (56, 56)),
            (58, 58, 3, 2, 58, (28, 28)),
            (58, 92, 1, 1, 1, (28, 28)),
            (24, 24, 3, 2, 24, (28, 28)),
            (24, 24, 1, 1, 1, (28, 28)),
        ]
    )


def test_the_stride_1_unit_works_on_half_of_the_channels():
    module = unit("shuffle_v2", 116, 116)
    assert convolutions(module, (116, 28, 28)) == [
        (58, 58, 1, 1, 1, (28, 28)),
        (58, 58, 3, 1, 58, (28, 28)),
        (58, 58, 1, 1, 1, (28, 28)),
    ]


def test_even_channels_pass_and_odd_ones_reach_every_output_of_the_branch():
    matrix = reached(unit("shuffle_v2", 16, 16), 16)
    passed, branch = matrix[:8], matrix[8:]
    assert torch.equal(passed, torch.eye(16).bool()[0::2])
    assert branch[:, 1::2].all()
    assert not branch[:, 0::2].any()


def test_the_projection_stands_in_front_of_the_branch():
    module = unit("shuffle_v2", 8, 24, stride=2).eval()
    nn.init.zeros_(module.branch[-1].conv.weight)
    out = module(torch.randn(1, 8, 6, 6))
    assert out[:, :8].abs().sum() > 0
    assert out[:, 8:].abs().sum() == 0


def test_the_features_that_are_reused_directly_halve_with_every_unit():
    # Ma et al. 2018, sec. 3: of c channels r^j c go on untouched for j units, r = 1/2.
    units = [unit("shuffle_v2", 64, 64).eval() for _ in range(5)]
    for module in units:
        nn.init.zeros_(module.branch[-1].conv.weight)
    left = torch.arange(1.0, 65.0).reshape(1, 64, 1, 1)
    for j, module in enumerate(units, start=1):
        left = module(left)
        assert int((left > 0).sum()) == 64 // 2**j


def test_every_channel_but_the_first_reaches_the_branch_within_log2_units():
    # Channel i goes to i / 2 while that is even, so 8 of 16 takes four units. Channel 0 stays put,
    # in the order of the paper too: a transposition moves neither the first nor the last.
    chain = nn.Sequential(*[unit("shuffle_v2", 16, 16) for _ in range(4)])
    matrix = reached(chain, 16)[8:]
    assert matrix[:, 1:].all()
    assert not matrix[:, 0].any()


def test_taking_every_second_channel_is_shuffling_and_splitting():
    # Shuffle behind each concatenation and halves in front of each unit, as two steps.
    units = [unit("shuffle_v2", 16, 16).eval() for _ in range(3)]
    given = halves = torch.randn(2, 16, 5, 5)
    halves = nn.ChannelShuffle(8)(halves)  # even channels first, then the odd ones
    for module in units:
        given = module(given)
        passed, branched = halves.chunk(2, dim=1)
        joined = torch.cat((passed, module.activation(module.branch(branched))), dim=1)
        torch.testing.assert_close(joined, given)
        halves = nn.ChannelShuffle(8)(joined)


def test_a_squeeze_and_excitation_stands_before_the_last_relu():
    module = unit("shuffle_v2", 48, 48, **options(se=True))
    assert steps(module, 48) == "1x1 relu dw 1x1 average 1x1 relu 1x1 sigmoid relu"
    assert module.branch[-1].weights[1].out_channels == 24  # half of the block's channels


def test_the_residual_adds_the_branchs_input_in_front_of_the_last_relu():
    module = unit("shuffle_v2", 16, 16, **options(residual=True)).eval()
    nn.init.zeros_(module.branch[-1].conv.weight)
    x = torch.randn(1, 16, 4, 4)
    assert torch.equal(module(x)[:, 8:], x[:, 1::2].relu())


def test_nothing_is_added_where_the_unit_changes_size():
    assert not unit("shuffle_v2", 16, 32, stride=2, **options(residual=True)).residual


@pytest.mark.parametrize("stride", [1, 2])
def test_v2_star_has_one_more_depthwise_in_front_without_stride_and_activation(stride):
    module = unit("shuffle_v2", 24, 48, stride=stride, **options(depthwise_first=True))
    assert steps(module.branch, 24) == "dw 1x1 relu dw 1x1"
    assert convolutions(module.branch, (24, 8, 8))[0] == (24, 24, 3, 1, 24, (8, 8))
