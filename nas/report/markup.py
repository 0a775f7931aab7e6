"""HTML of the pieces a page is made of; every text that comes in is escaped here."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

from nas.report.chart import Chart, Table
from nas.report.interactive import figure

LONG = 44
"""Longer cells may be broken into lines."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
"""The page asks nobody for anything, and a browser holds it to that."""


def document(title: str, body: str, *, charts: bool) -> str:
    """A whole page; plotly.js is in it once, and only if there is something to draw."""
    script = ""
    if charts:
        from plotly.offline import get_plotlyjs

        script = f"<script>{get_plotlyjs()}</script><script>{_own('page.js')}</script>"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_own('page.css')}</style></head>"
        f'<body><a class="skip" href="#content">To the content</a>{body}{script}</body></html>\n'
    )


def _own(name: str) -> str:
    return (files("nas.report") / name).read_text(encoding="utf-8")


def section(key: str, title: str, *parts: str) -> str:
    """A part of the page that the contents list."""
    return f'<section id="{key}"><h2>{escape(title)}</h2>{"".join(parts)}</section>'


def contents(sections: Iterable[tuple[str, str]]) -> str:
    """Links to the sections."""
    items = "".join(f'<li><a href="#{key}">{escape(title)}</a></li>' for key, title in sections)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def paragraph(text: str, *, kind: str = "") -> str:
    """One paragraph."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names with their values; those without one are left out."""
    items = "".join(f"<dt>{escape(n)}</dt><dd>{escape(v)}</dd>" for n, v in rows if v)
    return f'<dl class="facts">{items}</dl>'


def table(value: Table, *, caption: str) -> str:
    """A table whose columns can be sorted."""
    head = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>' for name in value.head
    )
    rows = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in value.rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return f"<td{' class=long' if len(text) > LONG else ''}>{escape(text)}</td>"


def folded(summary: str, inner: str) -> str:
    """What is there for those who open it."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def drawn(chart: Chart, still: bytes) -> str:
    """A figure: drawn by script, as a picture without, as a table, and in words."""
    behind = ""
    if chart.table.rows:
        behind = folded("the numbers as a table", table(chart.table, caption=chart.title))
    says = paragraph(chart.says, kind="says")
    if chart.is_empty:
        return says + behind
    value = json.dumps(figure(chart), allow_nan=False, separators=(",", ":"))
    # Inside a script element only its end tag could end it.
    value = value.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    picture = base64.b64encode(still).decode()
    label = f"{chart.alt} Arrow keys go from point to point."
    return (
        f'{says}<figure><div class="plot" data-figure="data-{chart.key}" tabindex="0" role="img" '
        f'aria-label="{escape(label)}"></div>'
        f'<img class="still" alt="{escape(chart.alt)}" src="data:image/png;base64,{picture}">'
        f'<div class="spoken" aria-live="polite"></div></figure>'
        f'<script type="application/json" id="data-{chart.key}">{value}</script>{behind}'
    )


def numbers(items: Sequence[tuple[str, str, str]]) -> str:
    """Few numbers, large: what, the number, and what is to be said of it."""
    cells = "".join(
        f'<div><span class="what">{escape(what)}</span><span class="number">{escape(number)}</span>'
        f'<div class="more">{escape(more)}</div></div>'
        for what, number, more in items
    )
    return f'<div class="big">{cells}</div>'


def commands(lines: Iterable[tuple[str, str]]) -> str:
    """What to type."""
    text = "\n".join(f"{command}   # {purpose}" for command, purpose in lines)
    return f'<pre tabindex="0">{escape(text)}</pre>'
