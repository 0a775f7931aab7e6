"""What a unit's module is made of, read off while it runs; and which inputs reach which outputs."""

import torch
from torch import nn

from nas.architecture import UnitSpec
from nas.unit_rules import rule_of
from nas.units import build_unit
from nas.units.channel_shuffle import ChannelShuffle


def unit(kind, into, out, *, first=False, **fields):
    """The module of a unit that stands behind `into` channels."""
    spec = UnitSpec(kind, out, **{"expansion": rule_of(kind).expansion, **fields})
    return build_unit(rule_of(kind).plan(spec, into, first=first))


def convolutions(module, input):
    """(in, out, kernel, stride, groups, output size) of each convolution, as called."""
    return [
        (m.in_channels, m.out_channels, m.kernel_size[0], m.stride[0], m.groups, tuple(size))
        for m, size in _called(module, input)
        if isinstance(m, nn.Conv2d)
    ]


def steps(module, into):
    """One word for each layer, as called: '1x1', 'dw', '3x3', 'relu', 'shuffle', 'pool' ..."""
    words = [_word(m) for m, _ in _called(module, (into, 9, 9))]
    return " ".join(word for word in words if word)


def _called(module, input):
    called = []
    hooks = [
        m.register_forward_hook(lambda m, _, out: called.append((m, out.shape[2:])))
        for m in module.modules()
        if not list(m.children())
    ]
    with torch.no_grad():
        module.eval()(torch.randn(1, *input))
    for hook in hooks:
        hook.remove()
    return called


def _word(m):
    if isinstance(m, nn.Conv2d):
        if m.groups == m.in_channels and m.kernel_size[0] > 1:
            return "dw"
        return f"{m.kernel_size[0]}x{m.kernel_size[0]}"
    words = {
        nn.ReLU: "relu",
        nn.ReLU6: "relu6",
        nn.Sigmoid: "sigmoid",
        nn.AvgPool2d: "pool",
        nn.AdaptiveAvgPool2d: "average",
        ChannelShuffle: "shuffle",
    }
    return words.get(type(m), "")


def reached(module, into):
    """A boolean matrix (outputs, inputs): which output channels each input channel changes."""
    module.eval()
    for m in module.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.ones_(m.weight)
        elif isinstance(m, nn.BatchNorm2d):
            # Small enough for ReLU6 never to saturate.
            nn.init.constant_(m.weight, 1e-3)
            nn.init.zeros_(m.bias)
    with torch.no_grad():
        inputs = torch.eye(into, dtype=torch.float64)[:, :, None, None].expand(-1, -1, 5, 5)
        outputs = module.double()(inputs.contiguous())
    return (outputs.amax(dim=(2, 3)) > 0).T
