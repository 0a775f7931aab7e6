"""Receptive fields against a derivation by hand and against which pixels really reach an output."""

import pytest
import torch
from torch import nn

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.costs import layers
from nas.network import build
from search_spaces.published import published


def field_of(found, name):
    return next(layer.receptive_field for layer in found if layer.name.startswith(name))


def test_shufflenet_v2_is_what_a_hand_derives():
    architecture = published("shufflenet_v2_x0_5")
    found = layers(build(architecture), architecture.input)
    # Stem 3 at stride 2; pooling 3 + 2 x 2 = 7 at 4.
    assert [layer.receptive_field for layer in found[:2]] == [3, 7]
    # A depthwise convolution adds 2 x jump, once a unit: 7 + 2 x 4 = 15, then at jump 8 16 for
    # each of 3 units, as far as the next unit's stride: 15 + 3 x 16 = 63, 63 + 16 = 79. At jump
    # 16: + 7 x 32 = 303, + 32 = 335; at jump 32: + 3 x 64 = 527.
    ends = {0: 15, 1: 31, 3: 63, 4: 79, 5: 111, 11: 303, 12: 335, 13: 399, 15: 527}
    for unit, field in ends.items():
        own = [x.receptive_field for x in found if x.name.startswith(f"units.{unit}.")]
        assert own[-1] == field, unit
    # Pooling of 7 x 7 maps: 527 + 6 x 32; the classifier sees the same.
    assert [layer.receptive_field for layer in found[-3:]] == [527, 719, 719]


UNITS = {
    "v2": ("shuffle_v2", {}),
    "v1": ("shuffle_v1", {"groups": 2, "expansion": 4.0}),
    "sandglass": ("sandglass", {"expansion": 2.0, "kernel_size": 5}),
    "inverted": ("inverted_residual", {"expansion": 2.0}),
}


@pytest.mark.parametrize("name", UNITS)
def test_the_pixels_that_reach_an_output_are_as_many(name):
    kind, fields = UNITS[name]
    units = (UnitSpec(kind, 32, 2, **fields), *[UnitSpec(kind, 32, 1, **fields)] * 2)
    architecture = Architecture(
        (1, 151, 151), StemSpec(16, stride=2, pool=False), units, HeadSpec(), 2
    )
    module = build(architecture).double().eval()
    found = [x for x in layers(module.float(), architecture.input) if x.name.startswith("units")]
    for parameter in module.double().parameters():
        nn.init.constant_(parameter, 0.1)  # positive: nothing cancels, every ReLU is open
    module.requires_grad_(False)
    image = torch.rand(1, *architecture.input, dtype=torch.float64, requires_grad=True)
    # ReLU6 saturates nothing, average pooling hides nothing: the images are small.
    maps = module.units(module.stem(image * 1e-6))
    maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2].sum().backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == max(layer.receptive_field for layer in found)


def test_a_gate_on_the_whole_map_lets_every_output_see_it_all():
    units = (UnitSpec("shuffle_v2", 32, 2), UnitSpec("shuffle_v2", 32, options=(("se", True),)))
    architecture = Architecture(
        (1, 32, 32), StemSpec(16, stride=1, pool=False), units, HeadSpec(), 2
    )
    found = layers(build(architecture), architecture.input)
    # 3, + 2 = 5 at jump 2, + 4 = 9, the gate 9 + 15 x 2 = 39, pooling of 16 x 16 again + 30.
    assert field_of(found, "head.pool") == 69


def test_looking_at_a_module_leaves_it_as_it_is():
    module = nn.Sequential(nn.Conv2d(1, 2, 3, dilation=2), nn.ReLU(inplace=True), nn.Dropout())
    (layer,) = layers(module, (1, 9, 9))
    assert layer.receptive_field == 5
    assert module.training
    assert not module[0]._forward_hooks
    assert module[0].weight.device.type == "cpu"
