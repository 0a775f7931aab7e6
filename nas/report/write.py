"""The files of a report: one page that needs nothing else, and its figures as pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nas.report.chart import Chart
from nas.report.page import charts_of, page
from nas.report.still import png
from nas.report.story import read_story
from nas.report.versus import charts_of_both, check_comparable, comparison
from nas.tracking.stored import PAGE


@dataclass(frozen=True)
class Written:
    """The files that were written."""

    page: Path
    figures: tuple[Path, ...]


def write_report(study: Path, *, to: Path | None = None, ended: bool = False) -> Written:
    """Write the report of the study in the folder `study` into `to` (its own folder report/).

    `ended` is for the process that ran it: it has ended, though that process still holds it.

    Raises:
        StudyError: no such study (the nearest names), or it is damaged or a newer version's.
        OSError: the folder cannot be written.
    """
    story = read_story(study, ended=ended)
    charts = charts_of(story)
    stills = _stills(charts)
    whole = to / PAGE.name if to else study / PAGE
    return _written(whole, page(story, charts, stills), stills)


def write_comparison(study: Path, other: Path, *, to: Path | None = None) -> Written:
    """Write the comparison of two studies into `to` (the folder report/ of the first).

    Raises:
        InputError: they are of different targets or images.
        StudyError, OSError: see `write_report`.
    """
    stories = read_story(study), read_story(other)
    check_comparable(stories)
    charts = charts_of_both(stories)
    stills = _stills(charts)
    folder = to or study / PAGE.parent / f"against-{other.name}"
    return _written(folder / PAGE.name, comparison(stories, charts, stills), stills)


def _stills(charts: Sequence[Chart]) -> dict[str, bytes]:
    return {chart.key: png(chart) for chart in charts if not chart.is_empty}


def _written(whole: Path, text: str, stills: Mapping[str, bytes]) -> Written:
    whole.parent.mkdir(parents=True, exist_ok=True)
    for key, picture in stills.items():
        put(whole.with_name(f"{key}.png"), picture)
    # The page goes last: it is there when everything is.
    put(whole, text.encode())
    return Written(whole, tuple(whole.with_name(f"{key}.png") for key in stills))


def put(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a browser may be reading the one before."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
