"""nas space: a search space without a study."""

from __future__ import annotations

import shlex
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from nas.commands.words import divided, progress
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.settings import Settings
    from nas.space import SearchSpace


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
    with progress("counting") as report:
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
    again = shlex.join(["nas", "search", *(overrides or [f"space={found.name}"])])
    show(following([(again, "search it")]))
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
