"""One layer of a network and what it costs, from the tensors that went in and came out."""

from __future__ import annotations

import torch
from torch import nn

from nas.outcome import LayerCost

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_POOLS: dict[type[nn.Module], str] = {
    nn.MaxPool2d: "max_pool",
    nn.AvgPool2d: "average_pool",
    nn.AdaptiveAvgPool2d: "global_pool",
}
LISTED: tuple[type[nn.Module], ...] = (*CONVOLUTIONS, nn.Linear, *_POOLS)
"""The layers that are listed."""


def layer_cost(name: str, layer: nn.Module, given: torch.Tensor, output: torch.Tensor) -> LayerCost:
    """What a layer cost in one call, by the formula and not by thop: the two check each other."""
    kernel, stride, groups, weights, multiply_adds = 1, 1, 1, 0, 0
    kind = "linear"
    if isinstance(layer, CONVOLUTIONS):
        kernel, stride, groups = max(layer.kernel_size), max(layer.stride), layer.groups
        depthwise = groups == layer.in_channels > 1
        kind = "depthwise" if depthwise else "pointwise" if kernel == 1 else "convolution"
        weights = layer.weight.numel()
        multiply_adds = output.numel() * weights // layer.out_channels
    elif isinstance(layer, nn.Linear):
        weights = layer.weight.numel()
        multiply_adds = output.numel() * layer.in_features
    else:
        kind = next(word for pool, word in _POOLS.items() if isinstance(layer, pool))
        window = getattr(layer, "kernel_size", given.shape[-2:])
        step = getattr(layer, "stride", 1)
        kernel = max(window) if isinstance(window, tuple | list | torch.Size) else window
        stride = max(step) if isinstance(step, tuple | list) else step
    return LayerCost(
        name=name,
        kind=kind,
        input=tuple(given.shape[1:]),
        output=tuple(output.shape[1:]),
        kernel_size=int(kernel),
        stride=int(stride),
        groups=groups,
        multiply_adds=multiply_adds,
        parameters=sum(p.numel() for p in layer.parameters()),
        memory_access=(given.numel() + output.numel() + weights) if weights else 0,
    )
