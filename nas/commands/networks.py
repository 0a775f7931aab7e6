"""nas networks: the published networks, or the layers of one."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.commands.words import FOLDER, divided, module_given, progress, size
from nas.errors import InputError
from search_spaces.published import catalogue
from search_spaces.published_network import IMAGENET, IMAGENET_CLASSES, PublishedNetwork

if TYPE_CHECKING:
    from rich.table import Table
    from torch import nn

    from nas.outcome import Costs, LayerCost

MEANINGS = "k/s: kernel/stride; g: groups; memory: elements read and written; sees: pixels"


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
    from rich.text import Text

    from nas.counted import costs_of_published
    from nas.tables import following
    from nas.terminal import show, show_json

    input, classes = size(arguments.input or "3x224x224"), arguments.classes or 1000
    with progress("counting") as report:
        found = costs_of_published(input=input, classes=classes, folder=folder, report=report)
    # What a paper prints is for its own images: elsewhere there is nothing to compare it with.
    printed = (input, classes) == (IMAGENET, IMAGENET_CLASSES)
    if arguments.json:
        show_json([_entry(one, found.get(one.name), printed=printed) for one in catalogue()])
        return 0
    show(
        _published_table(found, printed=printed),
        "",
        Text(
            f"at {'x'.join(map(str, input))}; FLOPs are multiply-adds, as in the papers; paper: as "
            "printed, at 3x224x224; err: top-1 on ImageNet, as printed. c: printed, and compared, "
            "without the classifier; r: reconstructed, a choice was needed that no source gives; "
            "n: cannot be built as printed. nas networks NAME tells why, the source, why a count "
            "differs and the printed latencies; --json all of it."
        ),
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


def _published_table(found: Mapping[str, Costs], *, printed: bool) -> Table:
    from nas.tables import amount, table

    made = table("network", "FLOPs", "paper", "diff %", "params", "paper", "err %", "*")
    made.collapse_padding = True
    for one in catalogue():
        costs = found.get(one.name)
        difference = one.difference(costs.multiply_adds) if costs and printed else None
        made.add_row(
            one.name,
            _narrow(amount(costs.multiply_adds if costs else None)),
            _narrow(_as_printed(one.multiply_adds)),
            "-" if difference is None else f"{difference:+.1f}",
            _narrow(amount(costs.parameters if costs else None)),
            _narrow(_as_printed(one.parameters)),
            "-" if one.top1_error is None else f"{one.top1_error:.1f}",
            {"published": "", "reconstructed": "r", "not_buildable": "n"}[one.status]
            + "c" * (not one.classifier_counted),
        )
    return made


def _narrow(amount: str) -> str:
    """75.1M: with the space the longest names would not fit into 80 columns."""
    return amount.replace(" ", "")


def _as_printed(number: int | None) -> str:
    """No digit that the paper does not print."""
    if number is None:
        return "-"
    return f"{number / 1e9:g} G" if number >= 1e9 else f"{number / 1e6:g} M"


def _entry(one: PublishedNetwork, costs: Costs | None, *, printed: bool) -> dict[str, Any]:
    """A network of the catalogue for programs; counts are None where it cannot be built."""
    difference = one.difference(costs.multiply_adds) if costs and printed else None
    compared = one.comparable(costs.multiply_adds) if costs and printed else None
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
        "compared_multiply_adds": compared,
        "difference_percent": difference,
        "deviation": one.deviation,
        "note": one.note,
    }


def _layers(name: str, folder: Path, arguments: Namespace) -> int:
    from nas.costs import count_module, layers
    from nas.names import locate, resolve
    from nas.network import build
    from nas.tables import amount, facts, following, forms
    from nas.terminal import show, show_json

    input = size(arguments.input) if arguments.input else None
    one = next((one for one in catalogue() if one.name == name), None)
    if one and one.make is None and not one.reference:
        if arguments.json:
            show_json({"name": name, "published": _entry(one, None, printed=False)})
        else:
            show(facts([("network", name), *_told(one, None)]))
        return 0
    network = locate(name, input=input, classes=arguments.classes, folder=folder)
    module: nn.Module
    if isinstance(network, Architecture):
        architecture = resolve(name, input=input, classes=arguments.classes, folder=folder)
        module, images, text = build(architecture), architecture.input, architecture.text
    else:
        module, images, text = module_given(name, network), input or IMAGENET, ""
    costs, found = count_module(module, images), layers(module, images)
    printed = images == IMAGENET and (arguments.classes or IMAGENET_CLASSES) == IMAGENET_CLASSES
    if arguments.json:
        rows = [{f: getattr(layer, f) for f in layer.__dataclass_fields__} for layer in found]
        entry = _entry(one, costs, printed=printed) if one else None
        show_json(
            {"name": name, "text": text, **costs.to_json(), "published": entry, "layers": rows}
        )
        return 0
    totals = f"{amount(costs.multiply_adds)} multiply-adds, {amount(costs.parameters)} parameters"
    told = [("network", name), ("in all", totals), ("not counted", ", ".join(costs.uncounted))]
    if one:
        told += _told(one, one.difference(costs.multiply_adds) if printed else None)
        told += _changed(one, images)
    show(_layer_table(found), "", MEANINGS)
    show(facts(told))
    if text:
        show("", forms([("text form", text)]))
    show(following([(f"nas latency {name}", "measure it here")]))
    return 0


def _layer_table(found: Sequence[LayerCost]) -> Table:
    from nas.tables import amount, table

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
    return made


def _told(one: PublishedNetwork, difference: float | None) -> list[tuple[str, str]]:
    """What is printed of a network, where, and how the count compares with it."""
    rule = "with" if one.classifier_counted else "without"
    printed = [
        f"{_as_printed(one.multiply_adds)} multiply-adds {rule} classifier"
        if one.multiply_adds
        else "",
        f"{_as_printed(one.parameters)} parameters" if one.parameters else "",
        f"top-1 error {one.top1_error:g} %" if one.top1_error else "",
    ]
    speeds = [
        f"{speed.value:g} {speed.unit} at {'x'.join(map(str, speed.input[1:]))}, {speed.device} "
        f"({speed.source})"
        for speed in one.speeds
    ]
    return [
        ("source", one.source),
        ("printed", ", ".join(filter(None, printed))),
        ("difference", "" if difference is None else f"{difference:+.2f} % in multiply-adds"),
        ("why", one.deviation),
        (one.status.replace("_", " "), one.reason),
        ("note", one.note),
        *((("" if number else "speed"), speed) for number, speed in enumerate(speeds)),
    ]


def _changed(one: PublishedNetwork, images: tuple[int, int, int]) -> list[tuple[str, str]]:
    """What a small input changes about a published network."""
    if one.make is None or images == IMAGENET:
        return []
    here, there = one.architecture(input=images), one.architecture()
    strides = [sum(unit.stride == 2 for unit in which.units) for which in (here, there)]
    fewer = strides[1] - strides[0]
    words = [
        "the stem does not pool" * (there.stem.pool and not here.stem.pool),
        "the stem keeps the size" * (there.stem.stride > here.stem.stride),
        ("a stage keeps the size" if fewer == 1 else f"{fewer} stages keep the size") * (fewer > 0),
    ]
    said = ", ".join(filter(None, words))
    return [("at this size", f"{said}; what is printed is of 224x224" if said else "")]


def _no_settings(verb: str, overrides: Sequence[str]) -> None:
    if overrides:
        raise InputError(
            f"nas {verb}: takes no settings but {FOLDER}; got {overrides[0]!r}; allowed: "
            f"nas {verb} --help"
        )
