"""What the papers left out, measured here: one thread, one image.

    python benchmarks/papers_latency.py --section SECTION... [--trial N]

`table8`: actual beside theoretical speed-up of ShuffleNet v1's Table 8, at its three sizes.
`mobilenext`: MobileNeXt beside MobileNetV2 by width and by identity multiplier, under ONNX Runtime.
`published-RUNTIME`: every published network of 38 to 600 M multiply-adds in one interleaving.
`merged`: ShuffleNet V2 with shuffle and split in two steps over the same in one, as built here.
Writes benchmarks/results/papers_latency.md and .json. Nothing else should compute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, product
from typing import Any

import torch
from latency_parts.conditions import fresh
from latency_parts.page import bodies
from latency_parts.sections import Raw, run_sections
from scipy.stats import kendalltau
from torch import nn

from nas.costs import count_module
from nas.latency.instrument import Instrument
from nas.latency.levels import Level
from nas.latency.subject import Subject
from nas.latency.target import target_of
from nas.network import build
from nas.settings import TargetSettings
from nas.units.shuffle_v2 import ShuffleV2
from search_spaces.published import catalogue

BY_NAME = {one.name: one for one in catalogue()}
LEVEL = Level("papers", processes=3, rounds=8, most_rounds=16, seconds=0.2, wish=0.035)
TABLE8 = (
    "alexnet", "mobilenet_v1_x1_0", "shufflenet_v1_g3_x2_0", "shufflenet_v1_g3_x1_0",
    "shufflenet_v1_g3_x0_5",
)  # fmt: skip
SIZES = ((224, 224), (480, 640), (720, 1280))
WIDTHS = ("1_4", "1_0", "0_75", "0_5", "0_35")
IDENTITIES = ("mobilenext_x1_0", *(f"mobilenext_x1_0_identity{n}" for n in (2, 3, 4)))
RUNTIMES = ("onnxruntime", "jit", "eager")
LEAST, MOST = 37e6, 601e6
SHUFFLED = (
    ("shufflenet_v2_x0_5", 224), ("shufflenet_v2_x1_0", 224), ("shufflenet_v2_x2_0", 224),
    ("shufflenet_v2_x1_0", 64),
)  # fmt: skip
PARTS = 2
"""The networks of a runtime are measured in so many interleavings, beside one reference."""


def subject(name: str, size: tuple[int, int] = (224, 224)) -> Subject:
    """A published network as a subject."""
    return Subject(f"{name}@{size[0]}x{size[1]}", (3, *size), Build(name, size))


class Build:
    def __init__(self, name: str, size: tuple[int, int]) -> None:
        self.name, self.size = name, size

    def __call__(self) -> nn.Module:
        one, input = BY_NAME[self.name], (3, *self.size)
        if one.reference:
            return one.module(input=input, classes=1000)
        return build(one.architecture(input=input, classes=1000))


class TwoSteps(nn.Module):
    """A `shuffle_v2` unit that shuffles first and splits then, to the same outputs."""

    def __init__(self, unit: ShuffleV2) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, x: Any) -> Any:
        count, channels, height, width = x.shape
        pairs = x.view(count, channels // 2, 2, height, width)
        passed, branched = pairs.transpose(1, 2).reshape(x.shape).chunk(2, dim=1)
        return torch.cat((passed, self.unit.activation(self.unit.branch(branched))), dim=1)


def in_two_steps(name: str, side: int) -> nn.Module:
    """A published ShuffleNet V2 whose units do in two steps what those here do in one."""
    network = build(BY_NAME[name].architecture(input=(3, side, side), classes=1000))
    for place, unit in enumerate(network.units):
        if isinstance(unit, ShuffleV2) and unit.splits:
            network.units[place] = TwoSteps(unit)
    return network


def merged(number: int | None = None) -> Iterator[dict[str, Any]]:
    while True:
        yield fresh(_merged, number)


def _merged(number: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for runtime, (name, side) in product(("onnxruntime", "eager"), SHUFFLED[:number]):
        one = subject(name, (side, side))
        other = Subject("two steps", one.input, partial(in_two_steps, name, side))
        with Instrument(
            target_of(TargetSettings(runtime=runtime)), reference=one, level=LEVEL
        ) as instrument:
            latency = instrument.measure(other)
        values = {"ratio": latency.ratio, "low": latency.ratio_low, "high": latency.ratio_high}
        found[f"{runtime}, {name} at {side}x{side}"] = values
    return found


def measured(runtime: str, names: tuple[str, ...], size: tuple[int, int]) -> dict[str, Any]:
    """ms, ratio to the cheapest of them, both with intervals, and multiply-adds of networks."""
    subjects = [subject(name, size) for name in names]
    costs = [count_module(one.build(), one.input).multiply_adds for one in subjects]
    cheapest = subjects[costs.index(min(costs))]
    target = target_of(TargetSettings(runtime=runtime))
    part = -(-len(subjects) // (PARTS if len(subjects) > 20 else 1))
    with Instrument(target, reference=cheapest, level=LEVEL) as instrument:
        found = [
            latency
            for start in range(0, len(subjects), part)
            for latency in instrument.measure_many(subjects[start : start + part])
        ]
    return {
        name: {
            "ms": one.ms, "low": one.low, "high": one.high, "multiply_adds": cost,
            "ratio": one.ratio, "ratio_low": one.ratio_low, "ratio_high": one.ratio_high,
        }
        for name, one, cost in zip(names, found, costs, strict=True)
    }  # fmt: skip


def table8(number: int | None = None) -> Iterator[dict[str, Any]]:
    while True:
        sizes = SIZES[:number]
        yield {f"{h}x{w}": fresh(measured, "onnxruntime", TABLE8, (h, w)) for h, w in sizes}


def mobilenext(number: int | None = None) -> Iterator[dict[str, Any]]:
    names = [f"{family}_x{width}" for width in WIDTHS for family in ("mobilenext", "mobilenet_v2")]
    wanted = dict.fromkeys([*names, *IDENTITIES])
    while True:
        yield fresh(measured, "onnxruntime", tuple(wanted)[:number], (224, 224))


def everything(runtime: str, number: int | None = None) -> Iterator[dict[str, Any]]:
    names = [
        one.name
        for one in catalogue()
        if one.make is not None and LEAST <= (one.multiply_adds or 0) <= MOST
    ]
    while True:
        yield fresh(measured, runtime, tuple(names[:number]), (224, 224))


def page(raw: Raw) -> str:
    lines = [
        "# What the papers left out: latencies on this machine",
        "",
        "Written by `python benchmarks/papers_latency.py`. One thread, one image, wall-clock "
        "milliseconds with the 95 % interval for another invocation; raw values in "
        "`papers_latency.json`. FLOPs are multiply-adds as counted here.",
        "",
    ]
    lines += bodies("papers_latency", raw, SECTIONS)
    runtimes = [name for name in RUNTIMES if raw.get(f"published-{name}")]
    if len(runtimes) > 1:
        lines += ["## Agreement of the runtimes on the published networks", "", *_agreement(raw)]
    return "\n".join(lines) + "\n"


def _ms(one: dict[str, Any]) -> str:
    return f"{one['ms']:.3g} ({one['low']:.3g}-{one['high']:.3g})"


def _millions(one: dict[str, Any]) -> str:
    return f"{one['multiply_adds'] / 1e6:.0f} M"


def _table8(raw: Raw) -> Iterator[str]:
    yield "ShuffleNet v1, Table 8: time and speed-up over AlexNet, actual beside theoretical (by "
    yield "multiply-adds); the paper's times are of a Snapdragon 820, one thread. ONNX Runtime."
    yield ""
    yield "| size | network | FLOPs | ms here | actual | theoretical | paper, ms | paper, actual |"
    yield "|---|---|---|---|---|---|---|---|"
    for size, found in raw["table8"][-1].items():
        if size == "seen":
            continue
        height, width = map(int, size.split("x"))
        printed = {name: _printed(name, height, width) for name in found}
        alexnet = found["alexnet"]
        for name, one in found.items():
            actual = alexnet["ms"] / one["ms"]
            theory = alexnet["multiply_adds"] / one["multiply_adds"]
            paper = printed[name]
            there = "- | -" if paper is None else f"{paper} | {printed['alexnet'] / paper:.1f}x"
            yield (
                f"| {size} | {name} | {_millions(one)} | {_ms(one)} | {actual:.1f}x | "
                f"{theory:.1f}x | {there} |"
            )


def _printed(name: str, height: int, width: int) -> float | None:
    for speed in BY_NAME[name].speeds:
        if "Snapdragon 820" in speed.device and tuple(speed.input[1:]) == (height, width):
            return speed.value
    return None


def _mobilenext(raw: Raw) -> Iterator[str]:
    found = raw["mobilenext"][-1]
    yield "The paper prints no time of a device. MobileNeXt as its authors' code builds it. ONNX "
    yield "Runtime, 224x224. Both of a pair were measured beside the same third network; the "
    yield "interval of their quotient holds that of both."
    yield ""
    yield "| width | MobileNeXt, FLOPs | ms | MobileNetV2, FLOPs | ms | MobileNeXt / MobileNetV2 |"
    yield "|---|---|---|---|---|---|"
    for width in WIDTHS:
        one, other = found.get(f"mobilenext_x{width}"), found.get(f"mobilenet_v2_x{width}")
        if one and other:
            yield (
                f"| {width.replace('_', '.')} | {_millions(one)} | {_ms(one)} | "
                f"{_millions(other)} | {_ms(other)} | {_over(one, other)} |"
            )
    yield ""
    yield "| identity multiplier | ms | against 1 |"
    yield "|---|---|---|"
    for number, name in enumerate(IDENTITIES, start=1):
        if name in found:
            one, whole = found[name], found[IDENTITIES[0]]
            yield f"| 1/{number} | {_ms(one)} | {_over(one, whole)} |"


def _over(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The ratio of two networks by their ratios to a third, which the machine's clock leaves."""
    if "ratio" not in one:  # measured before ratios were kept
        return f"{one['ms'] / other['ms']:.2f}"
    ratio = one["ratio"] / other["ratio"]
    halves = [math.log(of["ratio_high"] / of["ratio_low"]) / 2 for of in (one, other)]
    half = math.exp(math.hypot(*halves))
    return f"{ratio:.2f} ({ratio / half:.2f}-{ratio * half:.2f})"


def _everything(raw: Raw, runtime: str) -> Iterator[str]:
    found = {k: v for k, v in raw[f"published-{runtime}"][-1].items() if k != "seen"}
    yield f"ShuffleNet V2, Table 8, here: {len(found)} networks under {runtime}, 224x224, by time."
    yield ""
    yield "| network | FLOPs | ms | ms per 100 M |"
    yield "|---|---|---|---|"
    for name, one in sorted(found.items(), key=lambda item: item[1]["ms"]):
        per = 1e8 * one["ms"] / one["multiply_adds"]
        yield f"| {name} | {_millions(one)} | {_ms(one)} | {per:.2f} |"


def _agreement(raw: Raw) -> Iterator[str]:
    found = {name: raw[f"published-{name}"][-1] for name in RUNTIMES if f"published-{name}" in raw}
    names = [name for name in next(iter(found.values())) if name != "seen"]
    orders = {runtime: [one[name]["ms"] for name in names] for runtime, one in found.items()}
    first = next(iter(found.values()))
    orders["multiply-adds"] = [first[name]["multiply_adds"] for name in names]
    yield "| between | Kendall's tau |"
    yield "|---|---|"
    for one, other in combinations(orders, 2):
        yield f"| {one} and {other} | {kendalltau(orders[one], orders[other]).statistic:.2f} |"


def _shuffled(raw: Raw) -> Iterator[str]:
    yield "Time of the network whose units shuffle, then split, over the one whose units take "
    yield "every second channel; both give the same outputs."
    yield ""
    yield "| runtime and network | ratio (95 %) |"
    yield "|---|---|"
    for name, one in raw["merged"][-1].items():
        if name != "seen":
            yield f"| {name} | {one['ratio']:.3f} ({one['low']:.3f}-{one['high']:.3f}) |"


SECTIONS: dict[str, Callable[[Raw], Iterator[str]]] = {
    "merged": _shuffled,
    "table8": _table8,
    "mobilenext": _mobilenext,
    **{f"published-{r}": partial(_everything, runtime=r) for r in RUNTIMES},
}
RUN: dict[str, Callable[..., Iterator[dict[str, Any]]]] = {
    "merged": merged,
    "table8": table8,
    "mobilenext": mobilenext,
    **{f"published-{runtime}": partial(everything, runtime) for runtime in RUNTIMES},
}

if __name__ == "__main__":
    run_sections(__doc__ or "", "papers_latency", RUN, page, often=lambda section: 1)
