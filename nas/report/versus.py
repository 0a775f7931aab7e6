"""Two studies of one target: their fronts over one another, what they took, what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from nas.errors import InputError
from nas.outcome import TrialRecord
from nas.pareto import front, hypervolume
from nas.quantities import interval, percent, span
from nas.report.chart import Axis, Chart, Role, Series, Table
from nas.report.course import history
from nas.report.drawing import block_table, drawing
from nas.report.markup import contents, document, drawn, folded, paragraph, section, table
from nas.report.story import Story
from nas.report.words import COLUMNS, accuracy_of, hover, name_of, record_row
from nas.settings.stored import difference
from nas.status import counted

Pair = tuple[Story, Story]
ROLES: tuple[tuple[Role, Role], ...] = (("candidate", "front"), ("second", "winner"))
"""Of each study: its points, and its line."""


def check_comparable(stories: Pair) -> None:
    """Raise unless both were measured on one target, on the same images.

    Raises:
        InputError: what differs.
    """
    a, b = stories
    for what, one, other in (
        ("target", a.target, b.target),
        ("images (hash)", a.data_hash, b.data_hash),
    ):
        if one != other:
            raise InputError(
                f"nas report {a.name} {b.name}: two studies are compared on one and the same "
                f"{what}; got {one or 'none'} and {other or 'none'}; allowed: nas report for each"
            )


def fronts(stories: Pair) -> Chart:
    """Accuracy against latency of both, each with its front."""
    series: list[Series] = []
    for story, (point, line) in zip(stories, ROLES, strict=True):
        records = comparable(story)
        xs = [r.outcome.latency.ms for r in records if r.outcome and r.outcome.latency]
        ys = [accuracy_of(r.outcome) for r in records]
        best = sorted(
            front(list(zip(xs, ys, strict=True)), ("minimize", "maximize")), key=lambda n: xs[n]
        )
        words = [hover(f"{story.name} {name_of(r)}", r.outcome) for r in records if r.outcome]
        spans = [
            (r.outcome.latency.low, r.outcome.latency.high)
            for r in records
            if r.outcome and r.outcome.latency
        ]
        numbers = [r.number for r in records]
        front_x, front_y = [xs[n] for n in best], [ys[n] for n in best]
        series += [
            Series(f"front of {story.name}", line, "steps", front_x, front_y),
            Series(story.name, point, "points", xs, ys, words, spans, None, numbers),
        ]
    rows = [(story.name, *record_row(record)) for story in stories for record in comparable(story)]
    return Chart(
        key="fronts",
        title="Accuracy against latency",
        says="Feasible candidates of both studies, each with its front.",
        alt=f"Fronts of {stories[0].name} and {stories[1].name}; the numbers are below.",
        x=Axis("latency, ms"),
        y=Axis("validation accuracy", "percent"),
        series=tuple(one for one in series if len(one.x)),
        table=Table(("study", *COLUMNS), tuple(rows)),
    )


def comparable(story: Story) -> list[TrialRecord]:
    """The feasible evaluated candidates that have a latency."""
    return [r for r in story.evaluated if r.outcome and r.outcome.feasible and r.outcome.latency]


def courses(stories: Pair) -> Chart:
    """The best so far of both, by working time."""
    charts = [history(story, by="time") for story in stories]
    series = [
        replace(one, name=story.name, role=line)
        for story, chart, (_, line) in zip(stories, charts, ROLES, strict=True)
        for one in chart.series
        if one.form == "steps"
    ]
    rows = [
        (story.name, *row)
        for story, chart in zip(stories, charts, strict=True)
        for row in chart.table.rows
    ]
    return replace(
        charts[0],
        key="courses",
        title="Best so far, by time",
        says="The best feasible accuracy of each study over its working time.",
        series=tuple(series),
        table=Table(("study", *charts[0].table.head), tuple(rows)),
    )


def volumes(stories: Pair) -> tuple[float, float]:
    """The area that each front covers, of the area from accuracy 0 at the slowest candidate.

    Units:
        a share, 0..1: 1 would be accuracy 1 at no latency.
    """
    points = [
        [
            (r.outcome.latency.ms, accuracy_of(r.outcome))
            for r in comparable(story)
            if r.outcome and r.outcome.latency
        ]
        for story in stories
    ]
    slowest = max((ms for found in points for ms, _ in found), default=0.0)
    if not slowest:
        return 0.0, 0.0
    # A little beyond the slowest: it would otherwise count for nothing itself.
    worst = (1.01 * slowest, 0.0)
    a, b = (hypervolume(p, ("minimize", "maximize"), worst) / worst[0] for p in points)
    return a, b


def summary(stories: Pair) -> Table:
    """What each found and took."""
    rows = [
        ("winner", *(_winner(story) for story in stories)),
        ("its accuracy", *(_accuracy(story) for story in stories)),
        ("its latency, ms", *(_latency(story) for story in stories)),
        ("hypervolume", *(f"{volume:.4f}" for volume in volumes(stories))),
        ("time", *(span(story.sessions.seconds) for story in stories)),
        ("evaluated", *(str(len(story.evaluated)) for story in stories)),
        ("refused", *(str(counted(list(story.records)).refused) for story in stories)),
        ("failed", *(str(counted(list(story.records)).failed) for story in stories)),
    ]
    return Table(("", *(story.name for story in stories)), tuple(rows))


def _winner(story: Story) -> str:
    return name_of(story.winner) if story.winner else "none"


def _accuracy(story: Story) -> str:
    return percent(accuracy_of(story.winner.outcome)) if story.winner else "-"


def _latency(story: Story) -> str:
    outcome = story.winner.outcome if story.winner else None
    return interval(outcome.latency) if outcome else "-"


def charts_of_both(stories: Pair) -> list[Chart]:
    """Every figure of a comparison."""
    return [fronts(stories), courses(stories)]


def comparison(stories: Pair, charts: Sequence[Chart], stills: dict[str, bytes]) -> str:
    """The whole page of two studies."""
    a, b = stories
    title = f"{a.name} and {b.name}"
    both = table(summary(stories), caption="Both studies")
    note = "Hypervolume: the share of the plane, up to the slowest candidate, that a front beats."
    differs = difference(a.settings, b.settings)
    listed = "".join(paragraph(line) for line in differs) or paragraph("Nothing.")
    shown = [
        (f"{story.name} {name_of(story.winner)}", story.winner.architecture)
        for story in stories
        if story.winner
    ]
    behind = table(block_table(shown), caption="Blocks") if shown else ""
    networks = drawing(shown) + folded("the blocks as a table", behind) if shown else ""
    sections = [
        ("both", "What each found", both + paragraph(note, kind="says")),
        *((c.key, c.title, drawn(c, stills.get(c.key, b""))) for c in charts),
        ("networks", "The winners, stage by stage", networks or paragraph("There is none.")),
        ("settings", "What differs in the settings", listed),
    ]
    inner = "".join(section(key, words, body) for key, words, body in sections)
    listing = contents((key, words) for key, words, _ in sections)
    header = (
        f"<header><h1>{escape(title)}</h1>{paragraph(f'Both on {a.target}.')}{listing}</header>"
    )
    body = f'{header}<main id="content">{inner}</main>'
    return document(f"{title}: report", body, charts=any(not c.is_empty for c in charts))
