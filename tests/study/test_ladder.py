"""Candidates that climb rungs: who climbs, what is told and kept, and what a kill leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tiny import CONSTRAINED, EPOCHS, PARETO, formula, run

from nas.architecture import Architecture
from nas.errors import TrainingError
from nas.execution import StoppedError
from nas.objective import Objective
from nas.outcome import Evaluation, TrialRecord
from nas.study.best import best_of
from nas.study.storage import StudyStorage

PROPOSALS = 40


def train(architecture: Architecture, epochs: int) -> Evaluation:
    """An accuracy that grows with the epochs and ranks candidates a little otherwise on each."""
    luck = int(architecture.fingerprint[:4], 16) * epochs % 97 / 97
    accuracy = formula(architecture) * (0.7 + epochs / 50) + 0.02 * luck
    return Evaluation(accuracy, 0.0, 1.0 * epochs, seed=5)


def records(path: Path) -> list[TrialRecord]:
    storage = StudyStorage.open(path)
    try:
        return storage.records()
    finally:
        storage.close()


def climbed(path: Path) -> list[tuple[int, Evaluation, int]]:
    """Number, evaluation and multiply-adds of each candidate that was trained."""
    return [
        (trial.number, trial.outcome.evaluation, trial.outcome.costs.multiply_adds)
        for trial in records(path)
        if trial.outcome is not None
        and trial.outcome.kind == "evaluated"
        and trial.outcome.evaluation is not None
        and trial.outcome.costs is not None
    ]


def test_from_a_rung_on_which_most_candidates_guess_all_climb(tmp_path: Path) -> None:
    def guessing(architecture: Architecture, epochs: int) -> Evaluation:
        found = train(architecture, epochs)
        # Chance is 0.1; of 400 images a guess has more than 12.5 % right once in twenty times.
        return replace(found, accuracy=0.12 + found.accuracy / 1000) if epochs == 1 else found

    run(tmp_path / "study", proposals=PROPOSALS, train=guessing)
    ends = [len(evaluation.rungs) for _, evaluation, _ in climbed(tmp_path / "study")]
    assert min(ends) == 2
    assert 2 <= ends.count(3) < len(ends)


def test_who_climbs_is_who_is_among_the_best_third_of_the_rung_so_far(tmp_path: Path) -> None:
    run(tmp_path / "study", proposals=PROPOSALS, train=train)
    seen: list[list[float]] = [[], [], []]
    ends = []
    for _, evaluation, _ in climbed(tmp_path / "study"):
        reached = [result.accuracy for result in evaluation.rungs]
        for rung, accuracy in enumerate(reached):
            better = sum(other > accuracy for other in seen[rung])
            seen[rung].append(accuracy)
            goes_on = better < max(1, len(seen[rung]) // 3)
            assert goes_on == (len(reached) > rung + 1) or rung == 2
        ends.append(len(reached))
    assert ends[0] == 3  # nobody is better than the first
    assert set(ends) == {1, 2, 3}


def test_with_two_objectives_those_climb_that_nobody_dominates(tmp_path: Path) -> None:
    run(tmp_path / "study", proposals=PROPOSALS, objective=PARETO, train=train)
    seen: list[list[tuple[float, int]]] = [[], []]
    for _, evaluation, cost in climbed(tmp_path / "study"):
        for rung, result in enumerate(evaluation.rungs[:2]):
            own = (result.accuracy, cost)
            dominated = any(a >= own[0] and c <= cost and (a, c) != own for a, c in seen[rung])
            assert dominated or len(evaluation.rungs) > rung + 1
            seen[rung].append(own)
    ends = {len(evaluation.rungs) for _, evaluation, _ in climbed(tmp_path / "study")}
    assert {1, 3} <= ends


def test_every_rung_is_a_training_of_its_own_and_the_seconds_are_those_of_all(
    tmp_path: Path,
) -> None:
    run(tmp_path / "study", proposals=PROPOSALS, train=train)
    for _, evaluation, _ in climbed(tmp_path / "study"):
        epochs = [result.epochs for result in evaluation.rungs]
        assert epochs == [1, 3, EPOCHS][: len(epochs)]
        assert evaluation.seconds == sum(epochs)
        assert evaluation.rung == (None if len(epochs) == 3 else len(epochs) - 1)
        assert evaluation.accuracy == evaluation.rungs[-1].accuracy


def test_optuna_is_told_the_accuracy_of_the_rung_at_which_a_candidate_ended(
    tmp_path: Path,
) -> None:
    run(tmp_path / "study", proposals=PROPOSALS, train=train)
    storage = StudyStorage.open(tmp_path / "study")
    told = {trial.number: trial for trial in storage.trials}
    storage.close()
    found = climbed(tmp_path / "study")
    assert len(found) > 5
    for number, evaluation, _ in found:
        assert told[number].values == [evaluation.accuracy]
        assert told[number].user_attrs["nas.rung"] == len(evaluation.rungs) - 1


@pytest.mark.parametrize("objective", [CONSTRAINED, PARETO], ids=["constrained", "pareto"])
def test_nobody_wins_below_the_whole_budget(tmp_path: Path, objective: Objective) -> None:
    def misleading(architecture: Architecture, epochs: int) -> Evaluation:
        return Evaluation(1 - formula(architecture) * epochs / 20, 0.0, 0.0, 0)

    run(tmp_path / "study", proposals=PROPOSALS, objective=objective, train=misleading)
    evaluated = [
        (trial.number, trial.outcome)
        for trial in records(tmp_path / "study")
        if trial.outcome is not None and trial.outcome.kind == "evaluated"
    ]
    best = best_of(objective, evaluated, noise=0.5)
    assert 0 < len(best) < len(evaluated)
    assert all(o.evaluation is not None and o.evaluation.whole for _, o in best)


def stopping(after: int) -> tuple[Callable[[Architecture, int], Evaluation], list[int]]:
    """`train` that is given up after so many trainings, and the epochs of those it did."""
    done: list[int] = []

    def stopped(architecture: Architecture, epochs: int) -> Evaluation:
        if len(done) == after:
            raise StoppedError("training: given up because the study is to stop")
        done.append(epochs)
        return train(architecture, epochs)

    return stopped, done


def test_a_study_stopped_between_any_two_trainings_trains_none_twice(tmp_path: Path) -> None:
    run(tmp_path / "whole", proposals=12, train=train)
    trainings = sum(len(e.rungs) for _, e, _ in climbed(tmp_path / "whole"))
    total, after, stops = 0, 1, 0
    while True:
        limited, done = stopping(after)
        ended = run(tmp_path / "stopped", proposals=12, train=limited)
        total += len(done)
        if ended.reason != "signal":
            break
        after, stops = after % 2 + 1, stops + 1
    assert stops > 3
    assert total == trainings
    assert climbed(tmp_path / "stopped") == climbed(tmp_path / "whole")


def test_a_candidate_that_fails_on_a_rung_does_not_count_among_the_others(tmp_path: Path) -> None:
    def failing(architecture: Architecture, epochs: int) -> Evaluation:
        if epochs == 3 and int(architecture.fingerprint[:2], 16) % 2:
            raise TrainingError("training: the loss must stay finite")
        return train(architecture, epochs)

    run(tmp_path / "at once", proposals=24, train=failing)
    for proposals in range(4, 25, 4):
        run(tmp_path / "resumed", proposals=proposals, train=failing)
    kinds = [t.outcome.kind for t in records(tmp_path / "at once") if t.outcome]
    assert "failed" in kinds
    assert climbed(tmp_path / "resumed") == climbed(tmp_path / "at once")
