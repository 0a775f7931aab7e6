"""A study that trains, killed in the middle of a training: nothing of it differs afterwards."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hearing import nas

from nas.study.storage import StudyStorage

TRIALS = 3
SETTINGS = (
    "execution=serial",
    "sampler.startup_trials=1",
    "training.epochs=3",
    "training.memory_format=contiguous",
    "training.precision=float32",
    "objective.latency_ms=50",
    "space.widths=[12,24]",
    "space.depths=[1,2]",
    f"study.trials={TRIALS + 1}",
    "study.sustained_seconds=0",
    "study.report=false",
    "study.name=one",
    "evaluation.seeds=1",
    "tracking=none",
)


def told(folder: Path, event: str, *keys: str) -> list[tuple[object, ...]]:
    """These keys of each such line of the study's log."""
    log = folder / "runs" / "one" / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return [tuple(one[key] for key in keys) for one in found if one["event"] == event]


def until(event: Callable[[], bool], folder: Path, *words: str) -> None:
    """The program killed as soon as that has come."""
    process = nas(folder, *words)
    deadline = time.monotonic() + 200
    while not event():
        assert process.poll() is None, process.communicate()[0].decode()
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)
    process.kill()
    process.communicate()


def trials(folder: Path) -> list[tuple[object, ...]]:
    """What each trial was and how well it did, epoch by epoch."""
    with closing(StudyStorage.open(folder / "runs" / "one")) as storage:
        return [
            (t.number, tuple(t.genes.values()), t.outcome.kind, evaluation.accuracy,
             [(epoch.accuracy, epoch.loss) for epoch in evaluation.epochs])
            for t in storage.records()
            if t.number < TRIALS and t.outcome and (evaluation := t.outcome.evaluation)
        ]  # fmt: skip


@pytest.mark.slow
def test_a_study_killed_in_a_training_has_the_accuracies_of_one_that_was_not(
    tmp_path: Path,
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        (folder / "runs").mkdir(parents=True)

    def done(folder: Path) -> bool:
        return len(told(folder, "outcome")) >= TRIALS

    # What comes behind the candidates, certificates above all, is not asked for here.
    until(lambda: done(whole), whole, "search", *SETTINGS)
    shutil.copy(whole / "runs" / "latency.db", killed / "runs" / "latency.db")
    until(lambda: (1, 2) in told(killed, "epoch", "trial", "epoch"), killed, "search", *SETTINGS)
    until(lambda: done(killed), killed, "resume", "one")
    # It went on behind the epochs it had: the first was not trained, and told, a second time.
    assert told(killed, "epoch", "trial", "epoch").count((1, 1)) == 1
    found = trials(whole)
    assert [kind for _, _, kind, *_ in found] == ["evaluated"] * TRIALS
    assert trials(killed) == found
