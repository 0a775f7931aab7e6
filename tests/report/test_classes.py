"""The classes of a report's finalists, found again by scikit-learn from labels and predictions."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

from nas.evaluation.metrics import confusion, per_class
from nas.events import Counts
from nas.report.classes import MOST, classes
from nas.report.conclusion import concluded
from nas.report.page import page
from nas.report.story import Story, read_story
from nas.result import Finalist, SearchResult
from nas.study.storage import StudyStorage

NAMES = ("<b>cat</b>", 'a "dog" & a very long tail', "bird")
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.choice(3, 200, p=[0.6, 0.3, 0.1])
PREDICTED = np.where(RANDOM.random(200) < 0.7, LABELS, RANDOM.choice(3, 200))
ALL_RIGHT = LABELS


class Page(HTMLParser):
    """The cells of the tables of a page, row by row, and the attributes of its SVG elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.drawings: list[dict[str, str | None]] = []
        self.words = ""
        self._cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._cell = True
        elif tag == "svg":
            self.drawings.append(dict(attrs))
        assert tag != "b", "a name of a class must not become an element"

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._cell:
            self.tables[-1][-1][-1] += data


def ended(
    path: Path, *, labels: np.ndarray, judged: Sequence[np.ndarray], names: Sequence[str]
) -> Story:
    """The study after its end: winner and reference judged by these test images."""
    story = read_story(path)
    assert story.winner is not None
    assert story.winner.outcome is not None
    assert story.reference is not None
    matrices = [confusion(labels, one, classes=len(names)) for one in judged]
    winner, reference = (
        Finalist(
            name, trial, outcome, 0.9, classes=per_class(matrix, names),
            confusion=tuple(tuple(map(int, row)) for row in matrix),
        )
        for name, trial, outcome, matrix in (
            ("trial", story.winner.number, story.winner.outcome, matrices[0]),
            (story.reference[0], None, story.reference[1], matrices[1]),
        )
    )  # fmt: skip
    storage = StudyStorage.open(path)
    result = SearchResult(
        study="first", folder=str(path), counts=Counts(evaluated=1), reason="finished", message="",
        winners=(winner,), reference=reference, baseline=None, noise=0.0, seconds=1.0,
    )  # fmt: skip
    concluded(storage, result, written=False)
    storage.close()
    return read_story(path)


@pytest.fixture(scope="module")
def judged(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    copied = Path(shutil.copytree(path, tmp_path_factory.mktemp("judged") / "first"))
    return ended(copied, labels=LABELS, judged=(PREDICTED, ALL_RIGHT), names=NAMES)


def test_the_scores_of_each_class_are_those_of_scikit_learn(judged: Story) -> None:
    scores = Page(classes(judged)).tables[0]
    *shares, images = oracle.precision_recall_fscore_support(LABELS, PREDICTED)
    assert scores[1:] == [
        [name, str(images[n]), *(f"{100 * share[n]:.1f}" for share in shares)]
        for n, name in enumerate(NAMES)
    ]


def test_the_confusion_matrix_is_drawn_told_and_in_a_table(judged: Story) -> None:
    shown = Page(classes(judged))
    matrix = oracle.confusion_matrix(LABELS, PREDICTED)
    assert shown.tables[1] == [
        ["true class, taken for", *NAMES],
        *([name, *map(str, row)] for name, row in zip(NAMES, matrix, strict=True)),
    ]
    alt = shown.drawings[0]["aria-label"] or ""
    assert f"{np.trace(matrix)} of 200 test images are labelled rightly" in alt
    wrong = matrix - np.diag(np.diag(matrix))
    true, other = np.unravel_index(wrong.argmax(), wrong.shape)
    most = f"most often {NAMES[true]} is taken for {NAMES[other]}, {wrong.max()} times"
    assert most in alt
    for count, a, b in (
        (matrix[n, m], a, b) for n, a in enumerate(NAMES) for m, b in enumerate(NAMES)
    ):
        assert f"{a} taken for {b}: {count} of " in shown.words


def test_the_reference_network_has_its_own_classes(judged: Story) -> None:
    shown = Page(classes(judged))
    assert len(shown.tables) == 4
    assert [row[2:] for row in shown.tables[2][1:]] == [["100.0"] * 3] * 3
    assert "most often" not in (shown.drawings[1]["aria-label"] or "")


def test_of_many_classes_the_weakest_and_the_most_frequent_mistakes_are_listed(
    path: Path, tmp_path: Path
) -> None:
    many = 2 * MOST
    labels = np.repeat(np.arange(many), 10)
    # Of class n so many of ten are taken for the next one.
    wrong = np.minimum(np.arange(many) // 5, 9)
    predicted = np.where(np.arange(len(labels)) % 10 < wrong[labels], (labels + 1) % many, labels)
    names = [f"c{n}" for n in range(many)]
    copied = Path(shutil.copytree(path, tmp_path / "first"))
    shown = Page(classes(ended(copied, labels=labels, judged=(predicted, labels), names=names)))
    recalls = oracle.recall_score(labels, predicted, average=None)
    scores, mistakes = shown.tables[:2]
    assert len(scores) == len(mistakes) == 1 + MOST
    assert [float(row[3]) for row in scores[1:]] == pytest.approx(sorted(100 * recalls)[:MOST])
    assert mistakes[1] == [f"c{many - 5}", f"c{many - 4}", "7", "10"]
    assert shown.drawings == []
    assert f"The {MOST} weakest of {many} are listed." in shown.words


def test_before_the_end_there_is_no_such_part(story: Story, judged: Story) -> None:
    assert classes(story) == ""
    assert "#classes" not in page(story, [], {})
    assert '<a href="#classes">Class by class</a>' in page(judged, [], {})
