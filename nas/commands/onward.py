"""What to type after a study has stopped: how it goes on, and where its trials can be seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.commands.words import command

if TYPE_CHECKING:
    from nas.events import Counts
    from nas.settings import Settings


def onward(
    study: str, folder: Path, settings: Settings, *, reason: str, counts: Counts
) -> list[tuple[str, str]]:
    """How a study goes on; nothing where every network of the space was proposed.

    A plain resume of one whose budget is used up would stop again at once.
    """
    budget = settings.study
    trials = max(budget.trials, counts.evaluated)
    proposals = max(budget.max_proposals or 20 * budget.trials, counts.proposals)
    more = {
        "finished": (f"study.trials={2 * trials}", "search on"),
        "proposals": (f"study.max_proposals={2 * proposals}", "go on with more proposals"),
        "hours": (f"study.hours={2 * (budget.hours or 1):g}", "go on for longer"),
    }
    if reason == "exhausted":
        return []
    if reason in more:
        override, purpose = more[reason]
        return [(command("resume", study, folder, override), purpose)]
    return [(command("resume", study, folder), "go on where it stopped")]


def shown(study: str, folder: Path, settings: Settings) -> tuple[str, str]:
    """Where the trials of a study can be seen; one that MLflow does not know is written first."""
    if settings.tracking.enabled:
        return command("ui", study, folder), "every trial in the MLflow UI"
    return command("track", study, folder), "write its trials into MLflow"
