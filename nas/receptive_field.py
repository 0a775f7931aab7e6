"""How much of the image each layer of a network sees."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves


class _Field(NamedTuple):
    """Of one element of a map: pixels seen along a side, and pixels to the next element's."""

    size: int = 1
    jump: int = 1


class _Fields(TorchFunctionMode):
    """The field of each tensor: the larger of those it is made from.

    Layers that look around are not known here: their hooks correct what was noted for them.
    """

    def __init__(self, image: torch.Tensor) -> None:
        super().__init__()
        # The tensors are kept, so that no id is given twice.
        self._noted = {id(image): (image, _Field())}

    def note(self, tensor: torch.Tensor, field: _Field) -> None:
        """This tensor's field is that one."""
        self._noted[id(tensor)] = (tensor, field)

    def of(self, values: Any) -> _Field:
        """The field of what is made from these tensors."""
        found = (self._noted.get(id(value)) for value in tree_leaves(values))
        fields = [one[1] for one in found if one is not None]
        if not fields:
            return _Field()
        return _Field(max(f.size for f in fields), max(f.jump for f in fields))

    def __torch_function__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> Any:
        field = self.of((args, kwargs))
        result = func(*args, **(kwargs or {}))
        for made in tree_leaves(result):
            if isinstance(made, torch.Tensor):
                self.note(made, field)
        return result


def receptive_fields(
    module: nn.Module, input: tuple[int, int, int], layers: tuple[type[nn.Module], ...]
) -> tuple[int, ...]:
    """Pixels along a side of the image that reach one output of each layer, in call order.

    size_out = size_in + (kernel - 1) jump, jump_out = stride x jump, along the longest path where
    paths meet: both branches of a unit start from the same map. Pixels beyond the border count, so
    it can exceed the image. `layers` are the types of layers that are listed; the module is left
    as it is.

    Shape:
        input: (channels, height, width).
    """
    module = copy.deepcopy(module).to("meta").eval()
    image = torch.empty(1, *input, device="meta")
    sizes: list[int] = []
    with torch.no_grad(), _following(module, image, layers, sizes):
        module(image)
    return tuple(sizes)


@contextmanager
def _following(
    module: nn.Module, image: torch.Tensor, layers: tuple[type[nn.Module], ...], sizes: list[int]
) -> Iterator[None]:
    fields = _Fields(image)
    entered: list[_Field] = []

    def before(_: nn.Module, given: tuple[Any, ...]) -> None:
        # Now: a layer that works in place leaves nothing of what it was given.
        entered.append(fields.of(given))

    def after(layer: nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        size, jump = entered.pop()
        reach, stride = _window(layer, given[0])
        fields.note(output, _Field(size + reach * jump, jump * stride))
        sizes.append(size + reach * jump)

    handles = []
    for layer in module.modules():
        if isinstance(layer, layers):
            handles += [layer.register_forward_pre_hook(before)]
            handles += [layer.register_forward_hook(after)]
    try:
        with fields:
            yield
    finally:
        for handle in handles:
            handle.remove()


def _window(layer: nn.Module, given: torch.Tensor) -> tuple[int, int]:
    """Elements from a window's first to its last, and its stride, along the longer side."""
    if isinstance(layer, nn.Linear):
        return 0, 1
    kernel = getattr(layer, "kernel_size", None)
    if kernel is None:  # a global pooling
        return max(given.shape[-2:]) - 1, 1
    return (_longest(kernel) - 1) * _longest(getattr(layer, "dilation", 1)), _longest(layer.stride)


def _longest(sides: Any) -> int:
    return max(sides) if isinstance(sides, tuple | list) else int(sides)
