"""The page of one study."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from html import escape

from nas.quantities import span
from nas.report.baselines import baselines
from nas.report.card import card
from nas.report.chart import Chart, Table
from nas.report.classes import classes
from nas.report.course import endings, history, time_spent
from nas.report.drawing import block_table, drawing
from nas.report.genes import blocks_by_stage, gene_importance
from nas.report.markup import (
    contents,
    document,
    drawn,
    facts,
    folded,
    paragraph,
    section,
    table,
)
from nas.report.measurements import conditions, quality
from nas.report.story import Story
from nas.report.tradeoff import accuracy_latency, accuracy_multiply_adds, latency_multiply_adds
from nas.report.words import COLUMNS, name_of, record_row, reference_rows
from nas.status import counted

CHARTS: tuple[Callable[[Story], Chart], ...] = (
    accuracy_latency,
    accuracy_multiply_adds,
    lambda story: history(story, by="trial"),
    lambda story: history(story, by="time"),
    gene_importance,
    blocks_by_stage,
    latency_multiply_adds,
    time_spent,
    endings,
    quality,
)


def charts_of(story: Story) -> list[Chart]:
    """Every figure of a report."""
    return [make(story) for make in CHARTS]


def page(story: Story, charts: list[Chart], stills: Mapping[str, bytes]) -> str:
    """The whole page; `stills` are the pictures of the charts by their keys."""
    sections = [
        ("winner", "The network to take", card(story) + _best(story)),
        *((c.key, c.title, drawn(c, stills.get(c.key, b""))) for c in charts[:2]),
        ("networks", "Stage by stage", _networks(story)),
        *((("classes", "Class by class", shown),) if (shown := classes(story)) else ()),
        ("baselines", "Against simpler ways", _baselines(story)),
        *((c.key, c.title, drawn(c, stills.get(c.key, b"")) + _more(story, c)) for c in charts[2:]),
        ("reproduce", "How to do it again", _reproduce(story)),
    ]
    inner = "".join(section(key, title, body) for key, title, body in sections)
    listed = contents((key, title) for key, title, _ in sections)
    body = f'{_header(story)}{listed}</header><main id="content">{inner}</main>{_footer(story)}'
    return document(f"{story.name}: report", body, charts=any(not c.is_empty for c in charts))


def _header(story: Story) -> str:
    counts = counted(list(story.records))
    state = story.state + (f", driven by {story.driver}" if story.driver else "")
    progress = (
        f"{counts.evaluated} of {story.settings.study.trials} evaluated, {counts.refused} refused, "
        f"{counts.repeated} repeated, {counts.failed} failed"
    )
    remarks = [*story.remarks]
    if story.state == "live":
        remarks.insert(0, "The study is being run: this page shows it as it stood when written.")
    return (
        f"<header><h1>{escape(story.name)}</h1>"
        + "".join(paragraph(remark, kind="remark") for remark in remarks)
        + facts(
            [
                ("goal", story.goal),
                ("limits", "; ".join(story.limits) or "none"),
                ("target", story.target),
                ("data and space", f"{story.data}, {story.space}"),
                ("state", state + (f": {story.message}" if story.message else "")),
                ("progress", f"{progress}; {span(story.sessions.seconds)} of work"),
            ]
        )
    )


def _best(story: Story) -> str:
    rows = [record_row(record) for record in story.best]
    if not rows:
        return ""
    shown = Table(COLUMNS, (*rows, *reference_rows(story)))
    says = "As the search saw them: one training and one latency each."
    return (
        "<h3>The best, and the reference network</h3>"
        + paragraph(says, kind="says")
        + table(shown, caption="The best")
    )


def _networks(story: Story) -> str:
    shown = [(name_of(story.winner), story.winner.architecture)] if story.winner else []
    if story.reference:
        shown.append((f"{story.reference[0]}, the reference", story.reference[1].architecture))
    if not shown:
        return paragraph("There is no network to draw yet.", kind="says")
    says = paragraph(
        "Boxes are as wide as they have channels; a thick edge halves the image.", kind="says"
    )
    behind = folded("the blocks as a table", table(block_table(shown), caption="Blocks"))
    return says + drawing(shown) + behind


def _baselines(story: Story) -> str:
    shown, says = baselines(story)
    sentences = "".join(paragraph(sentence) for sentence in says)
    if not shown.rows:
        return sentences or paragraph("There is nothing to compare yet.", kind="says")
    return table(shown, caption="Baselines") + sentences


def _more(story: Story, chart: Chart) -> str:
    """Under which conditions latencies were measured, below how good they are."""
    shown = conditions(story)
    if chart.key != "measurements" or not shown.rows:
        return ""
    return f"<h3>Under which conditions</h3>{table(shown, caption='Conditions')}"


def _reproduce(story: Story) -> str:
    origin = story.origin
    git = origin.get("git", {})
    commit = git.get("commit", "")
    packages = ", ".join(f"{n} {v}" for n, v in origin.get("packages", {}).items())
    rows = [
        ("command", story.command),
        ("git revision", commit + (" (with changes)" if git.get("changed") else "")),
        ("machine", str(origin.get("processor", ""))),
        ("cores", str(origin.get("cores", ""))),
        ("system", str(origin.get("system", ""))),
        ("Python", str(origin.get("python", ""))),
        ("packages", packages),
        ("data hash", story.data_hash),
        ("seed", str(story.settings.study.seed)),
    ]
    settings = f'<pre tabindex="0">{escape(story.settings_text)}</pre>'
    return facts(rows) + folded("all settings (settings.yaml)", settings)


def _footer(story: Story) -> str:
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(story.read_at))
    return (
        f"<footer>{paragraph(f'Written {when} by latency-nas. FLOPs are multiply-adds.')}</footer>"
    )
