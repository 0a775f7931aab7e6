"""Class by class: what finalists say of the test images, and what they take for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from nas.report.chart import Table
from nas.report.markup import folded, paragraph, table
from nas.report.story import Story
from nas.report.words import name_of

MOST = 20
"""As many classes are drawn and listed; of more the weakest, and what is mistaken most often."""

CELL, LETTER, LABEL = 34, 7, 14
"""Pixels of a cell of the matrix and of a letter beside it, and letters of a name beside it."""

DARKEST = 0.55
"""Opacity of a cell that has all images of its class: the number in it stays readable."""

Judged = Mapping[str, Any]
"""What the end of the study found out about a finalist; see `nas.result.Finalist`."""


def classes(story: Story) -> str:
    """The winner's classes, those of the other finalists folded; empty before the study ended."""
    winner = story.winner.number if story.winner else None
    found = [one for one in story.finalists if one.get("confusion") and one.get("classes")]
    found.sort(key=lambda one: one["trial"] != winner)
    if not found:
        return ""
    names = {record.number: name_of(record) for record in story.records}
    shown = [(names.get(one["trial"], one["name"]), one) for one in found]
    (first, best), others = shown[0], shown[1:]
    says = (
        "Test images, which never steered the search, judged by each network's first training. "
        "Rows of a matrix are the true classes, columns what their images are taken for."
    )
    return (
        paragraph(says, kind="says")
        + _judged(first, best)
        + "".join(folded(f"the same of {name}", _judged(name, one)) for name, one in others)
    )


def _judged(name: str, found: Judged) -> str:
    weakest = min(found["classes"], key=lambda one: one["recall"])
    says = f"Weakest class of {name}: {weakest['name']}, of which {_words(weakest)} are found."
    if len(found["classes"]) > MOST:
        says += f" The {MOST} weakest of {len(found['classes'])} are listed."
    scores = table(score_table(found), caption=f"Classes of {name}")
    matrix = table(confusion_table(found), caption=f"What {name} takes for what")
    if len(found["classes"]) <= MOST:
        matrix = drawing(name, found) + folded("the numbers as a table", matrix)
    return paragraph(says) + scores + f"<h3>{escape(name)}: what it takes for what</h3>" + matrix


def _words(one: Mapping[str, Any]) -> str:
    return f"{100 * one['recall']:.1f} % of {one['images']} images"


def score_table(found: Judged) -> Table:
    """Precision, recall and F1 of each class, in the order of classes; of many the weakest."""
    rows = list(found["classes"])
    if len(rows) > MOST:
        rows = sorted(rows, key=lambda one: one["recall"])[:MOST]
    shares = ("precision", "recall", "f1")
    return Table(
        ("class", "test images", "precision, %", "recall, %", "F1, %"),
        tuple(
            (one["name"], str(one["images"]), *(f"{100 * one[share]:.1f}" for share in shares))
            for one in rows
        ),
    )


def confusion_table(found: Judged) -> Table:
    """The confusion matrix, a row a true class; of many classes what is mistaken most often."""
    names, matrix = _names(found), found["confusion"]
    if len(names) <= MOST:
        rows = [(name, *map(str, row)) for name, row in zip(names, matrix, strict=True)]
        return Table(("true class, taken for", *names), tuple(rows))
    return Table(
        ("true class", "taken for", "images", "of"),
        tuple(
            (names[true], names[other], str(count), str(sum(matrix[true])))
            for count, true, other in _mistakes(matrix)[:MOST]
        ),
    )


def _names(found: Judged) -> list[str]:
    return [one["name"] for one in found["classes"]]


def _mistakes(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """Images, true class and what they are taken for, the most frequent first."""
    found = [
        (count, true, other)
        for true, row in enumerate(matrix)
        for other, count in enumerate(row)
        if count and true != other
    ]
    return sorted(found, key=lambda one: (-one[0], one[1:]))


def drawing(name: str, found: Judged) -> str:
    """The confusion matrix as an SVG element: a row a true class, the darker the greater a share of
    its class a cell has."""
    names, matrix = _names(found), found["confusion"]
    edge = 14 + LETTER * max(len(_short(one)) for one in names)
    side = edge + CELL * len(names) + 6
    parts = [
        f'<svg class="confusion" viewBox="0 0 {side} {side}" width="{side}" role="img" '
        f'aria-label="{escape(_alt(name, names, matrix))}">'
    ]
    for index, one in enumerate(names):
        middle = edge + CELL * index + CELL // 2
        word = escape(_short(one))
        parts.append(f'<text class="name" x="{edge - 6}" y="{middle + 4}">{word}</text>')
        # Column names are read from below.
        at = f'transform="translate({middle + 4} {edge - 6}) rotate(-90)"'
        parts.append(f'<text class="name from-below" {at}>{word}</text>')
        parts += _row(one, names, matrix[index], left=edge, top=edge + CELL * index)
    return "".join([*parts, "</svg>"])


def _row(
    true: str, names: Sequence[str], counts: Sequence[int], *, left: int, top: int
) -> list[str]:
    """The cells of one true class."""
    images, parts = max(1, sum(counts)), []
    for column, (other, count) in enumerate(zip(names, counts, strict=True)):
        x = left + CELL * column
        said = escape(f"{true} taken for {other}: {count} of {sum(counts)}")
        number = f'<text x="{x + CELL // 2}" y="{top + CELL // 2 + 4}">{count}</text>'
        parts.append(
            f'<g><title>{said}</title><rect x="{x}" y="{top}" width="{CELL}" height="{CELL}" '
            f'fill-opacity="{DARKEST * count / images:.3f}"/>{number if count else ""}</g>'
        )
    return parts


def _short(name: str) -> str:
    return name if len(name) <= LABEL else name[: LABEL - 1] + "…"


def _alt(name: str, names: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """The matrix for those who do not see it."""
    right, images = sum(row[n] for n, row in enumerate(matrix)), sum(map(sum, matrix))
    words = f"Confusion matrix of {name}: {right} of {images} test images are labelled rightly"
    if mistakes := _mistakes(matrix):
        count, true, other = mistakes[0]
        words += f"; most often {names[true]} is taken for {names[other]}, {count} times"
    return f"{words}. The numbers are in the table below."
