"""A chart as plotly draws it: plain JSON, so that making a page does not cost plotly's import.

Colours are left to the page, which knows whether it is dark: a trace names its role in `meta`.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from nas.report.chart import Axis, Chart, Series

SYMBOLS = {
    "winner": "star",
    "reference": "diamond",
    "second": "square",
    "infeasible": "circle-open",
}
SIZES = {"winner": 15, "reference": 12, "infeasible": 7}
FAINT, RING = 0.55, 2
"""What is over a limit: opacity with its intervals, and the width of its ring in pixels."""
FORMATS = {"percent": ".0%", "count": "~s"}


def figure(chart: Chart) -> dict[str, Any]:
    """The `data` and `layout` of plotly.js; all text in them is escaped."""
    return {
        "data": [_trace(series, chart) for series in chart.series],
        "layout": {
            "xaxis": _axis(chart.x, chart, "x"),
            "yaxis": _axis(chart.y, chart, "y"),
            "barmode": "stack" if chart.stacked else "group",
            "showlegend": len(chart.series) > 1,
            "shapes": [
                {
                    "type": "line",
                    f"{mark.axis}0": mark.at,
                    f"{mark.axis}1": mark.at,
                    f"{_other(mark.axis)}0": 0,
                    f"{_other(mark.axis)}1": 1,
                    f"{_other(mark.axis)}ref": "paper",
                    "line": {"dash": "dash", "width": 1.5},
                }
                for mark in chart.marks
            ],
            "annotations": [
                {
                    "text": escape(mark.words),
                    mark.axis: mark.at,
                    _other(mark.axis): 1,
                    f"{_other(mark.axis)}ref": "paper",
                    "showarrow": False,
                    "yanchor": "bottom",
                }
                for mark in chart.marks
            ],
        },
    }


def _other(axis: str) -> str:
    return "y" if axis == "x" else "x"


def _axis(axis: Axis, chart: Chart, which: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": {"text": escape(axis.title)},
        "type": "category" if axis.form == "words" else "linear",
        "automargin": True,
    }
    if axis.form in FORMATS:
        made["tickformat"] = FORMATS[axis.form]
    if axis.form == "percent" and _narrow(chart, which):
        made["tickformat"] = ".1%"
    return made


def _narrow(chart: Chart, which: str) -> bool:
    """Whether whole percents would repeat themselves along the axis."""
    values = [v for s in chart.series for v in getattr(s, which) if isinstance(v, int | float)]
    return bool(values) and max(values) - min(values) < 0.06


def _trace(series: Series, chart: Chart) -> dict[str, Any]:
    words = [escape(word).replace("\n", "<br>") for word in series.words]
    made: dict[str, Any] = {
        "name": escape(series.name),
        "x": _cells(series.x),
        "y": _cells(series.y),
        "meta": series.role,
        "hovertemplate": "%{text}<extra></extra>" if words else None,
        "text": words or None,
        "customdata": list(series.numbers) or None,
    }
    if series.form in ("bars", "sideways"):
        made |= {"type": "bar", "orientation": "h" if series.form == "sideways" else "v"}
        made["textposition"] = "none"
    else:
        made |= {"type": "scatter", "mode": "markers" if series.form == "points" else "lines"}
        made["marker"] = {
            "symbol": SYMBOLS.get(series.role, "circle"),
            "size": SIZES.get(series.role, 9),
        }
        if series.role == "infeasible":
            made["opacity"] = FAINT
            made["marker"]["line"] = {"width": RING}
        if series.form == "steps":
            made["line"] = {"shape": "hv"}
        if series.form != "points":
            made["hoverinfo"] = "skip"
    for axis, spans, values in (
        ("x", series.x_spans, series.x),
        ("y", series.y_spans, series.y),
    ):
        if spans is not None:
            made[f"error_{axis}"] = _spans(spans, values)
    return {key: value for key, value in made.items() if value is not None}


def _cells(values: Sequence[float | str]) -> list[float | str]:
    return [escape(v) if isinstance(v, str) else v for v in values]


def _spans(spans: Sequence[tuple[float, float]], values: Sequence[float | str]) -> dict[str, Any]:
    pairs = [(s, v) for s, v in zip(spans, values, strict=True) if isinstance(v, int | float)]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for (_, high), value in pairs],
        "arrayminus": [value - low for (low, _), value in pairs],
        "thickness": 1,
        "width": 0,
    }
