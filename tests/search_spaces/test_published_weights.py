"""Weights of an independent implementation (pytorchcv) give the same outputs here.

Its model files are imported one by one: its model provider needs torchvision. Where its network is
known to be another than the authors', the test changes it to theirs and says so.
"""

import importlib
import os
import types

import pytest
import torch
from torch import nn

from nas.network import build
from search_spaces.published import published

# pip install --no-deps pytorchcv: what it depends on does not work beside a CPU build of torch.
if os.environ.get("CI") != "true":
    pytest.importorskip("pytorchcv")

LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.Linear)


def theirs(module, name, **options):
    torch.manual_seed(0)
    network = getattr(importlib.import_module(f"pytorchcv.models.{module}"), name)(**options)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.1)
            nn.init.normal_(part.running_mean, 0, 0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return network.double().eval()


def ours(name):
    return build(published(name)).double().eval()


def layers_of(*modules):
    return [part for module in modules for part in module.modules() if isinstance(part, LAYERS)]


@torch.no_grad()
def copy(given, taken):
    """Weights from one list of layers to another; a bias we do not have must be zero."""
    assert [type(layer) for layer in given] == [type(layer) for layer in taken]
    for source, target in zip(given, taken, strict=True):
        state = source.state_dict()
        if "bias" not in target.state_dict():
            bias = state.pop("bias", None)
            assert bias is None or not bias.any()
        target.load_state_dict(state, strict=True)


@torch.no_grad()
def assert_same_logits(first, second):
    torch.manual_seed(1)
    x = torch.randn(1, 3, 224, 224, dtype=torch.double)
    expected, found = first(x), second(x)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def pool_in_front(unit, x):
    """pytorchcv's stride-2 unit with the authors' order: (pooled input, branch)."""
    branch = unit.activ(unit.compress_bn1(unit.compress_conv1(x)))
    branch = unit.dw_bn2(unit.dw_conv2(unit.c_shuffle(branch)))
    branch = unit.expand_bn3(unit.expand_conv3(branch))
    return unit.activ(torch.cat((unit.avgpool(x), branch), dim=1))


@pytest.mark.parametrize(
    "groups", [3, *(pytest.param(groups, marks=pytest.mark.slow) for groups in (1, 2, 4, 8))]
)
def test_shufflenet_v1(groups):
    # It concatenates (branch, pooled input): with groups that puts other channels into a group, so
    # no permutation of weights makes up for it, and its stride-2 units are changed to the authors'.
    network = theirs("shufflenet", f"shufflenet_g{groups}_w1")
    for unit in network.modules():
        if getattr(unit, "downsample", False):
            unit.forward = types.MethodType(pool_in_front, unit)
    nn.init.zeros_(network.output.bias)
    mine = ours(f"shufflenet_v1_g{groups}_x1_0")
    copy(layers_of(network), layers_of(mine))
    assert_same_logits(network, mine)


def evens_then_odds(channels):
    return torch.arange(channels).view(-1, 2).t().flatten()


@torch.no_grad()
def reorder_input(layer, order):
    """A layer on channels order[0], order[1], ... as one on channels 0, 1, ...."""
    back = order.argsort()
    if isinstance(layer, nn.Conv2d) and layer.groups == 1:
        layer.weight.copy_(layer.weight[:, back])
        return
    for value in layer.state_dict().values():
        if value.dim():
            value.copy_(value[back])


def test_shufflenet_v2():
    # As shufflenetv2b_w1 it passes on another half of each unit's channels than the authors, after
    # a stride-2 unit (24 + 92 channels) with other numbers from either side, so no permutation of
    # weights makes up for it: it is told to take evens and odds. It does that behind each unit, the
    # authors in front of the next: the same but for the inputs of stride-2 units and of the last
    # convolution, which are permuted.
    network = theirs(
        "shufflenetv2b", "get_shufflenetv2b", width_scale=1.0, shuffle_group_first=False
    )
    nn.init.zeros_(network.output.bias)
    mine = ours("shufflenet_v2_x1_0")
    units = [unit for unit in network.modules() if hasattr(unit, "shortcut_conv")
             or (hasattr(unit, "c_shuffle"))]  # fmt: skip
    assert len(units) == len(mine.units) == 16
    copy(layers_of(network.features.init_block), layers_of(mine.stem))
    width = 24
    for index, (unit, target) in enumerate(zip(units, mine.units, strict=True)):
        assert not list(unit.c_shuffle.parameters())
        shortcut = [unit.shortcut_dconv, unit.shortcut_conv] if unit.downsample else []
        copy(layers_of(*shortcut), layers_of(target.projection))
        copy(layers_of(unit.conv1, unit.dconv, unit.conv2), layers_of(target.branch))
        if unit.downsample and index:
            order = evens_then_odds(width)
            for layer in layers_of(target.projection)[:3]:
                reorder_input(layer, order)
            reorder_input(layers_of(target.branch)[0], order)
        width = layers_of(target)[-1].num_features + (width if unit.downsample else width // 2)
    copy(layers_of(network.features.final_block, network.output), layers_of(mine.head))
    reorder_input(layers_of(mine.head)[0], evens_then_odds(464))
    assert_same_logits(network, mine)


@pytest.mark.slow
def test_mobilenet_v1():
    network, mine = theirs("mobilenet", "mobilenet_w1"), ours("mobilenet_v1_x1_0")
    copy(layers_of(network), layers_of(mine))
    assert_same_logits(network, mine)


@pytest.mark.slow
def test_mobilenet_v2():
    # mobilenetv2_w1 has one more 1x1 in its first unit; the "b" network is the authors'. Its
    # classifier is a convolution.
    network, mine = theirs("mobilenetv2", "mobilenetv2b_w1"), ours("mobilenet_v2_x1_0")
    copy(layers_of(network.features), layers_of(mine)[:-1])
    classifier = layers_of(network.output)[0]
    state = {"weight": classifier.weight.flatten(1), "bias": torch.zeros(1000)}
    if classifier.bias is not None:
        state["bias"] = classifier.bias
    mine.head.classifier.load_state_dict(state)
    assert_same_logits(network, mine)


@pytest.mark.slow
def test_igcv3():
    # It leaves out the permutation behind each unit's last convolution, which the authors have.
    network, mine = theirs("igcv3", "igcv3_w1"), ours("igcv3_d_x1_0")
    shuffle = type(next(unit for unit in network.modules() if hasattr(unit, "c_shuffle")).c_shuffle)
    for unit in list(network.modules()):
        if hasattr(unit, "c_shuffle"):
            out = layers_of(unit.conv3)[-1].num_features
            unit.conv3 = nn.Sequential(unit.conv3, shuffle(channels=out, groups=out // 2))
    copy(layers_of(network), layers_of(mine))
    assert_same_logits(network, mine)
