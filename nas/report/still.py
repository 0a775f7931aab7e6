"""A chart as a PNG, by matplotlib: for print, for papers, and where no script runs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from nas.quantities import amount
from nas.report.chart import Axis, Chart, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {
    "candidate": "#2a6fbb",
    "front": "#1b3a6b",
    "winner": "#c2410c",
    "reference": "#3f7d20",
    "infeasible": "#9aa3ad",
    "second": "#b7791f",
    "third": "#7c4d9e",
}
SYMBOLS = {"winner": "*", "reference": "D", "second": "s", "infeasible": "o"}
INCHES, DOTS = (7.2, 4.0), 110
LEGEND_ROW = 0.052
"""The share of the height that a row of the legend needs."""


def png(chart: Chart) -> bytes:
    """The chart as the bytes of a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot: no global figure is kept, and no window system is asked for.
    figure = Figure(figsize=INCHES, dpi=DOTS)
    canvas = FigureCanvasAgg(figure)
    # Fixed margins: letting matplotlib find them costs as much as the drawing.
    left, (columns, rows) = _left(chart), _legend(chart)
    width, top = 0.97 - left, 0.91 - LEGEND_ROW * rows
    axes = figure.add_axes((left, 0.13, width, top - 0.13))
    figure.text(left, 0.945, _plain(chart.title), fontsize=11, va="center")
    for number, series in enumerate(chart.series):
        _draw(axes, series, chart, number)
    for mark in chart.marks:
        line = axes.axvline if mark.axis == "x" else axes.axhline
        line(mark.at, linestyle="--", linewidth=1.2, color="#555555", label=_plain(mark.words))
    _dress(axes, chart)
    if rows:
        # Above the axes: inside it would lie on points or bars.
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=columns,
            fontsize=8,
            frameon=False,
            borderaxespad=0.2,
        )
    out = io.BytesIO()
    canvas.print_png(out)  # type: ignore[no-untyped-call]
    return out.getvalue()


def _left(chart: Chart) -> float:
    """The share of the width that the words beside the y axis need."""
    words = [v for s in chart.series for v in s.y if isinstance(v, str)]
    return min(0.5, 0.04 + 0.0115 * max(map(len, words))) if words else 0.115


def _legend(chart: Chart) -> tuple[int, int]:
    """Columns and rows of the legend; none for a chart of one meaning."""
    names = [series.name for series in chart.series] + [mark.words for mark in chart.marks]
    if len(names) < 2:
        return 0, 0
    longest = 0.06 + 0.0095 * max(map(len, names))
    columns = max(1, min(len(names), int((0.97 - _left(chart)) / longest)))
    return columns, -(-len(names) // columns)


def _draw(axes: Axes, series: Series, chart: Chart, number: int) -> None:
    colour, name = COLOURS[series.role], _plain(series.name)
    x: Any = [_plain(v) if isinstance(v, str) else v for v in series.x]
    y: Any = [_plain(v) if isinstance(v, str) else v for v in series.y]
    if series.form == "sideways":
        axes.barh(y, x, color=colour, label=name)
    elif series.form == "bars":
        below = [
            sum(float(s.y[n]) for s in chart.series[:number]) if chart.stacked else 0.0
            for n in range(len(x))
        ]
        axes.bar(x, y, bottom=below, color=colour, label=name, width=0.7)
    elif series.form == "points":
        open_ = series.role == "infeasible"
        axes.errorbar(
            x,
            y,
            xerr=_arms(series.x_spans, series.x),
            yerr=_arms(series.y_spans, series.y),
            fmt=SYMBOLS.get(series.role, "o"),
            color=colour,
            markerfacecolor="none" if open_ else colour,
            markersize=11 if series.role == "winner" else 5.5,
            elinewidth=0.7,
            alpha=0.6 if open_ else 0.9,
            label=name,
        )
    elif series.form == "steps":
        axes.step(x, y, where="post", color=colour, linewidth=1.4, label=name)
    else:
        axes.plot(x, y, color=colour, linewidth=1.2, label=name)


def _arms(spans: Any, values: Any) -> list[list[float]] | None:
    if spans is None:
        return None
    pairs = list(zip(spans, values, strict=True))
    return [
        [max(0.0, value - low) for (low, _), value in pairs],
        [max(0.0, high - value) for (_, high), value in pairs],
    ]


def _dress(axes: Axes, chart: Chart) -> None:
    axes.set_xlabel(_plain(chart.x.title))
    axes.set_ylabel(_plain(chart.y.title))
    for axis, one in ((chart.x, axes.xaxis), (chart.y, axes.yaxis)):
        if (written := _written(axis)) is not None:
            one.set_major_formatter(written)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _written(axis: Axis) -> Any:
    if axis.form == "percent":
        return lambda value, _: f"{100 * value:.3g} %"
    if axis.form == "count":
        return lambda value, _: amount(value)
    return None


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
