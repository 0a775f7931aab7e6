from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tracked_studies import outcome, record, study_info

from nas.events import Counts
from nas.tracking.describe import description, escaped
from nas.tracking.state import StudyState, nearest_of

BEST = record(17, outcome(accuracy=0.924))


def state(**changes) -> StudyState:
    known = StudyState(study_info(), "RUNNING", 1.0, 1.0, counts=Counts(evaluated=3, refused=5))
    return replace(known, **changes)


def test_goal_limits_target_and_progress_are_told():
    text = description(state(best=(BEST,)))
    assert "**Goal:** best validation accuracy within the limits" in text
    assert "latency no more than that of shufflenet\\_v2\\_x0\\_5" in text
    assert "**Target:** local/onnxruntime/cpu/1" in text
    assert "**Progress:** 3 of 20 evaluated, 5 refused, 0 repeated, 0 failed" in text


def test_the_table_comes_first_with_the_best_beside_the_reference():
    reference = ("shufflenet_v2_x0_5", outcome(accuracy=0.9))
    lines = description(state(best=(BEST,), reference=reference)).splitlines()
    cells = [[c.replace("&nbsp;", "").strip() for c in line.split("|")[1:-1]] for line in lines[:4]]
    assert cells[0] == ["place", "network", "accuracy", "latency", "multiply-adds", "parameters"]
    assert cells[2] == [
        "**most accurate so far**", "\\#017 v1.sandglass", "92.4%", "0.142 ms (0.138 to 0.146)",
        "412k", "9.0k",
    ]  # fmt: skip
    assert cells[3][:3] == ["reference", "shufflenet\\_v2\\_x0\\_5", "90.0%"]


def test_test_accuracy_has_a_column_once_it_is_known():
    text = description(state(best=(BEST,), tested={17: 0.875}, concluded=True))
    assert "test accuracy" in text
    assert "87.5%" in text
    assert "**winner**" in text
    assert "test accuracy" not in description(state(best=(BEST,)))


def test_without_a_feasible_candidate_the_nearest_and_its_limit_are_told():
    near = record(4, replace(outcome("refused"), violations={"latency_of": math.log(1.25)}))
    far = record(5, replace(outcome("refused"), violations={"latency_of": math.log(2.0)}))
    text = description(state(nearest=nearest_of([far, near])))
    assert "The nearest, trial 4, is 25.0 % above latency: relax that limit" in text


def test_a_study_without_any_trial_is_described():
    assert "No candidate keeps every limit yet." in description(state(counts=Counts()))


@pytest.mark.parametrize("text", ["a|b", "<script>", "[x](y)", "*a*", "a\nb", "`rm`", "# a"])
def test_names_that_users_choose_stay_text(text):
    safe = escaped(text)
    assert "\n" not in safe
    assert "<" not in safe
    for mark in "|[]()*`#":
        assert safe.count(mark) == safe.count("\\" + mark)


def test_the_address_is_a_link():
    text = description(state(best=(BEST,)), address="/#/experiments/1/runs?a=b")
    assert "](/#/experiments/1/runs?a=b)" in text
