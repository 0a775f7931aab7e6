"""nas networks: the published networks, or the layers of one."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.commands.words import FOLDER, divided, module_given, progress, size
from nas.errors import InputError
from search_spaces.published import catalogue
from search_spaces.published_network import IMAGENET, IMAGENET_CLASSES, PublishedNetwork

if TYPE_CHECKING:
    from torch import nn

    from nas.outcome import Costs


def networks(arguments: Namespace) -> int:
    """The published networks with their costs, or the layers of one network."""
    names, folder, overrides = divided(arguments.overrides)
    _no_settings("networks", overrides)
    if len(names) > 1:
        raise InputError(
            f"nas networks: takes one network; got {len(names)}; allowed: nas networks NAME, or "
            "nas latency NAME... for several side by side"
        )
    if names:
        return _layers(names[0], folder, arguments)
    from nas.counted import costs_of_published
    from nas.tables import amount, following, table
    from nas.terminal import show, show_json

    input, classes = size(arguments.input or "3x224x224"), arguments.classes or 1000
    with progress("counting") as report:
        found = costs_of_published(input=input, classes=classes, folder=folder, report=report)
    # What a paper prints is for its own images: elsewhere there is nothing to compare it with.
    printed = (input, classes) == (IMAGENET, IMAGENET_CLASSES)
    if arguments.json:
        show_json([_entry(one, found.get(one.name), printed=printed) for one in catalogue()])
        return 0
    made = table("network", "FLOPs", "printed", "diff %", "params", "printed", "err %", "*")
    for one in catalogue():
        costs = found.get(one.name)
        difference = one.difference(costs.multiply_adds) if costs and printed else None
        made.add_row(
            one.name,
            amount(costs.multiply_adds if costs else None),
            amount(one.multiply_adds),
            "-" if difference is None else f"{difference:+.1f}",
            amount(costs.parameters if costs else None),
            amount(one.parameters),
            "-" if one.top1_error is None else f"{one.top1_error:.1f}",
            {"published": "", "reconstructed": "r", "not_buildable": "n"}[one.status],
        )
    show(
        made,
        "",
        f"at {'x'.join(map(str, input))}; FLOPs are multiply-adds, as in the papers; printed: by "
        "the paper, at 3x224x224. r: reconstructed, a choice was needed that no source gives; n: "
        "cannot be built as printed; err: top-1 on ImageNet, as printed. --json tells why, the "
        "source, the counting rule, the deviation and the printed latencies.",
    )
    show(
        following(
            [
                ("nas networks shufflenet_v2_x1_0", "the layers of one"),
                ("nas latency shufflenet_v2_x1_0", "measure it here"),
            ]
        )
    )
    return 0


def _entry(one: PublishedNetwork, costs: Costs | None, *, printed: bool) -> dict[str, Any]:
    """A network of the catalogue for programs; counts are None where it cannot be built."""
    difference = one.difference(costs.multiply_adds) if costs and printed else None
    return {
        "name": one.name,
        "status": one.status,
        "reason": one.reason,
        "source": one.source,
        "multiply_adds": costs and costs.multiply_adds,
        "parameters": costs and costs.parameters,
        "memory_access": costs and costs.memory_access,
        "printed_multiply_adds": one.multiply_adds,
        "printed_parameters": one.parameters,
        "printed_top1_error": one.top1_error,
        "printed_speeds": [asdict(speed) for speed in one.speeds],
        "classifier_counted": one.classifier_counted,
        "difference_percent": difference,
        "deviation": one.deviation,
        "note": one.note,
    }


def _layers(name: str, folder: Path, arguments: Namespace) -> int:
    from nas.costs import count_module, layers
    from nas.names import locate, resolve
    from nas.network import build
    from nas.tables import amount, facts, following, forms, table
    from nas.terminal import show, show_json

    input = size(arguments.input) if arguments.input else None
    network = locate(name, input=input, classes=arguments.classes, folder=folder)
    module: nn.Module
    if isinstance(network, Architecture):
        architecture = resolve(name, input=input, classes=arguments.classes, folder=folder)
        module, images, text = build(architecture), architecture.input, architecture.text
    else:
        module, images, text = module_given(name, network), input or IMAGENET, ""
    costs, found = count_module(module, images), layers(module, images)
    if arguments.json:
        rows = [{f: getattr(layer, f) for f in layer.__dataclass_fields__} for layer in found]
        show_json({"name": name, "text": text, **costs.to_json(), "layers": rows})
        return 0
    made = table("layer", "output", "k/s", "g", "FLOPs", "params", "memory", "sees")
    for layer in found:
        made.add_row(
            layer.name.removesuffix(".conv"),
            "x".join(map(str, layer.output)),
            str(layer.kernel_size) + (f"/{layer.stride}" if layer.stride > 1 else ""),
            str(layer.groups),
            amount(layer.multiply_adds),
            amount(layer.parameters),
            amount(layer.memory_access),
            str(layer.receptive_field),
        )
    show(made, "", "k/s: kernel/stride; g: groups; memory: elements read and written; sees: pixels")
    totals = f"{amount(costs.multiply_adds)} multiply-adds, {amount(costs.parameters)} parameters"
    show(
        facts([("network", name), ("in all", totals), ("not counted", ", ".join(costs.uncounted))])
    )
    if text:
        show("", forms([("text form", text)]))
    show(following([(f"nas latency {name}", "measure it here")]))
    return 0


def _no_settings(verb: str, overrides: Sequence[str]) -> None:
    if overrides:
        raise InputError(
            f"nas {verb}: takes no settings but {FOLDER}; got {overrides[0]!r}; allowed: "
            f"nas {verb} --help"
        )
