import pytest
import torch
from torch import nn

from nas.units.channel_shuffle import ChannelShuffle


def order(channels, groups):
    x = torch.arange(channels, dtype=torch.float32).reshape(1, channels, 1, 1)
    return ChannelShuffle(channels, groups=groups)(x).flatten().int().tolist()


def test_channels_of_the_groups_alternate():
    assert order(6, 2) == [0, 3, 1, 4, 2, 5]
    assert order(6, 3) == [0, 2, 4, 1, 3, 5]


@pytest.mark.parametrize(("channels", "groups"), [(24, 2), (24, 3), (24, 4), (24, 8), (24, 12)])
def test_it_is_what_torch_s_own_channel_shuffle_does(channels, groups):
    x = torch.randn(2, channels, 3, 5)
    assert torch.equal(ChannelShuffle(channels, groups=groups)(x), nn.ChannelShuffle(groups)(x))


@pytest.mark.parametrize("groups", [2, 3, 8])
def test_the_shuffle_of_the_released_code_is_the_inverse(groups):
    x = torch.randn(2, 24, 3, 3)
    n, c, h, w = x.shape
    released = x.reshape(n, c // groups, groups, h, w).transpose(1, 2).reshape(n, c, h, w)
    shuffled = ChannelShuffle(24, groups=groups)
    assert torch.equal(shuffled(released), x)
    assert torch.equal(ChannelShuffle(24, groups=24 // groups)(x), released)


@pytest.mark.parametrize(("size", "batch"), [((5, 7), 2), ((1, 1), 3), ((8, 8), 1)])
def test_channels_last_gives_the_same_values_and_stays_channels_last(size, batch):
    x = torch.randn(batch, 24, *size)
    shuffle = ChannelShuffle(24, groups=3)
    last = shuffle(x.to(memory_format=torch.channels_last))
    assert torch.equal(last, shuffle(x))
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert shuffle(x).is_contiguous()


def test_gradients_are_shuffled_back():
    x = torch.randn(2, 6, 2, 2, requires_grad=True)
    ChannelShuffle(6, groups=2)(x)[:, 1].sum().backward()
    assert x.grad.sum(dim=(0, 2, 3)).tolist() == [0, 0, 0, 8, 0, 0]
