"""What is measured: a name, an input and a module in the state it is timed in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.errors import MeasurementError, NasError

if TYPE_CHECKING:
    from torch import nn

CALIBRATION_IMAGES = 8
CALIBRATION_PIXELS = 2 * 224 * 224
"""As many images as have so many pixels, two at the least: large ones say enough in two."""


@dataclass(frozen=True)
class Subject:
    """A network to be measured: any torch module that takes one image batch.

    `content` is the file a runtime is to load where there is one already; the module then says
    which outputs it has to give.

    Shape:
        input: (channels, height, width) of one image.
    """

    name: str
    input: tuple[int, int, int]
    build: Callable[[], nn.Module]
    content: bytes | None = None


def subject(network: Architecture | Subject) -> Subject:
    """An architecture under its fingerprint; a subject as it is."""
    if isinstance(network, Subject):
        return network
    architecture = network

    def build() -> nn.Module:
        from nas.network import build

        return build(architecture)

    return Subject(architecture.fingerprint, architecture.input, build)


@contextmanager
def running(network: Subject) -> Iterator[None]:
    """Within it a network is built and run; what a user's own module raises is told as such.

    Raises:
        MeasurementError: it does not run on its input; the network, the input, the error.
    """
    try:
        yield
    except NasError:
        raise
    except Exception as error:  # a user's module may raise anything
        size, text = "x".join(map(str, network.input)), " ".join(str(error).split())[:300]
        raise MeasurementError(
            f"network {network.name}: must run on a batch of {size} images; got "
            f"{type(error).__name__}: {text}; allowed: the size it is made for (--input), or a "
            "module that takes one batch of images"
        ) from error


def module_of(network: Subject, *, seed: int = 0) -> nn.Module:
    """The module in eval mode, on the CPU, with activations of ordinary size.

    Fresh weights shrink or blow up the signal from layer to layer, and denormal numbers make a
    call 7 to 15 times slower: the normalisation layers are set to the statistics of random images,
    as those of a trained network are set to its data's. The caller's random numbers are untouched.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = copy.deepcopy(network.build()).cpu()
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        if norms:
            _, height, width = network.input
            number = max(2, min(CALIBRATION_IMAGES, CALIBRATION_PIXELS // (height * width)))
            images = torch.randn(number, *network.input)
            module.eval()
            momenta = [norm.momentum for norm in norms]
            for norm in norms:
                norm.train()
                norm.momentum = 1.0  # the statistics of these images alone
            with torch.no_grad():
                module(images)
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
    return module.eval()
