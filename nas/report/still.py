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


def png(chart: Chart) -> bytes:
    """The chart as the bytes of a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot: no global figure is kept, and no window system is asked for.
    figure = Figure(figsize=INCHES, dpi=DOTS)
    canvas = FigureCanvasAgg(figure)
    # Fixed margins: letting matplotlib find them costs as much as the drawing.
    axes = figure.add_axes((_left(chart), 0.13, 0.97 - _left(chart), 0.78))
    for number, series in enumerate(chart.series):
        _draw(axes, series, chart, number)
    for mark in chart.marks:
        line = axes.axvline if mark.axis == "x" else axes.axhline
        line(mark.at, linestyle="--", linewidth=1.2, color="#555555", label=_plain(mark.words))
    _dress(axes, chart)
    out = io.BytesIO()
    canvas.print_png(out)  # type: ignore[no-untyped-call]
    return out.getvalue()


def _left(chart: Chart) -> float:
    """The share of the width that the words beside the y axis need."""
    words = [v for s in chart.series for v in s.y if isinstance(v, str)]
    return min(0.5, 0.04 + 0.0115 * max(map(len, words))) if words else 0.1


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
    axes.set_title(_plain(chart.title), loc="left", fontsize=11)
    axes.set_xlabel(_plain(chart.x.title))
    axes.set_ylabel(_plain(chart.y.title))
    for axis, one in ((chart.x, axes.xaxis), (chart.y, axes.yaxis)):
        if (written := _written(axis)) is not None:
            one.set_major_formatter(written)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    if len(chart.series) + len(chart.marks) > 1:
        axes.legend(fontsize=8, frameon=False, ncols=2)


def _written(axis: Axis) -> Any:
    if axis.form == "percent":
        return lambda value, _: f"{100 * value:.3g} %"
    if axis.form == "count":
        return lambda value, _: amount(value)
    return None


def _plain(text: str) -> str:
    """Text that matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")
