from __future__ import annotations

import pytest
from tracked_studies import NAME, client, parent_run, records, study_info, trial_runs

from nas.errors import TrackingError
from nas.tracking import track, trial_of, trials_tagged


@pytest.fixture
def tracked(runs):
    track(study_info(), records(3), runs=runs, reason="finished")
    return runs


def test_a_run_alone_gives_the_trial_back(tracked):
    trial = trial_of(trial_runs(tracked)[0].info.run_id, runs=tracked)
    expected = records(3)[0]
    assert (trial.study, trial.number) == (NAME, 0)
    assert trial.architecture == expected.architecture
    assert trial.outcome == expected.outcome
    assert trial.settings["study"] == {"trials": 20}


def test_the_run_of_a_study_is_no_trial(tracked):
    with pytest.raises(TrackingError, match=r"must be the run of a trial; got .*a whole study"):
        trial_of(parent_run(tracked).info.run_id, runs=tracked)


def test_an_unknown_run_is_refused(tracked):
    with pytest.raises(TrackingError, match="not found"):
        trial_of("0" * 32, runs=tracked)


def test_a_run_without_its_files_is_refused_by_their_name(tracked):
    tags = {"nas.trial": "9", "nas.study": NAME}
    run = client(tracked).create_run(parent_run(tracked).info.experiment_id, tags=tags)
    with pytest.raises(TrackingError, match=r"must have the file architecture\.json; got none"):
        trial_of(run.info.run_id, runs=tracked)


def test_runs_that_a_person_marked_are_found(tracked):
    ids = {n: run.info.run_id for n, run in trial_runs(tracked).items()}
    for number in (2, 0):
        client(tracked).set_tag(ids[number], "pick", "yes")
    client(tracked).set_tag(parent_run(tracked).info.run_id, "pick", "yes")  # no trial
    assert trials_tagged("pick", "yes", runs=tracked) == [ids[0], ids[2]]


def test_a_tag_that_nobody_set_is_refused(tracked):
    with pytest.raises(TrackingError, match="tag pick=yes: must be on the run of one trial"):
        trials_tagged("pick", "yes", runs=tracked)
