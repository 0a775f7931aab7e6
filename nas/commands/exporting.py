"""nas export, verify: one network as files to deploy, and the same files checked again."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from nas.commands.winners import only_network, ui_of
from nas.commands.words import divided
from nas.errors import InputError

if TYPE_CHECKING:
    from nas.export.write import Exported
    from nas.settings import TargetSettings
    from nas.tracking import Registered


def export(arguments: Namespace) -> int:
    """Write one trained network as files to deploy, each checked and measured."""
    from nas.export.source import find
    from nas.export.write import export as write
    from nas.terminal import console

    word, folder, overrides = only_network("export", arguments.overrides)
    if arguments.to is None:
        raise InputError(
            f"nas export: writes into a folder; got none; allowed: nas export {word} --to DIR"
        )
    source = find(
        word,
        overrides,
        folder=folder,
        config_dir=arguments.config_dir,
        weights=arguments.weights,
    )
    told = console(errors=True)
    told.print(f"weights: {source.weights}", soft_wrap=True)
    made = write(
        source,
        arguments.to,
        inside=arguments.normalise_inside,
        latency=not arguments.no_latency,
        command=arguments.command,
        say=lambda line: told.print(line, soft_wrap=True),
    )
    entry = None
    if arguments.register is not None:
        uri = source.settings.tracking.uri
        entry = _registered(made, folder, uri, arguments.register or source.name, arguments.alias)
    _show_export(made, entry, folder, arguments)
    return 0


def _registered(made: Exported, folder: Path, uri: str | None, name: str, alias: str) -> Registered:
    import numpy as np

    from nas.export.folder import GOLDEN
    from nas.export.forms import DYNAMIC, STATIC, TOLERANCE
    from nas.tracking import register

    found = made.manifest
    with np.load(made.folder / GOLDEN, allow_pickle=False) as golden:
        inputs, outputs = golden["inputs"], golden["outputs"]
    latency = found.latencies.get(STATIC)
    return register(
        made.folder / DYNAMIC,
        name=name,
        alias=alias,
        uri=uri,
        runs=folder,
        inputs=inputs,
        outputs=outputs,
        tags={
            "nas.exported": found.name,
            "nas.source": found.source,
            "nas.fingerprint": found.fingerprint,
            "nas.study": found.study or None,
            "nas.trial": found.trial,
            "nas.command": found.command,
        },
        metrics={
            "test_accuracy": found.test_accuracy,
            "accuracy": found.validation_accuracy,
            "latency_ms": latency.ms if latency else None,
        },
        files=made.folder,
        tolerance=TOLERANCE,
    )


def _show_export(
    made: Exported, entry: Registered | None, folder: Path, arguments: Namespace
) -> None:
    from nas.tables import facts, following, interval, percent, table
    from nas.terminal import show, show_json

    found = made.manifest
    if arguments.json:
        show_json({"folder": str(made.folder), **found.to_json(), "registered": entry})
        return
    files = table("file", "difference", "latency, ms (95 %)", "ratio")
    for name, difference in found.differences.items():
        latency = found.latencies.get(name)
        ratio = f"{latency.ratio:.3f}" if latency else "-"
        files.add_row(name, f"{difference:.1e}", interval(latency), ratio)
    low, high = percent(found.test_low), percent(found.test_high)
    tested = f"{percent(found.test_accuracy)} of {found.test_images} images ({low} to {high})"
    rows = [
        ("folder", str(made.folder)),
        ("test", tested),
        ("target", str(found.target.get("key", "not measured"))),
        ("ratio", f"to {found.reference}" if found.latencies else ""),
        ("registered", f"{entry.uri} (version {entry.version})" if entry else ""),
    ]
    show("", files, "", facts(rows))
    if any(one.status != "RESOLVED" for one in found.latencies.values()):
        show("* not resolved: the ratio is less sure than the instrument aims at")
    check = (shlex.join(["nas", "verify", str(made.folder)]), "check it, here or elsewhere")
    show(following([check, *([(ui_of(folder), "the model in the MLflow UI")] if entry else [])]))


def verify(arguments: Namespace) -> int:
    """Check an exported folder again; 1 where something disagrees with what it says."""
    from nas.export.verify import Check
    from nas.export.verify import verify as checks
    from nas.terminal import console, show, show_json

    names, _, overrides = divided(arguments.overrides)
    if len(names) != 1:
        raise InputError(
            f"nas verify: takes one exported folder; got {' and '.join(names) or 'none'}; allowed: "
            "nas verify DIR"
        )
    folder = Path(names[0])
    target = _target(folder, overrides, arguments.config_dir)
    told, found = console(errors=arguments.json), list[Check]()
    words = {True: "agrees", False: "DISAGREES", None: "not compared"}
    for check in checks(
        folder, data=arguments.data, target=target, latency=not arguments.no_latency
    ):
        found.append(check)
        told.print(f"{check.what}: {words[check.agrees]}; {check.told}", soft_wrap=True)
    wrong = [check.what for check in found if check.agrees is False]
    agrees = sum(check.agrees is True for check in found)
    if arguments.json:
        show_json({"agrees": not wrong, "checks": found})
    else:
        ended = f"disagrees: {', '.join(wrong)}" if wrong else f"agrees in all {agrees} compared"
        show("", f"{folder}: {ended}")
    return 1 if wrong else 0


def _target(folder: Path, overrides: list[str], config_dir: Path | None) -> TargetSettings | None:
    """The target the folder was measured on, with overrides; None without any."""
    if not overrides:
        return None
    from dataclasses import replace

    from nas.export.folder import read
    from nas.settings import Settings, TargetSettings
    from nas.settings.compose import override

    others = [one for one in overrides if not one.startswith(("target.", "target="))]
    if others:
        raise InputError(
            f"nas verify: takes settings of the target alone; got {others[0]!r}; allowed: "
            "target=..., target.threads=..., --data PATH"
        )
    before = TargetSettings(**read(folder).target_settings)
    return override(replace(Settings(), target=before), overrides, config_dir=config_dir).target
