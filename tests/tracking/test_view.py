from __future__ import annotations

import json
from urllib.parse import parse_qs, urlparse

import pytest

from nas.tracking import view

# Columns, order and filter are what MLflow's search takes; that the UI draws them is shown in
# tests/shown/test_ui_shown.py.


@pytest.mark.parametrize(
    ("version", "tried"), [("3.17.2", True), ("3.17", True), ("3.170.0", False), ("3.18.0", False)]
)
def test_only_versions_that_were_tried_get_a_saved_view(version, tried):
    assert view.is_tried(version) is tried


def test_the_saved_view_is_a_named_envelope_that_fits_a_tag():
    key, value = view.tag("digits-mixed-001", "a" * 32, created=1_790_000_000.0)
    envelope = json.loads(value)
    assert key == "mlflow.sharedViewState.nas-" + "a" * 32
    assert (envelope["name"], envelope["createdAt"]) == ("digits-mixed-001", 1_790_000_000_000)
    assert len(value) < 20_000  # MLflow's limit for a tag of an experiment


def test_the_saved_view_sorts_by_accuracy_and_keeps_the_feasible_of_this_study():
    _, value = view.tag("name", "abc", created=1.0)
    state = json.loads(json.loads(value)["state"])
    assert state["orderByKey"] == "metrics.`accuracy`"
    assert state["orderByAsc"] is False
    assert state["searchFilter"] == (
        "tags.`mlflow.parentRunId` = 'abc' AND tags.`nas.feasible` = 'yes'"
        " AND tags.`nas.outcome` = 'evaluated'"
    )
    assert state["selectedColumns"][:2] == ["metrics.`accuracy`", "metrics.`latency_ms`"]


def test_accuracy_against_latency_is_its_first_chart():
    _, value = view.tag("name", "abc", created=1.0)
    chart = json.loads(json.loads(value)["state"])["compareRunCharts"][0]
    assert chart["type"] == "SCATTER"
    assert (chart["xaxis"]["key"], chart["yaxis"]["key"]) == ("latency_ms", "accuracy")


def test_the_plain_address_lists_every_trial_by_accuracy():
    page = urlparse(view.plain_address("http://host:5000/", "7", "abc")).fragment
    asked = {key: value[0] for key, value in parse_qs(urlparse(page).query).items()}
    assert page.startswith("/experiments/7/runs?")
    assert asked["searchFilter"] == "tags.`mlflow.parentRunId` = 'abc'"
    assert (asked["orderByKey"], asked["orderByAsc"]) == ("metrics.`accuracy`", "false")
