"""What the verbs print at their end: tables 80 columns wide, and the same values as JSON."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nas.events import Counts, Waiting
from nas.outcome import Certificate, Costs, Latency, Outcome
from nas.quantities import amount as amount
from nas.quantities import interval as interval
from nas.quantities import milliseconds as milliseconds
from nas.quantities import percent as percent
from nas.quantities import span as span
from nas.quantities import times_reference as times_reference
from nas.result import DryRun, StudyStatus
from nas.sketch import legend, sketch


def waited_for(waiting: Waiting) -> str:
    """A device that is gone, in one line."""
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(waiting.since))
    return (
        f"waiting for the device since {since} ({waiting.tries} tries, the next in "
        f"{span(waiting.pause)}): {waiting.reason}"
    )


def told(counts: Counts) -> str:
    """What became of the proposals that were not evaluated."""
    return f"{counts.refused} refused, {counts.repeated} repeated, {counts.failed} failed"


def table(*headings: str, left: int = 1) -> Table:
    """An empty table whose first `left` columns are words and the others numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for number, heading in enumerate(headings):
        words = number < left
        justify: Literal["left", "right"] = "left" if words else "right"
        made.add_column(heading, justify=justify, no_wrap=not words, overflow="fold")
    return made


def facts(rows: Iterable[tuple[str, str]]) -> RenderableType:
    """Names with their values, one a line."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        if value:
            grid.add_row(name, Text(value))
    return grid


def following(commands: Sequence[tuple[str, str]]) -> RenderableType:
    """What to type next."""
    lines = [Text("\nnext", style="bold")]
    width = max(len(command) for command, _ in commands)
    for command, purpose in commands:
        # Never wrapped inside a command: it is there to be copied.
        if width + len(purpose) + 4 <= 80:
            lines.append(Text(f"  {command:<{width}}  {purpose}"))
        else:
            lines += [Text(f"  {command}", overflow="ignore", no_wrap=True), Text(f"    {purpose}")]
    return Group(*lines)


def forms(networks: Sequence[tuple[str, str]]) -> RenderableType:
    """Text forms, each on a line of its own that no terminal breaks by force."""
    lines: list[RenderableType] = []
    for name, form in networks:
        lines += [Text(name, style="bold"), Text(f"  {form}", overflow="ignore", no_wrap=True)]
    return Group(*lines)


def dry_run_table(found: DryRun) -> RenderableType:
    """What a search would do."""
    share = found.kept / max(1, found.draws)
    return facts(
        [
            ("target", found.target),
            ("goal", found.goal),
            *(("limit", limit) for limit in found.limits),
            ("draws that keep them", f"{found.kept} of {found.draws} ({100 * share:.0f} %)"),
            ("", found.advice),
            ("a candidate takes", span(found.seconds_per_candidate)),
            ("the study takes", f"about {span(3600 * found.hours)}"),
            ("disk", f"about {found.disk_mb:.1f} MB"),
        ]
    )


def status_table(studies: Sequence[StudyStatus]) -> RenderableType:
    """How several studies stand."""
    made = table("study", "state", "evaluated", "best", "latency", "reference", left=2)
    for study in studies:
        made.add_row(
            study.name,
            study.state,
            f"{study.counts.evaluated}/{study.trials}",
            percent(accuracy_of(study.best)),
            milliseconds(study.best.latency if study.best else None),
            percent(accuracy_of(study.reference)),
        )
    return made


def accuracy_of(outcome: Outcome | None) -> float | None:
    """What the study compares networks by, 0..1, where there is one."""
    return outcome.evaluation.value if outcome and outcome.evaluation else None


def study_table(study: StudyStatus) -> RenderableType:
    """How one study stands."""
    best, reference = study.best, study.reference
    rows = [
        ("study", study.name),
        ("folder", study.folder),
        ("state", study.state + (f", driven by {study.driver}" if study.driver else "")),
        ("", waited_for(study.waiting) if study.waiting else ""),
        ("goal", study.goal),
        *(("limit", limit) for limit in study.limits),
        ("evaluated", f"{study.counts.evaluated} of {study.trials}; {told(study.counts)}"),
        ("bottleneck", _bottleneck(study.spent)),
        ("reference", _line(reference) if reference else ""),
        ("best", f"trial {study.best_trial}: {_line(best)}" if best else "none keeps the limits"),
        ("certified", _certified(best.certificate) if best and best.certificate else ""),
    ]
    parts: list[RenderableType] = [facts(rows)]
    if drawn := sketch(study.points):
        parts += [Text(), *(Text(line, no_wrap=True) for line in drawn)]
        # Two lines: together with every sign they are wider than 80.
        words = ("validation accuracy by latency", legend(study.points))
        parts += [Text(f"{'':>10}{line}") for line in words]
    if best is not None:
        parts += [Text(), forms([(f"trial {study.best_trial}", best.architecture.text)])]
    return Group(*parts)


def _bottleneck(spent: Mapping[str, float]) -> str:
    """The stage that takes most of a study's time, and its share; a table's look-ups take none."""
    whole = sum(spent.values())
    if whole <= 0:
        return ""
    stage, seconds = max(spent.items(), key=lambda one: one[1])
    return f"{stage}, {100 * seconds / whole:.0f} % of the time of trials"


def _line(outcome: Outcome) -> str:
    return f"{percent(accuracy_of(outcome))} validation, " + cost_words(
        outcome.latency, outcome.costs
    )


def _certified(certificate: Certificate) -> str:
    verdict = certificate.verdict and f"; limit {certificate.verdict}"
    return f"{interval(certificate.latency)} ms in fresh processes{verdict}"


def cost_words(latency: Latency | None, costs: Costs | None) -> str:
    """Latency and multiply-adds in a line."""
    words = [milliseconds(latency)] if latency else []
    words += [f"{amount(costs.multiply_adds)} multiply-adds"] if costs else []
    return ", ".join(words) or "nothing measured"


def plain(value: Any) -> Any:
    """Any of our values as JSON: frozen dataclasses as objects, what is not finite as null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "to_json"):
        return plain(value.to_json())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
