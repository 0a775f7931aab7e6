"""nas space, networks, latency: networks without a study."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.commands.words import FOLDER, divided, size
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.latency.subject import Subject
    from nas.outcome import Costs, Latency
    from nas.settings import Settings
    from nas.space import SearchSpace

SHORT = 24
"""Longer names are listed below a table."""


def space(arguments: Namespace) -> int:
    """Genes, size and the range of costs of a space, on the images of `data`."""
    from nas.counted import ranges
    from nas.settings.compose import compose
    from nas.tables import facts, following, plain, table
    from nas.terminal import show, show_json

    names, folder, overrides = divided(arguments.overrides)
    if len(names) > 1:
        raise InputError(
            f"nas space: takes one space; got {' and '.join(names)}; allowed: nas space mixed"
        )
    if names:
        # A class of the user's own is named as everywhere else.
        key = "space.source" if ":" in names[0] else "space"
        overrides = [f"{key}={names[0]}", *overrides]
    found = _made(compose(overrides, config_dir=arguments.config_dir))
    with _progress("counting") as report:
        costs = ranges(found, folder=folder, report=report)
    if arguments.json:
        genes = [{"name": gene.name, "options": list(gene.options)} for gene in found.genes]
        head = {"name": found.name, "size": found.size, "input": found.input}
        show_json({**head, "classes": found.classes, "genes": genes, **plain(costs)})
        return 0
    made = table("gene", "options", left=2)
    for gene in found.genes:
        made.add_row(gene.name, ", ".join(map(str, gene.options)))
    show(made, "", facts(_space_facts(found, costs)))
    show(following([(f"nas search space={names[0] if names else found.name}", "search it")]))
    return 0


def _made(settings: Settings) -> SearchSpace:
    from nas.composition import make_space

    if settings.evaluation.name == "table":
        return make_space(settings.space)
    from nas.data import load

    data = load(settings.data)
    return make_space(settings.space, input=data.input, classes=data.classes)


def _space_facts(found: SearchSpace, costs: Any) -> list[tuple[str, str]]:
    from nas.tables import amount

    def words(range_: Any) -> str:
        least, median, most = map(amount, (range_.least, range_.median, range_.most))
        return f"{least} to {most}, median {median} (over {costs.draws} draws)"

    return [
        ("space", found.name),
        ("source", found.citation),
        ("images", f"{'x'.join(map(str, found.input))}, {found.classes} classes"),
        ("size", f"{found.size:,} combinations of {len(found.genes)} genes"),
        ("multiply-adds", words(costs.multiply_adds)),
        ("parameters", words(costs.parameters)),
    ]


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

    input = size(arguments.input or "3x224x224")
    with _progress("counting") as report:
        found = costs_of_published(
            input=input, classes=arguments.classes or 1000, folder=folder, report=report
        )
    if arguments.json:
        show_json([{"name": name, **costs.to_json()} for name, costs in found.items()])
        return 0
    made = table("published network", "FLOPs", "parameters", "memory access")
    for name, costs in found.items():
        made.add_row(
            name, *map(amount, (costs.multiply_adds, costs.parameters, costs.memory_access))
        )
    last = next(reversed(found))
    show(made, "", f"at {'x'.join(map(str, input))}; FLOPs are multiply-adds, as in the papers")
    show(
        following(
            [
                (f"nas networks {last}", "the layers of one"),
                (f"nas latency {last}", "measure it here"),
            ]
        )
    )
    return 0


def _layers(name: str, folder: Path, arguments: Namespace) -> int:
    from nas.costs import count, layers
    from nas.names import resolve
    from nas.network import build
    from nas.tables import amount, facts, following, forms, table
    from nas.terminal import show, show_json

    architecture = resolve(
        name,
        input=size(arguments.input) if arguments.input else None,
        classes=arguments.classes,
        folder=folder,
    )
    costs, found = count(architecture), layers(build(architecture), architecture.input)
    if arguments.json:
        rows = [{f: getattr(layer, f) for f in layer.__dataclass_fields__} for layer in found]
        show_json({"name": name, "text": architecture.text, **costs.to_json(), "layers": rows})
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
    show("", forms([("text form", architecture.text)]))
    show(following([(f"nas latency {name}", "measure it here")]))
    return 0


def latency(arguments: Namespace) -> int:
    """Networks measured side by side; ratios are to the first."""
    from nas.latency.instrument import Instrument
    from nas.latency.target import target_of
    from nas.settings.compose import compose
    from nas.terminal import console, show_json

    names, folder, overrides = divided(arguments.overrides)
    if not names:
        raise InputError(
            "nas latency: takes one network or more; got none; allowed: nas latency "
            "shufflenet_v2_x0_5 shufflenet_v1_g3_x0_5; nas networks lists the published ones"
        )
    settings = compose(overrides, config_dir=arguments.config_dir)
    subjects = [_subject(name, folder, arguments) for name in names]
    target = target_of(settings.target)
    console(errors=True).print(f"measuring on {target.key} ...", soft_wrap=True)
    with Instrument(target, reference=subjects[0]) as instrument:
        measured = instrument.measure_many(subjects)
    costs = [_costs(subject) for subject in subjects]
    if arguments.json:
        rows = [
            {"name": name, **found.to_json(), "costs": cost.to_json()}
            for name, found, cost in zip(names, measured, costs, strict=True)
        ]
        show_json({"target": target.to_json(), "networks": rows})
        return 0
    _show_latencies(names, measured, costs, target.key)
    return 0


def _subject(name: str, folder: Path, arguments: Namespace) -> Subject:
    """A network as the instrument takes it, under a name of its own."""
    from nas.latency.subject import Subject, subject
    from nas.names import locate

    input = size(arguments.input) if arguments.input else None
    found = locate(name, input=input, classes=arguments.classes, folder=folder)
    if isinstance(found, Architecture):
        return subject(found)
    from torch import nn

    if not isinstance(found, nn.Module):
        raise InputError(
            f"network {name}: must be an Architecture or a torch module; got "
            f"{type(found).__qualname__}; allowed: a function of yours that returns one"
        )
    return Subject(name, input or (3, 224, 224), lambda: found)


def _costs(subject: Subject) -> Costs:
    from nas.costs import count_module

    return count_module(subject.build(), subject.input)


def _show_latencies(
    names: Sequence[str], measured: Sequence[Latency], costs: Sequence[Costs], target: str
) -> None:
    from nas.tables import amount, facts, following, forms, interval, table
    from nas.terminal import show

    order = sorted(measured, key=lambda one: one.ms)
    made = table("network", "latency, ms (95 %)", "ratio", "rank", "FLOPs")
    long = []
    for number, (name, found, cost) in enumerate(zip(names, measured, costs, strict=True), start=1):
        short = name if len(name) <= SHORT else f"network {number}"
        if short != name:
            long.append((short, name))
        made.add_row(
            short,
            interval(found),
            f"{found.ratio:.3f}",
            str(order.index(found) + 1),
            amount(cost.multiply_adds),
        )
    first = measured[0]
    conditions = first.conditions
    disturbed = conditions.get("preempted_share")
    show(made, "", *([forms(long), ""] if long else []))
    show(
        facts(
            [
                ("target", target),
                ("ratio", f"to {names[0] if len(names[0]) <= SHORT else 'network 1'}"),
                (
                    "measured",
                    f"{first.statistic} of {first.rounds} rounds",
                ),
                ("disturbed", "" if disturbed is None else f"{100 * disturbed:.0f} % of its calls"),
            ]
        )
    )
    if any(one.status != "RESOLVED" for one in measured):
        show("* not resolved: the interval is wider than the instrument aims at")
    show(following([("nas search objective.latency_of=" + names[0], "beat it")]))


def _no_settings(verb: str, overrides: Sequence[str]) -> None:
    if overrides:
        raise InputError(
            f"nas {verb}: takes no settings but {FOLDER}; got {overrides[0]!r}; allowed: "
            f"nas {verb} --help"
        )


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    from rich.progress import Progress

    from nas.terminal import console

    errors = console(errors=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        task = progress.add_task(what)
        yield lambda done, of: progress.update(task, completed=done, total=of)
