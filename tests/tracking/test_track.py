from __future__ import annotations

import pytest
from tracked_studies import NAME, mlflow_runs, outcome, parent_run, record, records, study_info
from tracked_studies import trial_runs as trials_in

from nas.errors import TrackingError
from nas.tracking import track


def test_a_study_is_written_whole_into_an_empty_store(runs):
    done = track(study_info(), records(5), runs=runs, reason="finished")
    assert (done.written, done.whole) == (6, 0)
    assert done.run == parent_run(runs).info.run_id
    assert {n: r.info.status for n, r in trials_in(runs).items()} == {
        0: "FINISHED",
        1: "FINISHED",
        2: "FINISHED",
        3: "FAILED",
        4: "FINISHED",
    }


def test_a_second_time_nothing_is_left_to_write(runs):
    for identity in ("", "known"):
        info = study_info(identity=identity, name=f"{NAME}{identity}")
        track(info, records(4), runs=runs, reason="finished")
        again = track(info, records(4), runs=runs, reason="finished")
        assert (again.written, again.whole) == (0, 5)


def test_only_new_trials_are_added(runs):
    track(study_info(), records(3), runs=runs, reason="signal")
    again = track(study_info(), records(5), runs=runs, reason="finished")
    assert (again.written, again.whole) == (3, 3)  # the study and two trials; three stay
    assert len(mlflow_runs(runs)) == 6


@pytest.mark.parametrize(("reason", "status"), [("signal", "KILLED"), ("error", "KILLED")])
def test_an_unfinished_trial_of_a_stopped_study_is_killed(runs, reason, status):
    track(study_info(), [record(0, outcome()), record(1, None)], runs=runs, reason=reason)
    assert trials_in(runs)[1].info.status == status


def test_an_unfinished_trial_of_a_study_that_runs_is_left_to_it(runs):
    track(study_info(), [record(0, outcome()), record(1, None)], runs=runs)
    assert sorted(trials_in(runs)) == [0]
    assert parent_run(runs).info.status == "RUNNING"


def test_the_reference_stands_beside_the_best(runs):
    reference = ("shufflenet_v2_x0_5", outcome(accuracy=0.9, ms=0.15))
    track(study_info(), records(5), runs=runs, reason="finished", reference=reference)
    metrics = parent_run(runs).data.metrics
    assert metrics["reference/accuracy"] == 0.9
    assert metrics["best/accuracy"] == max(
        r.outcome.evaluation.accuracy for r in records(5) if r.outcome.kind == "evaluated"
    )
    assert metrics["trials/evaluated"] == 2


def test_a_store_that_does_not_answer_is_an_error_here(runs, monkeypatch):
    with pytest.raises(TrackingError, match=r"tracking, http://127.0.0.1:9: .*must answer"):
        track(study_info(), records(1), runs=runs, uri="http://127.0.0.1:9")
