"""A saved view of a study's candidates for the MLflow UI: columns, sort, filter, charts.

MLflow keeps saved views as experiment tags `mlflow.sharedViewState.ID` that an address opens by
`viewStateShareKey=ID`. The format is internal to MLflow; it was tried in the versions named here
and is used in no other, where the plain list with the same filter and order is opened.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from typing import Any

TRIED = ("3.17",)
TAG_PREFIX = "mlflow.sharedViewState."

REPORT = "report"
"""The folder of a study's report among the artifacts of its run."""

TRAINING = {"workflowType": "machine_learning"}
"""Without it the page's sidebar is that for language models."""

EXPERIMENT_KIND = ("mlflow.experimentKind", "custom_model_development")
"""The experiment tag by which the UI shows what belongs to training and not to language models."""

ALWAYS_SHOWN = {"attributes.`Run Name`": 370, "runDateAndNestInfo": 140}
"""The name and the time of creation, which come first in any view, with their widths in pixels."""

COLUMNS = {
    "metrics.`accuracy`": 95,
    "metrics.`latency_ms`": 100,
    "metrics.`latency_ratio`": 105,
    "metrics.`multiply_adds`": 110,
    "metrics.`parameters`": 100,
    "tags.`nas.winner`": 95,
    "tags.`nas.outcome`": 100,
    "metrics.`seconds`": 80,
    "params.`architecture`": 400,
}
"""The columns behind the name, in order, with their widths in pixels. A window of 1,440 shows them
as far as the place among the winners; it is scrolled sideways for the rest.
"""


def is_tried(version: str) -> bool:
    """Whether the saved view was tried in this version of MLflow."""
    return any(re.match(rf"{re.escape(tried)}(\.|$)", version) for tried in TRIED)


def key(parent: str) -> str:
    """The id of the view of the study whose own run is `parent`."""
    return f"nas-{parent}"


def query(parent: str, *, feasible: bool) -> str:
    """The search that finds a study's trials, or only those that were evaluated and keep every
    limit: a repeat would stand beside what it repeats.
    """
    words = f"tags.`mlflow.parentRunId` = '{parent}'"
    kept = " AND tags.`nas.feasible` = 'yes' AND tags.`nas.outcome` = 'evaluated'"
    return words + (kept if feasible else "")


def plain_address(url: str, experiment: str, parent: str) -> str:
    """The study's trials, the most accurate first, without a saved view."""
    asked = {
        **TRAINING,
        "searchFilter": query(parent, feasible=False),
        "orderByKey": "metrics.`accuracy`",
        "orderByAsc": "false",
    }
    return f"{_runs(url, experiment)}?{urllib.parse.urlencode(asked, quote_via=urllib.parse.quote)}"


def saved_address(url: str, experiment: str, parent: str) -> str:
    """The study's trials in its saved view."""
    asked = {**TRAINING, "viewStateShareKey": key(parent)}
    return f"{_runs(url, experiment)}?{urllib.parse.urlencode(asked)}"


def artifact_address(experiment: str, run: str, name: str) -> str:
    """A file of the study's report in the UI, from the root of the server."""
    asked = urllib.parse.urlencode(TRAINING)
    return f"{_runs('', experiment)}/{run}/artifacts/{REPORT}/{name}?{asked}"


def tag(study: str, parent: str, *, created: float) -> tuple[str, str]:
    """The experiment tag that holds the view of a study: key and value."""
    value = {"name": study, "createdAt": int(created * 1000), "state": json.dumps(_state(parent))}
    return TAG_PREFIX + key(parent), json.dumps(value)


def _runs(url: str, experiment: str) -> str:
    return f"{url.rstrip('/')}/#/experiments/{experiment}/runs"


def _state(parent: str) -> dict[str, Any]:
    return {
        "searchFilter": query(parent, feasible=True),
        "orderByKey": "metrics.`accuracy`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(COLUMNS),
        # Widths are applied to the columns of a given order only.
        "columnOrder": [*ALWAYS_SHOWN, *COLUMNS, "duration"],
        "columnWidths": {**ALWAYS_SHOWN, **COLUMNS, "duration": 80},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": _charts(),
        "compareRunSections": [
            _section("nas-trials", "Candidates"),
            _section("nas-epochs", "epoch"),
        ],
        "viewMaximized": True,
        "runListHidden": False,
        "isAccordionReordered": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": 0,
            "selectedXAxisMetricKey": "",
        },
    }


def _section(name: str, words: str) -> dict[str, Any]:
    return {
        "uuid": name,
        "name": words,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": 2,
        "cardHeight": 380,
    }


def _charts() -> list[dict[str, Any]]:
    def scatter(across: str) -> dict[str, Any]:
        return {
            "uuid": f"nas-{across}",
            "type": "SCATTER",
            "metricSectionId": "nas-trials",
            "deleted": False,
            "isGenerated": False,
            "runsCountToCompare": 100,
            "xaxis": {"key": across, "type": "METRIC"},
            "yaxis": {"key": "accuracy", "type": "METRIC"},
        }

    def curve(of: str) -> dict[str, Any]:
        return {
            "uuid": f"nas-{of}",
            "type": "LINE",
            "metricSectionId": "nas-epochs",
            "deleted": False,
            "isGenerated": False,
            "runsCountToCompare": 100,
            "metricKey": of,
            "selectedMetricKeys": [of],
            "xAxisKey": "step",
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }

    return [
        scatter("latency_ms"),
        scatter("multiply_adds"),
        curve("epoch/accuracy"),
        curve("epoch/loss"),
    ]
