"""nas latency: networks measured side by side, by runtime, by operator, or off a block table."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.architecture import Architecture
from nas.commands.words import divided, module_given, size
from nas.errors import InputError
from search_spaces.published_network import IMAGENET

if TYPE_CHECKING:
    from nas.latency.compare import Comparison, SideBySide
    from nas.latency.profile import Profile
    from nas.latency.subject import Subject
    from nas.settings import Settings

SHORT = 24
"""Longer names are listed below a table."""

ONLY_IF = {"lease_seconds": 0.05, "cooling": 1, "throttled": 1}
"""What is told from so much on."""

NARROW = {"data movement": "movement", "pooling and the rest": "rest"}
"""Parts of a profile as they fit into a line."""

Named = list[tuple[str, "Architecture | Subject"]]


def latency(arguments: Namespace) -> int:
    """Networks measured side by side; ratios are to the first."""
    from nas.settings.compose import compose

    names, folder, overrides = divided(arguments.overrides)
    chosen = [f for f in ("compare", "profile", "table") if getattr(arguments, f)]
    if len(chosen) > 1:
        raise InputError(
            f"nas latency: does one thing at a time; got --{' and --'.join(chosen)}; allowed: one "
            "of them"
        )
    if not names and not arguments.table:
        raise InputError(
            "nas latency: takes one network or more; got none; allowed: nas latency "
            "shufflenet_v2_x0_5 shufflenet_v1_g3_x0_5; nas networks lists the published ones"
        )
    settings = compose(overrides, config_dir=arguments.config_dir)
    if arguments.table:
        from nas.commands.block_table import block_table

        return block_table(arguments, names, folder, settings)
    networks = named(names, folder, arguments)
    if arguments.compare:
        return _by_runtime(arguments, networks, settings, folder)
    if arguments.profile:
        return _by_operator(arguments, networks, settings)
    return _side_by_side(arguments, networks, settings, folder)


def named(names: Sequence[str], folder: Path, arguments: Namespace) -> Named:
    """Networks as the instrument takes them, beside the words that name them.

    Raises:
        InputError: a word names no network.
    """
    return [(name, _network(name, folder, arguments)) for name in names]


def _network(name: str, folder: Path, arguments: Namespace) -> Architecture | Subject:
    from nas.latency.subject import Subject
    from nas.names import locate

    input = size(arguments.input) if arguments.input else None
    found = locate(name, input=input, classes=arguments.classes, folder=folder)
    if isinstance(found, Architecture):
        return found
    module = module_given(name, found)
    size_of = input or IMAGENET
    return Subject(f"{name}@{'x'.join(map(str, size_of))}", size_of, lambda: module)


def _multiply_adds(networks: Named) -> dict[str, int]:
    from nas.costs import count_module
    from nas.latency.subject import running, subject

    found = {}
    for name, network in networks:
        one = subject(network)
        with running(one):
            found[name] = count_module(one.build(), one.input).multiply_adds
    return found


def _side_by_side(arguments: Namespace, networks: Named, settings: Settings, folder: Path) -> int:
    from nas.latency.compare import side_by_side
    from nas.latency.target import target_of
    from nas.terminal import show_json

    target = target_of(settings.target)
    _announce(target.key)
    costs = _multiply_adds(networks)
    statistic = settings.objective.latency_statistic
    found = side_by_side(target, networks, multiply_adds=costs, statistic=statistic, folder=folder)
    if arguments.json:
        show_json(found)
    else:
        _show_side(found)
    return 0


def _announce(what: str) -> None:
    from nas.terminal import console

    console(errors=True).print(f"measuring on {what} ...", soft_wrap=True)


def shortened(names: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Names that fit into a table, and the long ones behind them."""
    short = [n if len(n) <= SHORT else f"network {i}" for i, n in enumerate(names, start=1)]
    return short, [(a, b) for a, b in zip(short, names, strict=True) if a != b]


def _show_side(found: SideBySide) -> None:
    from nas.tables import amount, facts, following, forms, interval, table
    from nas.terminal import show

    names = [one.name for one in found.networks]
    short, long = shortened(names)
    made = table("network", "latency, ms (95 %)", "ratio", "rank", "FLOPs")
    for name, one in zip(short, found.networks, strict=True):
        made.add_row(
            name,
            interval(one.latency),
            f"{one.latency.ratio:.3f}",
            str(one.rank),
            amount(one.multiply_adds),
        )
    show(made, "", *([forms(long), ""] if long else []))
    last = found.networks[-1].latency
    show(
        facts(
            [
                ("target", found.target.key),
                ("ratio", f"to {short[0]}"),
                ("measured", f"{last.statistic}, {last.rounds} rounds, {last.processes} processes"),
                ("disturbed", disturbed([one.latency.conditions for one in found.networks])),
            ]
        )
    )
    if any(one.latency.status != "RESOLVED" for one in found.networks):
        show("* not resolved: the ratio is less sure than the instrument aims at")
    show(following([("nas search objective.latency_of=" + names[0], "beat it")]))


def disturbed(conditions: Sequence[Mapping[str, Any]]) -> str:
    """What stood in the way while networks were timed, in a line."""

    def values(key: str) -> list[float]:
        return [one[key] for one in conditions if one.get(key) is not None]

    words = []
    for key, pick, form in (
        ("preempted_share", max, "{:.0%} of calls interrupted"),
        ("quiet_share", min, "{:.0%} of turns quiet"),
        ("load", max, "load {:.1f}"),
        ("lease_seconds", max, "waited {:.1f} s for the machine"),
        ("mhz", min, "{:.0f} MHz at the least"),
        ("celsius", max, "{:.0f} degrees at the most"),
        ("cooling", max, "clocks held down by {:.0f} steps"),
        ("throttled", max, "throttled {:.0f} times"),
    ):
        if found := values(key):
            value = pick(found)
            if key not in ONLY_IF or value >= ONLY_IF[key]:
                words.append(form.format(value))
    copies = values("duplicate_ratio")
    if copies:
        off = max(copies, key=lambda one: abs(one - 1)) - 1
        words.append(f"a hidden copy of the reference came out {100 * off:+.1f} %")
    return ", ".join(words)


def _by_runtime(arguments: Namespace, networks: Named, settings: Settings, folder: Path) -> int:
    from nas.latency.compare import compare
    from nas.latency.runtimes import runtime_of
    from nas.latency.target import target_of
    from nas.terminal import show_json

    runtimes = list(dict.fromkeys(arguments.compare.split(",")))
    for runtime in runtimes:
        runtime_of(runtime)
    if len(runtimes) < 2 or len(networks) < 2:
        raise InputError(
            "nas latency --compare: compares two runtimes or more on two networks or more; got "
            f"{len(runtimes)} and {len(networks)}; allowed: nas latency A B --compare "
            "onnxruntime,eager"
        )
    # Every target is made before anything is measured: a missing runtime is told at once.
    targets = [target_of(replace(settings.target, runtime=runtime)) for runtime in runtimes]
    _announce(", ".join(target.key for target in targets))
    costs = _multiply_adds(networks)
    statistic = settings.objective.latency_statistic
    found = compare(targets, networks, multiply_adds=costs, statistic=statistic, folder=folder)
    if arguments.json:
        show_json(found)
    else:
        _show_comparison(found, networks)
    return 0


def _show_comparison(found: Comparison, networks: Named) -> None:
    from nas.tables import amount, facts, forms, table
    from nas.terminal import show

    short, long = shortened([name for name, _ in networks])
    made = table("network", "FLOPs", *(f"{s.target.runtime}, ms" for s in found.targets))
    for number, name in enumerate(short):
        row = [side.networks[number] for side in found.targets]
        cells = [f"{one.latency.ms:.3g} ({one.rank})" for one in row]
        made.add_row(name, amount(row[0].multiply_adds), *cells)
    show(made, "", "(rank); milliseconds of two targets are never compared, only their order", "")
    show(*([forms(long), ""] if long else []))
    show(*(f"{one.runtime} is left out: {one.reason}" for one in found.refused))
    agreement = table("agreement of ranks between", "Kendall's tau")
    for one in found.agreements:
        agreement.add_row(" and ".join(one.between), f"{one.tau:.2f}")
    conditions = [n.latency.conditions for side in found.targets for n in side.networks]
    show(agreement, "", facts([("disturbed", disturbed(conditions))]))


def _by_operator(arguments: Namespace, networks: Named, settings: Settings) -> int:
    from nas.latency.profile import profile
    from nas.latency.target import target_of
    from nas.terminal import show_json

    target = target_of(settings.target)
    _announce(target.key)
    found = [(name, profile(network, target)) for name, network in networks]
    if arguments.json:
        rows = [{**one.to_json(), "name": name} for name, one in found]
        show_json({"target": target.to_json(), "networks": rows})
    else:
        _show_profiles(found)
    return 0


def _show_profiles(found: Sequence[tuple[str, Profile]]) -> None:
    from nas.tables import forms, table
    from nas.terminal import show

    short, long = shortened([name for name, _ in found])
    parts = list(found[0][1].shares)
    made = table("network", *(NARROW.get(part, part) for part in parts))
    for name, (_, one) in zip(short, found, strict=True):
        made.add_row(name, *(f"{100 * one.shares[part]:.0f} %" for part in parts))
    show(made, "")
    show(*([forms(long), ""] if long else []))
    made = table("network", "operator", "us a call", left=2)
    for name, (_, one) in zip(short, found, strict=True):
        for operator, us in list(one.operator_us.items())[:5]:
            made.add_row(name, operator, f"{us:.0f}")
    show(
        made,
        "",
        "shares of a call's time in the parts of ShuffleNet V2, figure 2; what the runtime fuses "
        "into a convolution counts as convolution",
    )
