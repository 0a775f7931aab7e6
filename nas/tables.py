"""What the verbs print at their end: tables 80 columns wide, and the same values as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from nas.events import Counts
from nas.outcome import Costs, Latency, Outcome
from nas.quantities import amount as amount
from nas.quantities import interval as interval
from nas.quantities import milliseconds as milliseconds
from nas.quantities import percent as percent
from nas.quantities import span as span
from nas.quantities import times_reference as times_reference
from nas.result import DryRun, Finalist, SearchResult, StudyStatus
from nas.sketch import legend, sketch


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


def search_table(result: SearchResult) -> RenderableType:
    """The best networks beside the reference, and how to read them."""
    found = table(
        "network", "valid. %", "test %", "latency, ms (95 %)", "FLOPs", "params"
    )  # fmt: skip
    for finalist in result.winners:
        found.add_row(*_cells(finalist))
    if result.reference:
        found.add_section()
        found.add_row(*_cells(result.reference), style="dim")
    networks = [f for f in (*result.winners, result.reference) if f is not None]
    parts: list[RenderableType] = [found, Text()]
    if result.baseline is not None:
        parts.append(
            Text(f"logistic regression on the same images: test {percent(result.baseline)}")
        )
    parts += [Text(line) for line in _reading(result)]
    parts += [Text(), forms([(f.name, f.outcome.architecture.text) for f in networks])]
    return Group(*parts)


def _cells(finalist: Finalist) -> list[str]:
    outcome = finalist.outcome
    return [
        finalist.name,
        percent(_accuracy(outcome)).removesuffix(" %"),
        percent(finalist.test_accuracy).removesuffix(" %"),
        interval(outcome.latency),
        amount(outcome.costs.multiply_adds if outcome.costs else None),
        amount(outcome.costs.parameters if outcome.costs else None),
    ]


def _reading(result: SearchResult) -> list[str]:
    """The sentences under the table."""
    lines = []
    if not result.winners:
        lines.append(
            "no evaluated network keeps the limits: give the search more trials, or relax a limit "
            "(nas search --dry-run tells how far the nearest network is)"
        )
    elif result.reference:
        lines.append(against(result.winners[0].name, result.winners[0].outcome, result.reference))
    if result.noise and result.winners:
        lines.append(
            f"validation accuracy is known to +-{100 * result.noise:.1f} points; within that the "
            "faster network comes first"
        )
    latencies = [f.outcome.latency for f in result.winners]
    if any(latency and latency.status != "RESOLVED" for latency in latencies):
        lines.append("* not resolved: the interval is wider than the instrument aims at")
    lines.append("FLOPs are multiply-adds, as in the papers")
    return lines


def against(name: str, best: Outcome, reference: Finalist) -> str:
    """A network beside the reference network, in one sentence."""
    words = []
    if best.evaluation and reference.outcome.evaluation:
        points = 100 * (best.evaluation.accuracy - reference.outcome.evaluation.accuracy)
        words.append(f"{points:+.2f} points of validation accuracy")
    times = times_reference(best.latency, reference.outcome)
    if times is not None:
        words.append(f"{times:.2f} x its latency")
    if best.costs and reference.outcome.costs:
        ratio = best.costs.multiply_adds / max(1, reference.outcome.costs.multiply_adds)
        words.append(f"{ratio:.2f} x its multiply-adds")
    return f"{name} against {reference.name}: {', '.join(words)}"


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
            percent(_accuracy(study.best)),
            milliseconds(study.best.latency if study.best else None),
            percent(_accuracy(study.reference)),
        )
    return made


def _accuracy(outcome: Outcome | None) -> float | None:
    return outcome.evaluation.accuracy if outcome and outcome.evaluation else None


def study_table(study: StudyStatus) -> RenderableType:
    """How one study stands."""
    best, reference = study.best, study.reference
    rows = [
        ("study", study.name),
        ("folder", study.folder),
        ("state", study.state + (f", driven by {study.driver}" if study.driver else "")),
        ("goal", study.goal),
        *(("limit", limit) for limit in study.limits),
        ("evaluated", f"{study.counts.evaluated} of {study.trials}; {told(study.counts)}"),
        ("reference", _line(reference) if reference else ""),
        ("best", f"trial {study.best_trial}: {_line(best)}" if best else "none keeps the limits"),
    ]
    parts: list[RenderableType] = [facts(rows)]
    if drawn := sketch(study.points):
        parts += [Text(), *(Text(line, no_wrap=True) for line in drawn)]
        parts.append(Text(f"{'':>10}validation accuracy by latency: {legend(study.points)}"))
    if best is not None:
        parts += [Text(), forms([(f"trial {study.best_trial}", best.architecture.text)])]
    return Group(*parts)


def _line(outcome: Outcome) -> str:
    return f"{percent(_accuracy(outcome))} validation, " + cost_words(
        outcome.latency, outcome.costs
    )


def cost_words(latency: Latency | None, costs: Costs | None) -> str:
    """Latency and multiply-adds in a line."""
    words = [milliseconds(latency)] if latency else []
    words += [f"{amount(costs.multiply_adds)} multiply-adds"] if costs else []
    return ", ".join(words) or "nothing measured"


def indented(inner: RenderableType) -> RenderableType:
    """Two columns to the right."""
    return Padding(inner, (0, 0, 0, 2))


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
