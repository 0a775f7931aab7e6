"""nas latency --table: block times of a search space, and what they predict."""

from __future__ import annotations

import random
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.commands.words import size
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.latency.table import BlockTable
    from nas.latency.target import Target
    from nas.settings import Settings
    from nas.space import SearchSpace

NETWORKS = 24
TRIES = 1000


def block_table(
    arguments: Namespace, names: Sequence[str], folder: Path, settings: Settings
) -> int:
    """Measure and store the table of a space; with networks named, predict them from it.

    A stored table of the same target, space and images is used where networks are named, and
    measured anew where none is.
    """
    from nas.commands.latency import named
    from nas.latency.table import BlockTable, table_path
    from nas.latency.target import target_of
    from nas.terminal import show_json

    space = _space(arguments, settings)
    target = target_of(settings.target)
    networks = [(name, _architecture(name, one)) for name, one in named(names, folder, arguments)]
    path = table_path(folder, target.key, space.fingerprint)
    stored = bool(names) and path.is_file()
    table = BlockTable.read(path) if stored else _measured(space, target, settings)
    if not stored:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.write(path)
    found = [(name, table.predict(network)) for name, network in networks]
    if arguments.json:
        show_json(
            {
                "target": target.to_json(),
                "space": space.name,
                "path": str(path),
                "blocks": len(table.blocks),
                "factors": table.factors,
                "accuracy": table.accuracy,
                "networks": [{"name": name, "prediction": one} for name, one in found],
            }
        )
        return 0
    _show(table, path, space, target, found)
    return 0


def _space(arguments: Namespace, settings: Settings) -> SearchSpace:
    from dataclasses import replace

    from nas.composition import make_space

    chosen = {"source": arguments.table} if ":" in arguments.table else {"name": arguments.table}
    input = size(arguments.input or "3x224x224")
    return make_space(
        replace(settings.space, **chosen), input=input, classes=arguments.classes or 1000
    )


def _architecture(name: str, network: object) -> Architecture:
    if isinstance(network, Architecture):
        return network
    raise InputError(
        f"network {name}: a table of blocks predicts networks made of units; got a torch module; "
        "allowed: nas latency without --table measures it"
    )


def _measured(space: SearchSpace, target: Target, settings: Settings) -> BlockTable:
    from nas.costs import count
    from nas.latency.instrument import Instrument
    from nas.latency.table import build_table
    from nas.names import resolve
    from nas.terminal import console

    networks = drawn(space)
    told = console(errors=True)
    told.print(f"measuring blocks of {space.name} on {target.key} ...", soft_wrap=True)
    name = settings.objective.reference
    reference = resolve(name, input=space.input, classes=space.classes)
    with Instrument(target, reference=reference) as instrument:
        costs = [count(one).multiply_adds for one in networks]
        return build_table(instrument, networks, multiply_adds=costs)


def drawn(space: SearchSpace, number: int = NETWORKS) -> list[Architecture]:
    """Different networks of a space, the same ones every time."""
    rng, found = random.Random(0), {}
    for _ in range(TRIES):
        one = space.decode(space.sample(rng))
        found[one.fingerprint] = one
        if len(found) == number:
            break
    return list(found.values())


def _show(
    table: BlockTable, path: Path, space: SearchSpace, target: Target, found: Sequence[Any]
) -> None:
    from nas import tables
    from nas.commands.latency import shortened
    from nas.terminal import show

    one = table.accuracy
    families = ", ".join(f"{name} {factor:.2f}" for name, factor in table.factors.items())
    show(
        tables.facts(
            [
                ("target", target.key),
                ("blocks", f"{len(table.blocks)} of {space.name}"),
                ("factors", families),
                (
                    "error",
                    f"{100 * one.error:.1f} % on {one.networks} networks it was not calibrated on "
                    f"(nine in ten within {100 * one.p90:.1f} %, tau {one.tau:.2f})",
                ),
                (
                    "multiply-adds",
                    f"a line through them, fitted on the same: {100 * one.multiply_adds_error:.1f} "
                    "%",
                ),
                ("table", str(path)),
            ]
        )
    )
    if found:
        short, long = shortened([name for name, _ in found])
        made = tables.table("network", "predicted, ms", "ratio", "blocks guessed")
        for name, (_, guess) in zip(short, found, strict=True):
            if guess is None:
                made.add_row(name, "-", "-", "a kind that was not measured")
            else:
                shares = f"{100 * guess.estimated:.0f} %"
                made.add_row(name, f"{guess.ms:.3g}", f"{guess.ratio:.3f}", shares)
        show("", made, *(["", tables.forms(long)] if long else []))
    again = f"nas latency NETWORK --table {space.name}"
    show(tables.following([(again, "predict from this table"), ("nas search", "measured all")]))
