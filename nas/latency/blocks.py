"""A network as the blocks it is made of: stem, units, head, each at its place's size."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.latency.subject import Subject

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Block:
    """One part of a network: equal keys are the same layers on the same input.

    Shape:
        input: (channels, height, width); output: (height, width).
    """

    family: str
    key: str
    input: tuple[int, int, int]
    output: tuple[int, int]
    numbers: tuple[tuple[str, float], ...]

    def features(self) -> tuple[float, ...]:
        """What a block of this family takes time for: a call, products, filters and elements.

        Linear in the time of a block; only compared within a family.
        """
        of = dict(self.numbers)
        channels, height, width = self.input
        into, out = height * width, self.output[0] * self.output[1]
        wide = of.get("out_channels", channels)
        inner = of.get("mid_channels", of.get("hidden_channels", wide / 2))
        groups = max(1.0, of.get("groups", 1.0))
        area = of.get("kernel_size", 3.0) ** 2
        return (
            1.0,
            into * channels * inner / groups * 1e-6,
            out * inner * wide / groups * 1e-6,
            out * area * max(inner, wide) * 1e-6,
            (into * channels + out * wide) * 1e-6,
            into * inner * 1e-6,
        )


def blocks_of(architecture: Architecture) -> tuple[Block, ...]:
    """The blocks in order; made once per distinct part, without torch."""
    sizes = architecture.sizes
    channels = architecture.stem.out_channels
    found = [_block("stem", asdict(architecture.stem), architecture.input, sizes[0])]
    for index, plan in enumerate(architecture.plans):
        given = (channels, *sizes[index])
        found.append(_block(str(plan["unit"]), plan, given, sizes[index + 1]))
        channels = architecture.units[index].out_channels
    head = {**asdict(architecture.head), "classes": architecture.classes}
    found.append(_block("head", head, (channels, *sizes[-1]), (1, 1)))
    return tuple(found)


def _block(
    family: str, plan: Mapping[str, Any], given: tuple[int, int, int], output: tuple[int, int]
) -> Block:
    text = json.dumps([family, plan, given], sort_keys=True, default=list)
    numbers = tuple(
        (name, float(value))
        for name, value in plan.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    )
    return Block(family, hashlib.sha256(text.encode()).hexdigest()[:16], given, output, numbers)


def subjects_of(architectures: Iterable[Architecture]) -> dict[str, tuple[Block, Subject]]:
    """Every distinct block of these networks, and how its module is built."""
    found: dict[str, tuple[Block, Subject]] = {}
    for architecture in architectures:
        for place, block in enumerate(blocks_of(architecture)):
            if block.key not in found:
                build = _Builder(architecture, place)
                found[block.key] = (block, Subject(f"block-{block.key}", block.input, build))
    return found


class _Builder:
    # Not a closure: made in a loop, it would bind the last network under every name.

    def __init__(self, architecture: Architecture, place: int) -> None:
        self._architecture, self._place = architecture, place

    def __call__(self) -> nn.Module:
        return _parts(self._architecture)[self._place]


@lru_cache(maxsize=1)
def _parts(architecture: Architecture) -> tuple[nn.Module, ...]:
    """The modules of a network; blocks are asked for network by network, and copied by who asks."""
    from nas.network import build

    network = build(architecture)
    return (network.stem, *network.units, network.head)
