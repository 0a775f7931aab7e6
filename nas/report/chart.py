"""A figure as a value: what is drawn, in words and as a table; drawn by `interactive` and `still`.

All text is plain; whoever draws it escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["candidate", "front", "winner", "reference", "infeasible", "second", "third"]
"""What a series means; colours and symbols follow from it, light and dark."""

Form = Literal["points", "line", "steps", "bars", "sideways"]
Span = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """Points of one meaning. `words` is shown for a point that is pointed at, line by line.

    `x_spans` and `y_spans` are the intervals (low, high) of the points, None where there is none;
    `numbers` are the trials the points stand for.
    """

    name: str
    role: Role
    form: Form
    x: Sequence[float | str]
    y: Sequence[float | str]
    words: Sequence[str] = ()
    x_spans: Sequence[Span] | None = None
    y_spans: Sequence[Span] | None = None
    numbers: Sequence[int | None] = ()


@dataclass(frozen=True)
class Axis:
    """`form` is how its numbers are written: percent takes shares (0..1), count 1.2M."""

    title: str
    form: Literal["plain", "percent", "count", "words"] = "plain"


@dataclass(frozen=True)
class Mark:
    """A limit: a line across at a value of the x or the y axis."""

    axis: Literal["x", "y"]
    at: float
    words: str


@dataclass(frozen=True)
class Table:
    """The numbers behind a figure."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """One figure. `says` is the sentence under its title, `alt` what a reader who sees none needs.

    Without a series it is not drawn; `says` then tells why.
    """

    key: str
    title: str
    says: str
    alt: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    table: Table
    marks: tuple[Mark, ...] = ()
    stacked: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(len(series.x) for series in self.series)
