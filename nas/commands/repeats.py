"""nas repeat: a trial done again from its MLflow run."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from nas.commands.words import FOLDER, divided
from nas.errors import InputError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from nas.outcome import Outcome
    from nas.repeating import Repeated

DIFFERS = 1


def repeat(arguments: Namespace) -> int:
    """Do a trial again and say whether it comes out as it did; 1 if it does not."""
    from nas.repeating import repeat as do_again
    from nas.tables import following
    from nas.terminal import console, show, show_json

    names, folder, others = divided(arguments.overrides)
    if len(names) != 1 or others:
        got = " ".join([*names, *others]) or "none"
        raise InputError(
            f"nas repeat: takes the id of one trial's run in MLflow; got {got}; allowed: "
            f"nas repeat RUN_ID [{FOLDER}=DIR]; the MLflow UI shows the id on the page of a run"
        )
    said = console(errors=True)
    found = do_again(
        names[0],
        runs=folder,
        uri=arguments.uri,
        told=lambda stage: said.print(f"{stage} ...", soft_wrap=True),
    )
    if arguments.json:
        show_json({**vars(found), "agrees": found.agrees})
    else:
        show(_table(found), "")
        show(*(f"not as it was: {remark}" for remark in found.remarks), _verdict(found))
        where = [] if str(folder) == "runs" else [f"{FOLDER}={folder}"]
        network = f"{found.study}:{found.trial}"
        commands = [(" ".join(["nas", "networks", network, *where]), "its layers")]
        show(following(commands))
    return 0 if found.agrees else DIFFERS


def _table(found: Repeated) -> RenderableType:
    from nas.tables import amount, interval, percent, table

    made = table(f"trial {found.trial} of {found.study}", "then", "now", "agree")

    def row(name: str, value: Callable[[Outcome], str], agrees: bool | None) -> None:
        word = {True: "yes", False: "no", None: "-"}[agrees]
        made.add_row(name, value(found.then), value(found.now), word)

    def accuracy(outcome: Outcome) -> str:
        return percent(outcome.evaluation.accuracy if outcome.evaluation else None)

    def multiply_adds(outcome: Outcome) -> str:
        return amount(outcome.costs.multiply_adds if outcome.costs else None)

    def ratio(outcome: Outcome) -> str:
        known = outcome.latency
        return f"{known.ratio:.3f} ({known.ratio_low:.3f}-{known.ratio_high:.3f})" if known else "-"

    row("ended", lambda outcome: outcome.kind, found.then.kind == found.now.kind)
    row("multiply-adds", multiply_adds, found.then.costs == found.now.costs)
    row("validation accuracy", accuracy, found.accuracy_agrees)
    row("latency, ms (95 %)", lambda outcome: interval(outcome.latency), None)
    row("latency, x its reference", ratio, found.latency_agrees)
    return made


def _verdict(found: Repeated) -> str:
    words = []
    for name, agrees, rule in (
        ("accuracy", found.accuracy_agrees, f"+-{100 * found.noise:.2f} points each"),
        ("latency", found.latency_agrees, "their 95 % intervals"),
    ):
        if agrees is None:
            words.append(f"{name} cannot be compared")
        else:
            verb = "agrees within" if agrees else "does not agree within"
            words.append(f"{name} {verb} {rule}")
    return "; ".join(words)
