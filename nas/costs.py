"""What a network costs: multiply-adds (thop), parameters, memory access.

Multiply-adds are what the papers of mobile networks call FLOPs: those of convolutions and
linear layers for one image, without biases. Normalisation, activations, pooling and elementwise
operations count zero: most of them fold into the convolution before them, and the papers leave
them out. Operations that none of these rules covers are listed in `Costs.uncounted`.
"""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from nas.architecture import Architecture, HeadSpec, StemSpec
from nas.layer_cost import CONVOLUTIONS, LISTED, layer_cost
from nas.network import build_head, build_stem
from nas.outcome import Costs, LayerCost
from nas.receptive_field import receptive_fields
from nas.threads import threads
from nas.units import build_unit

with warnings.catch_warnings():
    # thop compares versions the way of the old distutils.
    warnings.simplefilter("ignore", DeprecationWarning)
    from thop import profile
    from thop.vision.basic_hooks import count_convNd, count_linear

# Operations on tensors that hold no multiply-adds of the papers' kind: they move elements, look at
# one at a time, normalise or pool. What is neither here nor inside a counted layer is reported.
_HARMLESS = """
__getitem__ __setitem__ cat chunk clone concat contiguous detach expand expand_as flatten movedim
narrow pad permute repeat reshape roll select split squeeze stack swapaxes t tensor_split to
transpose unbind unflatten unsqueeze view view_as channel_shuffle pixel_shuffle pixel_unshuffle
index_select gather type_as float empty zeros ones full arange tensor
zeros_like ones_like empty_like full_like new_zeros new_ones fill zero copy
add sub rsub mul div neg abs exp log sqrt rsqrt pow square maximum minimum clamp clamp_min
clamp_max where __add__ __sub__ __mul__ __truediv__ __neg__ __pow__ __radd__ __rsub__ __rmul__
__rtruediv__ __iadd__ __isub__ __imul__ __itruediv__
relu relu6 hardtanh sigmoid hardsigmoid hardswish silu gelu elu selu celu leaky_relu prelu tanh
softplus mish softmax log_softmax dropout dropout2d alpha_dropout
batch_norm layer_norm group_norm instance_norm local_response_norm normalize
max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d mean sum amax amin max min interpolate
"""


@dataclass
class _Part:
    """What was counted of one module: a unit, a stem, a head or a whole network."""

    multiply_adds: int = 0
    parameters: int = 0
    layers: list[LayerCost] = field(default_factory=list)
    uncounted: set[str] = field(default_factory=set)
    output: tuple[int, ...] = ()

    def __add__(self, other: _Part) -> _Part:
        return _Part(
            self.multiply_adds + other.multiply_adds,
            self.parameters + other.parameters,
            self.layers + other.layers,
            self.uncounted | other.uncounted,
            other.output,
        )

    @property
    def costs(self) -> Costs:
        return Costs(
            multiply_adds=self.multiply_adds,
            parameters=self.parameters,
            memory_access=sum(layer.memory_access for layer in self.layers),
            uncounted=tuple(sorted(self.uncounted)),
        )


def count(architecture: Architecture) -> Costs:
    """The costs of an architecture for one image.

    Equal units on maps of equal size cost the same, so each is counted once a process; torch's
    random numbers are left as they were.
    """
    return sum((part for _, part in _parts(architecture)), _Part()).costs


def layers_of(architecture: Architecture) -> tuple[LayerCost, ...]:
    """The layers of an architecture, as those of its network; nothing that `count` has counted is
    counted again. Receptive fields are left out: equal units at two places differ in them.
    """
    return tuple(
        replace(layer, name=f"{place}.{layer.name}")
        for place, part in _parts(architecture)
        for layer in part.layers
    )


def _parts(architecture: Architecture) -> list[tuple[str, _Part]]:
    """The parts of a network by the names they have in it."""
    stem = _counted("stem", _key(asdict(architecture.stem)), architecture.input)
    parts = [("stem", stem)]
    for number, plan in enumerate(architecture.plans):
        part = _counted("unit", _key(plan), parts[-1][1].output)
        parts.append((f"units.{number}", part))
    output = parts[-1][1].output
    end = {"channels": output[0], "classes": architecture.classes}
    head = _counted("head", _key(asdict(architecture.head) | end), output)
    return [*parts, ("head", head)]


def count_module(module: nn.Module, input: tuple[int, int, int]) -> Costs:
    """The costs of any module for one image; the module is left as it is.

    Shape:
        input: (channels, height, width).
    """
    return _count(_copied(module), input).costs


def layers(module: nn.Module, input: tuple[int, int, int]) -> tuple[LayerCost, ...]:
    """The convolutions, linear layers and poolings of a module, in the order they are called.

    Parameters include those of the normalisation that follows a layer. A pooling costs nothing by
    the papers' rule; it is listed for its window.

    Shape:
        input: (channels, height, width); shapes of the layers without the batch.
    """
    found = _count(_copied(module), input).layers
    fields = receptive_fields(module, input, LISTED)
    return tuple(
        replace(layer, receptive_field=field) for layer, field in zip(found, fields, strict=True)
    )


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@lru_cache(maxsize=8192)
def _counted(place: str, key: str, input: tuple[int, ...]) -> _Part:
    value = json.loads(key)
    with torch.random.fork_rng(devices=[]):
        if place == "stem":
            module: nn.Module = build_stem(input[0], StemSpec(**value))
        elif place == "unit":
            module = build_unit(value)
        else:
            channels, classes = value.pop("channels"), value.pop("classes")
            module = build_head(channels, HeadSpec(**value), classes)
        return _count(module, input)


def _copied(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).to(device="cpu", dtype=torch.float32)


def _count(module: nn.Module, input: tuple[int, ...]) -> _Part:
    """Count a module that nobody else uses: thop leaves buffers and flags behind."""
    part = _Part(parameters=sum(p.numel() for p in module.parameters()))
    _separate(module.eval())
    image = torch.zeros(1, *input)
    # Before thop, whose own hooks work on tensors too.
    with threads(1):
        with torch.no_grad(), _watching(module, part):
            module(image)
        multiply_adds, _ = profile(module, (image,), custom_ops=_rules(module), verbose=False)
    part.multiply_adds = int(multiply_adds)
    return part


def _separate(module: nn.Module) -> None:
    """Give a layer that is reachable under two names a copy under each.

    thop would count it four times, whichever of the names is called.
    """
    seen: set[int] = set()
    for parent in list(module.modules()):
        for name, child in list(parent._modules.items()):
            if child is not None and id(child) in seen:
                parent._modules[name] = copy.deepcopy(child)
            seen.add(id(child))


def _rules(module: nn.Module) -> dict[type[nn.Module], Callable[..., None]]:
    """thop's rule for each type of layer; thop itself knows exact types only, no subclasses."""
    rules: dict[type[nn.Module], Callable[..., None]] = {}
    for layer in module.modules():
        if isinstance(layer, CONVOLUTIONS):
            rules[type(layer)] = count_convNd
        elif isinstance(layer, nn.Linear):
            rules[type(layer)] = count_linear
        elif not layer._modules:
            rules[type(layer)] = _nothing
    return rules


def _nothing(*_: Any) -> None:
    """thop's rule for layers that count zero."""


class _Operations(TorchFunctionMode):
    """Notes every operation outside a counted layer that might hold multiply-adds.

    On torch's functions, as a mode on what they dispatch to imports the whole compiler: seconds.
    """

    def __init__(self, part: _Part) -> None:
        super().__init__()
        self.part = part
        self.inside = 0
        self.harmless = frozenset(_HARMLESS.split())

    def __torch_function__(  # type: ignore[no-untyped-def]
        self, func, types, args=(), kwargs=None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", str(func))
        known = name in self.harmless or name.removesuffix("_") in self.harmless
        tensors = isinstance(result, torch.Tensor | tuple | list)
        if tensors and not self.inside and not known and name != "__get__":
            self.part.uncounted.add(name)
        return result


@contextmanager
def _watching(module: nn.Module, part: _Part) -> Iterator[None]:
    """Note layers, uncounted operations and the output's shape while the module is called."""
    operations = _Operations(part)
    handles = []

    def entered(*_: Any) -> None:
        operations.inside += 1

    def left(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
            operations.inside -= 1
            part.layers.append(layer_cost(name, layer, inputs[0], output))

        return hook

    def normalised(layer: nn.Module, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        own = sum(p.numel() for p in layer.parameters())
        if part.layers:
            last = part.layers[-1]
            part.layers[-1] = replace(last, parameters=last.parameters + own)

    def ended(_: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        part.output = tuple(output.shape[1:]) if isinstance(output, torch.Tensor) else ()

    for name, layer in module.named_modules():
        if isinstance(layer, LISTED):
            handles.append(layer.register_forward_pre_hook(entered))
            handles.append(layer.register_forward_hook(left(name)))
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            handles.append(layer.register_forward_hook(normalised))
    handles.append(module.register_forward_hook(ended))
    try:
        with operations:
            yield
    finally:
        for handle in handles:
            handle.remove()
