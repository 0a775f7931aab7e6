"""Runs that a person marked in the MLflow UI, and where a run's id leads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reported import study
from tracked_studies import client, trial_runs

from nas.architecture import Architecture
from nas.cli import main
from nas.full_training import plan
from nas.outcome import TrialRecord
from nas.study.storage import StudyStorage
from nas.tracking.stored import track_stored
from nas.trained import trial_of, word_of

SMALL = 2


def mark(folder: Path, number: int) -> str:
    """Set a tag as the UI does; returns the id of the run."""
    run = str(runs_of(folder)[number])
    client(folder).set_tag(run, "pick", "yes")
    return run


def runs_of(folder: Path) -> dict[int, str]:
    return {n: r.info.run_id for n, r in trial_runs(folder).items()}


def records(folder: Path) -> list[TrialRecord]:
    storage = StudyStorage.open(folder / "one")
    try:
        return storage.records()
    finally:
        storage.close()


@pytest.fixture
def folder(runs: Path) -> Path:
    study(runs / "one", proposals=6)
    track_stored("one", folder=runs)
    return runs


def test_the_run_of_a_trial_names_the_trial_of_its_study(folder: Path) -> None:
    run = runs_of(folder)[3]
    assert word_of(run, folder) == "one:3"
    assert trial_of(run, folder) == ("one", 3)
    record = plan(run, ["training.epochs=1"], folder=folder).record
    assert (record.study, record.trial) == ("one", 3)
    assert record.architecture == records(folder)[3].architecture


def test_a_run_whose_study_is_gone_names_its_network(folder: Path) -> None:
    run, network = runs_of(folder)[3], records(folder)[3].architecture
    (folder / "one").rename(folder / "another")
    assert Architecture.from_text(word_of(run, folder)) == network
    # A study that has taken the name since is another one.
    study(folder / "one", proposals=6, seed=99)
    assert records(folder)[3].architecture != network
    assert trial_of(run, folder) == ("", None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tag", "pick"], "--tag: must be KEY=VALUE"),
        (["--tag", "=yes"], "--tag: must be KEY=VALUE"),
        (["--tag", "pick=yes", "one:3"], "got one:3 besides; allowed: one of both"),
    ],
)
def test_what_tag_does_not_take_is_told(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_the_trials_that_a_person_marked_are_trained_and_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_size = sorted(
        records(folder), key=lambda r: sum(u.out_channels for u in r.architecture.units)
    )
    marked = sorted(record.number for record in by_size[:SMALL])
    for number in marked:
        mark(folder, number)
    quick = ["training.epochs=1", "tracking=none", f"study.folder={folder}"]
    assert main(["train", "--tag", "pick=yes", *quick, "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert [(one["study"], one["trial"]) for one in trained] == [("one", n) for n in marked]
    assert all(Path(one["folder"], "model.safetensors").is_file() for one in trained)
