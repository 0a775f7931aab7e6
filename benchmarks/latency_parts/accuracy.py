"""Known differences, no differences, and limits that have to hold later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from latency_parts.conditions import fresh
from latency_parts.networks import networks, reference
from torch import nn

from nas.architecture import Architecture
from nas.latency.certify import certify
from nas.latency.instrument import Instrument
from nas.latency.levels import DECIDE
from nas.latency.subject import Subject
from nas.latency.target import Target, target_of
from nas.network import build
from nas.settings import TargetSettings
from search_spaces.published import published

EXTRA = (1, 2, 4, 8)
CHAINS = {"alone": "alone", "behind": "behind a convolution"}
"""A unit's cost outside its network is the slope between two chains of it. In one that begins with
a unit, ONNX Runtime leaves the unit's addition unfused and brings what it is given into another
layout and back, unit after unit; within a network, and behind a convolution, it does not."""

LENGTHS = (8, 24)
COPIES = 4
CERTIFIED = 12
MARGINS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
SUSTAINED_SECONDS = 10.0
PARENTS = ("shufflenet_v2_x1_0", "shufflenet_v1_g3_x1_0", "mobilenext_x0_5")
"""Networks of which a unit is repeated."""


class Spiked(nn.Module):
    """A network whose unit at `place` is run `extra` times more, or one of the chains of it."""

    def __init__(self, network: Architecture, place: int, extra: int, *, chain: str) -> None:
        super().__init__()
        whole = build(network)
        units = list(whole.units)
        again = [units[place] for _ in range(extra)]
        parts = [whole.stem, *units[: place + 1], *again, *units[place + 1 :], whole.head]
        if chain:
            wide = network.units[place].out_channels
            parts = [nn.Conv2d(wide, wide, 1), *again] if chain == "behind" else again
        self.parts = nn.Sequential(*parts)

    def forward(self, x: Any) -> Any:
        return self.parts(x)


class Spike:
    """Builds a `Spiked` for `Subject`."""

    def __init__(self, *arguments: Any, chain: str = "") -> None:
        self.arguments, self.chain = arguments, chain

    def __call__(self) -> nn.Module:
        return Spiked(*self.arguments, chain=self.chain)


def here() -> Target:
    """The target a search has where nothing else is asked for."""
    return target_of(TargetSettings())


def spike(number: int | None = None) -> Iterator[dict[str, Any]]:
    """Measured over expected ratio of networks with a unit of known cost repeated.

    All in one interleaving, each invocation in a fresh process.
    """
    while True:
        yield fresh(_spike, number)


def repeatable(network: Architecture) -> int:
    """The place of a unit in the middle that gives what it takes: it can follow itself."""
    widths = [network.stem.out_channels, *(unit.out_channels for unit in network.units)]
    places = [
        place
        for place, unit in enumerate(network.units)
        if unit.stride == 1 and widths[place] == widths[place + 1]
    ]
    return places[len(places) // 2]


def _spike(number: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in PARENTS[:number]:
        network = published(name)
        place = repeatable(network)
        into = network.units[place].out_channels
        inside = (into, *network.sizes[place + 1])
        plain = Subject("plain", network.input, Spike(network, place, 0))
        spiked = [Subject(f"plus{n}", network.input, Spike(network, place, n)) for n in EXTRA]
        chains = [
            Subject(f"{chain}{n}", inside, Spike(network, place, n, chain=chain))
            for chain in CHAINS
            for n in LENGTHS
        ]
        with Instrument(here(), reference=reference(), level=DECIDE) as instrument:
            base, *others = (
                one.ratio for one in instrument.measure_many([plain, *spiked, *chains])
            )
        times = {n: ratio / base for n, ratio in zip(EXTRA, others, strict=False)}
        ends = zip(others[len(EXTRA) :: 2], others[len(EXTRA) + 1 :: 2], strict=True)
        slopes = [(long - short) / (LENGTHS[1] - LENGTHS[0]) / base for short, long in ends]
        found[name] = {
            "times": {str(n): time for n, time in times.items()},
            "units": dict(zip(CHAINS, slopes, strict=True)),
        }
    return {"networks": found}


def expected_by(one: dict[str, Any], chain: str) -> dict[str, float]:
    """Measured over expected - 1 by the unit's cost in a chain, per number of repetitions."""
    unit = one["units"][chain]
    return {n: time / (1 + int(n) * unit) - 1 for n, time in one["times"].items()}


def held_out(one: dict[str, Any]) -> dict[str, float]:
    """Measured over expected - 1 by a unit's cost in the network itself.

    Each number of repetitions is expected from a line through all others and none (least squares of
    the relative error), which it has no part in.
    """
    times = {0: 1.0} | {int(n): time for n, time in one["times"].items()}
    found = {}
    for left_out in list(times)[1:]:
        numbers = np.array([n for n in times if n != left_out])
        seen = np.array([times[n] for n in numbers])
        rows = np.stack([np.ones(len(numbers)), numbers], axis=1) / seen[:, None]
        base, unit = np.linalg.lstsq(rows, np.ones(len(numbers)), rcond=None)[0]
        found[str(left_out)] = float(times[left_out] / (base + left_out * unit) - 1)
    return found


def copies(number: int | None = None) -> Iterator[dict[str, Any]]:
    """Ratios of equal networks under different names, in one interleaving and one process each."""
    while True:
        yield fresh(_copies, number)


def _copies(number: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in PARENTS[:number]:
        network = published(name)
        equal = [Subject(f"copy{n}", network.input, Spike(network, 0, 0)) for n in range(COPIES)]
        with Instrument(here(), reference=reference(), level=DECIDE) as instrument:
            ratios = [one.ratio for one in instrument.measure_many(equal)]
        found[name] = ratios
    return {"ratios": found}


def certified(number: int | None = None) -> Iterator[dict[str, Any]]:
    """Networks certified under limits of all tightnesses, then measured by a later invocation.

    Each network gets limits from its search-time ratio up to 20 % above it: the hardest case, a
    study's winners being those that are near the limit.
    """
    wanted = networks(number or CERTIFIED)
    while True:
        searched = fresh(_decided, wanted)
        first = fresh(_certified, wanted)
        later = fresh(_decided, wanted)
        found = []
        for name, (low, ratio, high) in first.items():
            for margin in MARGINS:
                limit = searched[name] * (1 + margin)
                found.append(
                    {
                        "network": name,
                        "margin": margin,
                        "kept": high <= limit,
                        "broken": low > limit,
                        "ratio": ratio,
                        "later": later[name],
                        "kept_later": later[name] <= limit,
                    }
                )
        yield {"pairs": found}


def _decided(wanted: dict[str, Architecture]) -> dict[str, float]:
    with Instrument(here(), reference=reference(), level=DECIDE) as instrument:
        found = instrument.measure_many(list(wanted.values()))
    return {name: one.ratio for name, one in zip(wanted, found, strict=True)}


def _certified(wanted: dict[str, Architecture]) -> dict[str, tuple[float, float, float]]:
    found = certify(
        here(),
        list(wanted.values()),
        reference=reference(),
        sustained_seconds=SUSTAINED_SECONDS,
    )
    return {
        name: (one.latency.ratio_low, one.latency.ratio, one.latency.ratio_high)
        for name, one in zip(wanted, found, strict=False)
    }


def spread(ratios: list[float]) -> float:
    return float(np.max(ratios) / np.min(ratios) - 1)
