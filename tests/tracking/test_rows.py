from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace

import pytest
from tracked_studies import architecture, evaluation, latency, outcome, record, study_info

from nas.architecture import Architecture
from nas.events import Counts
from nas.network import build
from nas.outcome import Costs, EpochResult, RungResult
from nas.tracking import legal
from nas.tracking.labels import kinds, magnitude, run_name, three_digits
from nas.tracking.rows import study_row, trial_row
from nas.tracking.state import StudyState, TrialState, best_of, counted, settled


def test_a_trial_is_named_like_a_row_of_a_table():
    assert run_name(record(17, outcome())) == "#017 v1.sandglass 92.4% 0.142ms 412k"


def test_a_name_says_how_a_trial_ended_that_was_not_trained():
    assert run_name(record(3, outcome("refused"))) == "#003 v1.sandglass refused 0.142ms 412k"
    assert run_name(record(4, outcome("repeated"))).startswith("#004 v1.sandglass repeats #000")
    assert run_name(record(5, None)) == "#005 v1.sandglass"


def test_the_name_of_a_trained_candidate_that_breaks_a_limit_says_so():
    over = replace(outcome(), feasible=False, violations={"latency_of": 0.1})
    name = run_name(record(7, over))
    assert name == "#007 v1.sandglass infeasible 92.4% 0.142ms 412k"


def test_stages_are_told_apart_by_stride_width_and_kind():
    # 48 at stride 2 twice, then 96: three stages; the second unit of a stage adds nothing.
    assert kinds(architecture()) == "v1.sandglass"
    assert kinds(architecture(kind="shuffle_v2")) == "v2.sandglass"


def test_units_that_differ_in_an_option_alone_have_different_names():
    plain = architecture(kind="shuffle_v2")
    other = Architecture.from_text(plain.text.replace("-s2-n2", "-s2-se.true-n2"))
    assert kinds(other) == "v2-se.sandglass"
    paper = Architecture.from_text(plain.text.replace(":96-s2", ":96-s2-variant.paper"))
    assert kinds(paper) == "v2.sandglass-paper"


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.814, "3.81"), (0.0142, "0.0142"), (99.96, "100"), (12.0, "12.0"), (0.00001, "0.000010")],
)
def test_a_latency_keeps_three_digits(value, text):
    assert three_digits(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(41_300_000, "41M"), (4_130_000, "4.1M"), (999_700, "1.0M"), (1.2e9, "1.2G"), (999, "999")],
)
def test_a_count_is_short(value, text):
    assert magnitude(value) == text


def test_genes_and_the_text_form_are_params():
    row = trial_row(study_info(), TrialState(record(0, outcome()), "FINISHED"))
    assert row.params == {
        "kind1": "shuffle_v1",
        "width1": "48",
        "expansion2": "6.0",
        "architecture": architecture().text,
    }


def test_the_final_metrics_are_the_outcomes_numbers():
    row = trial_row(study_info(), TrialState(record(0, outcome()), "FINISHED"))
    assert row.metrics == {
        "accuracy": 0.924,
        "latency_ms": 0.142,
        "latency_low": 0.142 * 0.97,
        "latency_high": 0.142 * 1.03,
        "latency_ratio": 0.142 / 0.15,
        "multiply_adds": 412_000,
        "parameters": 9_000,
        "memory_access": 31_000,
        "seconds": 2.5,  # 0.25 counting + 1.5 measuring + 0.75 training
    }


def test_what_is_unknown_or_not_finite_is_no_metric():
    odd = replace(outcome(), latency=latency(high=math.inf, ratio=math.nan), evaluation=None)
    names = set(trial_row(study_info(), TrialState(record(0, odd), "FINISHED")).metrics)
    assert names == {
        "latency_ms", "latency_low", "multiply_adds", "parameters", "memory_access", "seconds",
    }  # fmt: skip


def test_a_loss_that_is_not_finite_is_left_out_of_the_curve():
    epochs = (EpochResult(0, 0.5, math.nan, 1.0), EpochResult(1, 0.6, math.inf, 1.0))
    odd = replace(outcome(), evaluation=replace(evaluation(), epochs=epochs))
    points = trial_row(study_info(), TrialState(record(0, odd), "FINISHED")).points
    assert [(p.key, p.step, p.value) for p in points] == [
        ("epoch/accuracy", 0, 0.5),
        ("epoch/accuracy", 1, 0.6),
    ]


def test_epochs_that_were_not_watched_get_their_times_from_their_seconds():
    trial = record(0, outcome())  # three epochs of 0.25 s
    points = trial_row(study_info(), TrialState(trial, "FINISHED")).points
    times = [p.time - trial.started for p in points if p.key == "epoch/loss"]
    assert times == pytest.approx([0.25, 0.5, 0.75])


def test_tags_identify_the_trial_and_its_end():
    tags = trial_row(study_info(), TrialState(record(7, outcome("refused")), "FINISHED")).tags
    assert tags["nas.study"] == "digits-mixed-001"
    assert tags["nas.trial"] == "7"
    assert tags["nas.fingerprint"] == architecture().fingerprint
    assert (tags["nas.outcome"], tags["nas.feasible"]) == ("refused", "no")
    assert tags["nas.reason"] == "refused for a reason"


def test_the_architecture_artifact_is_read_back_as_the_same_network():
    row = trial_row(study_info(), TrialState(record(0, outcome()), "FINISHED"))
    value = json.loads(row.artifacts()["architecture.json"])
    assert type(architecture()).from_json(value) == architecture()


def test_the_layers_are_a_table_among_a_trials_files_and_add_up_to_the_network():
    row = trial_row(study_info(), TrialState(record(0, outcome()), "FINISHED"))
    layers = list(csv.DictReader(io.StringIO(row.artifacts()["layers.csv"])))
    module = build(architecture())
    assert sum(int(layer["parameters"]) for layer in layers) == sum(
        p.numel() for p in module.parameters()
    )
    assert (layers[0]["input"], layers[0]["output"]) == ("1x8x8", "24x8x8")
    assert {layer["kind"] for layer in layers} >= {"depthwise", "pointwise", "linear"}


@pytest.mark.parametrize("costs", [None, Costs(412_000, 9_000, memory_access=None)])
def test_a_network_that_was_not_counted_has_no_table_of_layers(costs):
    lost = replace(outcome("failed"), costs=costs)
    files = trial_row(study_info(), TrialState(record(0, lost), "FAILED")).artifacts()
    assert "layers.csv" not in files
    assert "outcome.json" in files


def test_settings_are_an_artifact_without_passwords_and_no_params():
    row = study_row(StudyState(study_info(), "RUNNING", 1.0, 1.0))
    text = row.artifacts()["settings.json"]
    assert "pa55" not in text
    assert json.loads(text)["study"] == {"trials": 20}
    assert row.params == {}


def test_a_trial_ends_failed_or_finished_or_as_the_study_left_it():
    ends = {
        kind: settled(record(0, outcome(kind)), unfinished="KILLED")
        for kind in ("evaluated", "refused", "repeated", "failed")
    }
    assert ends == {
        "evaluated": "FINISHED",
        "refused": "FINISHED",
        "repeated": "FINISHED",
        "failed": "FAILED",
    }
    assert settled(record(0, None), unfinished="KILLED") == "KILLED"


def test_the_best_are_feasible_by_accuracy_then_latency():
    trials = [
        record(0, outcome(accuracy=0.90)),
        record(1, outcome(accuracy=0.95, ms=0.2)),
        record(2, outcome(accuracy=0.95, ms=0.1)),
        record(3, replace(outcome(accuracy=0.99), feasible=False)),
        record(4, outcome("refused")),
    ]
    assert [trial.number for trial in best_of(trials)] == [2, 1, 0]


def test_counts_come_from_the_outcomes():
    trials = [record(n, outcome(k)) for n, k in enumerate(("evaluated", "refused", "evaluated"))]
    assert counted([*trials, record(3, None)]) == Counts(evaluated=2, refused=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stage1@kind (first)", "stage1_kind _first_"),
        ("../secret", "secret"),
        ("a//b/./c", "a/b/c"),
        ("", "_"),
        ("/abs", "abs"),
    ],
)
def test_names_become_legal(text, expected):
    assert legal.name(text) == expected


def test_names_that_become_equal_are_numbered():
    assert legal.params({"a@": 1, "a(": 2, "a_": 3}) == {"a_": "1", "a_-2": "2", "a_-3": "3"}


def test_long_values_are_cut_visibly_and_fit():
    [value] = legal.params({"x": "y" * 7000}).values()
    assert len(value) == 6000
    assert value.endswith("(cut)")
    [tag] = legal.tags({"x": "y" * 9000}).values()
    assert len(tag) == 8000


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:pa55@host/db",
        "postgresql://ann:pa55@w/x@host/db",
        "http://:pa55@host",
        "postgresql://host/db?user=ann&password=pa55&x=1",
    ],
)
def test_passwords_are_masked(text):
    assert "pa55" not in legal.masked(f"nas search tracking.uri={text} study.trials=5")
    assert "study.trials=5" in legal.masked(f"tracking.uri={text} study.trials=5")


def test_a_candidate_that_climbed_rungs_shows_each_of_them_in_its_run():
    rungs = (RungResult(1, 0.5, 0.1), RungResult(3, 0.7, 0.3))
    curve = tuple(EpochResult(n, 0.2 * n, 1.0, 0.1, rung=1) for n in (1, 2, 3))
    ended = replace(evaluation(0.7), rung=1, rungs=rungs, epochs=curve)
    trial = record(0, replace(outcome(), evaluation=ended))
    row = trial_row(study_info(), TrialState(trial, "FINISHED"))
    assert row.tags["nas.rung"] == "1"
    assert {key: row.metrics[key] for key in ("accuracy", "rung0/accuracy", "rung1/accuracy")} == {
        "accuracy": 0.7,
        "rung0/accuracy": 0.5,
        "rung1/accuracy": 0.7,
    }
    # No curve of a shorter schedule stands where those of whole trainings are compared.
    assert {point.key for point in row.points} == {"rung1/epoch/accuracy", "rung1/epoch/loss"}


def test_the_best_had_the_whole_budget():
    lower = replace(outcome(accuracy=0.99), evaluation=replace(evaluation(0.99), rung=0))
    assert [r.number for r in best_of([record(0, lower), record(1, outcome())])] == [1]


def test_what_a_table_does_not_tell_is_no_metric():
    known = outcome()
    told = replace(
        known,
        costs=replace(known.costs, memory_access=None),
        latency=replace(known.latency, reference=""),
    )
    metrics = trial_row(study_info(), TrialState(record(0, told), "FINISHED")).metrics
    assert metrics.keys().isdisjoint({"memory_access", "latency_ratio"})
    assert "latency_ms" in metrics
