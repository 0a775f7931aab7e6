"""The smallest network of each family, layer by layer, against lists written from the papers.

A layer is (kind, in, out, kernel, stride, groups, output height and width); the layers of one unit
are compared without their order, the units in theirs. Input 3x224x224.
"""

import pytest
import torch
from torch import nn

from nas.network import build
from search_spaces.published import published

LINEAR = "linear"


def conv(into, out, size, *, k=1, s=1, g=1):
    return ("conv", into, out, k, s, g, size)


def dw(channels, size, *, s=1):
    return ("conv", channels, channels, 3, s, channels, size)


def linear(into, out):
    return (LINEAR, into, out, 1, 1, 1, 1)


def maximum(size):
    return ("max", 0, 0, 3, 2, 1, size)


def average(size):
    return ("average", 0, 0, 3, 2, 1, size)


def v1_opens(into, mid, branch, before, after, first_groups=3):
    return [
        conv(into, mid, before, g=first_groups),
        dw(mid, after, s=2),
        conv(mid, branch, after, g=3),
        average(after),
    ]


def v1_keeps(width, mid, size):
    return [conv(width, mid, size, g=3), dw(mid, size), conv(mid, width, size, g=3)]


# Table 1 with 3 groups at a quarter of its channels, stem 12; the branch gives out - in.
SHUFFLENET_V1 = [
    [conv(3, 12, 112, k=3, s=2), maximum(56)],
    v1_opens(12, 15, 48, 56, 28, first_groups=1),
    *[v1_keeps(60, 15, 28)] * 3,
    v1_opens(60, 30, 60, 28, 14),
    *[v1_keeps(120, 30, 14)] * 7,
    v1_opens(120, 60, 120, 14, 7),
    *[v1_keeps(240, 60, 7)] * 3,
    [linear(240, 1000)],
]


def v2_opens(into, half, branch, before, after):
    main = [conv(into, half, before), dw(half, after, s=2), conv(half, branch, after)]
    return [*main, dw(into, after, s=2), conv(into, into, after)]


def v2_keeps(half, size):
    return [conv(half, half, size), dw(half, size), conv(half, half, size)]


# Table 5 at 0.5x.
SHUFFLENET_V2 = [
    [conv(3, 24, 112, k=3, s=2), maximum(56)],
    v2_opens(24, 24, 24, 56, 28),
    *[v2_keeps(24, 28)] * 3,
    v2_opens(48, 48, 48, 28, 14),
    *[v2_keeps(48, 14)] * 7,
    v2_opens(96, 96, 96, 14, 7),
    *[v2_keeps(96, 7)] * 3,
    [conv(192, 1024, 7), linear(1024, 1000)],
]


def sandglass(width, hidden, size):
    return [dw(width, size), conv(width, hidden, size), conv(hidden, width, size), dw(width, size)]


def strides(into, hidden, out, before, after):
    return [conv(into, hidden, before), conv(hidden, out, before), dw(out, after, s=2)]


# The released code's table at 0.35: hidden is in/6, but at least out/6 rounded to 16.
MOBILENEXT = [
    [conv(3, 16, 112, k=3, s=2)],
    [dw(16, 112), conv(16, 8, 112), conv(8, 32, 112), dw(32, 56, s=2)],
    [dw(32, 56), conv(32, 16, 56), conv(16, 48, 56), dw(48, 56)],
    strides(48, 16, 64, 56, 28),
    *[sandglass(64, 16, 28)] * 2,
    strides(64, 32, 104, 28, 14),
    *[sandglass(104, 32, 14)] * 2,
    [conv(104, 32, 14), conv(32, 136, 14)],
    *[sandglass(136, 32, 14)] * 3,
    strides(136, 32, 200, 14, 7),
    *[sandglass(200, 32, 7)] * 3,
    [conv(200, 64, 7), conv(64, 336, 7)],
    *[sandglass(336, 56, 7)] * 2,
    [dw(336, 7), conv(336, 208, 7), conv(208, 1280, 7), dw(1280, 7)],
    [linear(1280, 1000)],
]


def papers_sandglass(into, hidden, out, before, after=None):
    last = dw(out, after or before, s=2 if after else 1)
    return [dw(into, before), conv(into, hidden, before), conv(hidden, out, before), last]


# The same without the code's floor and with both depthwise convolutions everywhere; hidden is in/6,
# in the first unit in/2, rounded down; two units of 336 channels.
MOBILENEXT_PAPER = [
    [conv(3, 16, 112, k=3, s=2)],
    papers_sandglass(16, 8, 32, 112, 56),
    papers_sandglass(32, 5, 48, 56),
    papers_sandglass(48, 8, 64, 56, 28),
    *[papers_sandglass(64, 10, 64, 28)] * 2,
    papers_sandglass(64, 10, 104, 28, 14),
    *[papers_sandglass(104, 17, 104, 14)] * 2,
    papers_sandglass(104, 17, 136, 14),
    *[papers_sandglass(136, 22, 136, 14)] * 3,
    papers_sandglass(136, 22, 200, 14, 7),
    *[papers_sandglass(200, 33, 200, 7)] * 3,
    papers_sandglass(200, 33, 336, 7),
    papers_sandglass(336, 56, 336, 7),
    papers_sandglass(336, 56, 1280, 7),
    [linear(1280, 1000)],
]


def separable(into, out, size, *, s=1):
    return [dw(into, size, s=s), conv(into, out, size)]


# Table 1 at a quarter of its channels.
MOBILENET_V1 = [
    [conv(3, 8, 112, k=3, s=2)],
    separable(8, 16, 112),
    separable(16, 32, 56, s=2),
    separable(32, 32, 56),
    separable(32, 64, 28, s=2),
    separable(64, 64, 28),
    separable(64, 128, 14, s=2),
    *[separable(128, 128, 14)] * 5,
    separable(128, 256, 7, s=2),
    separable(256, 256, 7),
    [linear(256, 1000)],
]


def inverted(into, hidden, out, size, *, before=None, g=1):
    stride = 1 if before is None else 2
    return [
        conv(into, hidden, before or size, g=g),
        dw(hidden, size, s=stride),
        conv(hidden, out, size, g=g),
    ]


# Table 2 at 0.35, channels rounded to multiples of 8 and never by more than a tenth down.
MOBILENET_V2 = [
    [conv(3, 16, 112, k=3, s=2)],
    [dw(16, 112), conv(16, 8, 112)],
    inverted(8, 48, 8, 56, before=112),
    inverted(8, 48, 8, 56),
    inverted(8, 48, 16, 28, before=56),
    *[inverted(16, 96, 16, 28)] * 2,
    inverted(16, 96, 24, 14, before=28),
    *[inverted(24, 144, 24, 14)] * 3,
    inverted(24, 144, 32, 14),
    *[inverted(32, 192, 32, 14)] * 2,
    inverted(32, 192, 56, 7, before=14),
    *[inverted(56, 336, 56, 7)] * 2,
    inverted(56, 336, 112, 7),
    [conv(112, 1280, 7), linear(1280, 1000)],
]

# MobileNetV2's widths, both pointwise convolutions in 2 groups, 1, 4, 6, 8, 6, 6, 1 units.
IGCV3 = [
    [conv(3, 32, 112, k=3, s=2)],
    inverted(32, 32, 16, 112, g=2),
    inverted(16, 96, 24, 56, before=112, g=2),
    *[inverted(24, 144, 24, 56, g=2)] * 3,
    inverted(24, 144, 32, 28, before=56, g=2),
    *[inverted(32, 192, 32, 28, g=2)] * 5,
    inverted(32, 192, 64, 14, before=28, g=2),
    *[inverted(64, 384, 64, 14, g=2)] * 7,
    inverted(64, 384, 96, 14, g=2),
    *[inverted(96, 576, 96, 14, g=2)] * 5,
    inverted(96, 576, 160, 7, before=14, g=2),
    *[inverted(160, 960, 160, 7, g=2)] * 5,
    inverted(160, 960, 320, 7, g=2),
    [conv(320, 1280, 7), linear(1280, 1000)],
]


def residual_opens(into, mid, out, before, after):
    main = [conv(into, mid, before), conv(mid, mid, after, k=3, s=2), conv(mid, out, after)]
    return [*main, conv(into, out, after, s=2)]


def residual_keeps(width, mid, size):
    return [conv(width, mid, size), conv(mid, mid, size, k=3), conv(mid, width, size)]


# ShuffleNet's frame with bottlenecks of 1:4; 192 channels in the last stage.
RESNET = [
    [conv(3, 12, 112, k=3, s=2), maximum(56)],
    residual_opens(12, 12, 48, 56, 28),
    *[residual_keeps(48, 12, 28)] * 3,
    residual_opens(48, 24, 96, 28, 14),
    *[residual_keeps(96, 24, 14)] * 7,
    residual_opens(96, 48, 192, 14, 7),
    *[residual_keeps(192, 48, 7)] * 3,
    [linear(192, 1000)],
]


def two_convolutions(into, out, size, *, s=1):
    return [conv(into, out, size, k=3, s=s), conv(out, out, size, k=3)]


# ShuffleNet's frame with two 3x3 convolutions a unit; 50 channels in the last stage.
VGG = [
    [conv(3, 12, 112, k=3, s=2), maximum(56)],
    two_convolutions(12, 12, 28, s=2),
    *[two_convolutions(12, 12, 28)] * 3,
    two_convolutions(12, 25, 14, s=2),
    *[two_convolutions(25, 25, 14)] * 7,
    two_convolutions(25, 50, 7, s=2),
    *[two_convolutions(50, 50, 7)] * 3,
    [linear(50, 1000)],
]


def one(value):
    return value[0] if isinstance(value, tuple) else value


def described(module, output):
    size = output.shape[-1] if output.dim() == 4 else 1
    if isinstance(module, nn.Linear):
        return (LINEAR, module.in_features, module.out_features, 1, 1, 1, 1)
    if isinstance(module, nn.Conv2d):
        form = one(module.kernel_size), one(module.stride), module.groups
        return ("conv", module.in_channels, module.out_channels, *form, size)
    kind = "max" if isinstance(module, nn.MaxPool2d) else "average"
    return (kind, 0, 0, one(module.kernel_size), one(module.stride), 1, size)


def built_layers(name):
    """The layers that run in the stem, in each unit and in the head."""
    with torch.device("meta"):
        network = build(published(name)).eval()
        parts = [network.stem, *network.units, network.head]
        ran = [[] for _ in parts]
        for found, part in zip(ran, parts, strict=True):
            for module in part.modules():
                if isinstance(module, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.AvgPool2d):
                    module.register_forward_hook(
                        lambda module, _, output, found=found: found.append(
                            described(module, output)
                        )
                    )
        network(torch.empty(1, 3, 224, 224))
    return [sorted(layers) for layers in ran]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shufflenet_v1_g3_x0_25", SHUFFLENET_V1),
        ("shufflenet_v2_x0_5", SHUFFLENET_V2),
        ("mobilenext_x0_35", MOBILENEXT),
        ("mobilenext_paper_x0_35", MOBILENEXT_PAPER),
        ("mobilenet_v1_x0_25", MOBILENET_V1),
        ("mobilenet_v2_x0_35", MOBILENET_V2),
        ("igcv3_d_x1_0", IGCV3),
        ("resnet_38m", RESNET),
        ("vgg_38m", VGG),
    ],
)
def test_the_smallest_network_of_a_family_has_the_layers_of_its_paper(name, expected):
    assert built_layers(name) == [sorted(layers) for layers in expected]
