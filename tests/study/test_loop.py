from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import TrialState
from tiny import CONSTRAINED, PARETO, Tiny, examiner, formula, run, size

from nas.architecture import Architecture
from nas.errors import MeasurementError, TrainingError
from nas.execution import CrashError
from nas.objective import Objective
from nas.outcome import Evaluation, Outcome
from nas.settings import SamplerSettings
from nas.study.proposals import Proposer, distributions
from nas.study.storage import StudyStorage


def records(path: Path) -> list[tuple[int, tuple[object, ...], str]]:
    storage = StudyStorage.open(path)
    try:
        return [
            (t.number, tuple(t.genes.values()), t.outcome.kind if t.outcome else "running")
            for t in storage.records()
        ]
    finally:
        storage.close()


@pytest.mark.parametrize(
    ("sampler", "objective"),
    [
        ("hamming_gp", CONSTRAINED),
        ("nsga2", CONSTRAINED),
        pytest.param("tpe", CONSTRAINED, marks=pytest.mark.slow),
        pytest.param("hamming_gp", PARETO, marks=pytest.mark.slow),
        ("mutation", PARETO),
        pytest.param("random", PARETO, marks=pytest.mark.slow),
        pytest.param("nsga3", PARETO, marks=pytest.mark.slow),
        pytest.param("qmc", CONSTRAINED, marks=pytest.mark.slow),
        pytest.param("tpe", PARETO, marks=pytest.mark.slow),
        pytest.param("nsga2", PARETO, marks=pytest.mark.slow),
        pytest.param("nsga3", CONSTRAINED, marks=pytest.mark.slow),
        pytest.param("mutation", CONSTRAINED, marks=pytest.mark.slow),
        pytest.param("random", CONSTRAINED, marks=pytest.mark.slow),
        pytest.param("qmc", PARETO, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_study_opened_again_proposes_what_an_uninterrupted_one_does(
    tmp_path: Path, sampler: str, objective: Objective
) -> None:
    run(tmp_path / "whole", proposals=20, sampler=sampler, objective=objective)
    # Population 6: 7 and 13 are the first of a generation, where NSGA chooses parents.
    for proposals in (2, 7, 8, 13, 20):
        run(tmp_path / "parts", proposals=proposals, sampler=sampler, objective=objective)
    assert records(tmp_path / "parts") == records(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("objective", [CONSTRAINED, PARETO], ids=lambda o: o.name)
def test_the_gaussian_process_goes_on_as_if_uninterrupted(
    tmp_path: Path, objective: Objective
) -> None:
    run(tmp_path / "whole", proposals=12, sampler="gp", objective=objective)
    for proposals in (6, 9, 12):
        run(tmp_path / "parts", proposals=proposals, sampler="gp", objective=objective)
    assert records(tmp_path / "parts") == records(tmp_path / "whole")


def test_what_was_proposed_is_not_kept_in_memory_by_optuna(tmp_path: Path) -> None:
    space = Tiny()
    with closing(StudyStorage.create(tmp_path / "s", ["maximize"], {})) as storage:
        proposer = Proposer(space.genes, ["maximize"], sampler=SamplerSettings(), seed=0)
        proposal = proposer.draw()
        network = space.decode(proposal.genes)
        trial = storage.propose(proposal, network, distributions(space.genes))
        cache = storage._study._storage
        assert isinstance(cache, _CachedStorage)
        assert not any(one.trials for one in cache._studies.values())
        assert [one.number for one in storage.trials] == [trial.number]


def test_a_network_proposed_twice_is_evaluated_once(tmp_path: Path) -> None:
    trained: list[str] = []

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        trained.append(architecture.fingerprint)
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    roomy = Objective("constrained")
    run(tmp_path / "s", proposals=40, sampler="nsga2", objective=roomy,
        examiner=replace(examiner(roomy), evaluate=evaluate))  # fmt: skip
    kinds = [kind for _, _, kind in records(tmp_path / "s")]
    assert kinds.count("repeated") > 0
    assert len(trained) == len(set(trained)) == kinds.count("evaluated")


def test_a_repeat_spends_nothing_and_names_the_trial_it_repeats(tmp_path: Path) -> None:
    run(tmp_path / "s", proposals=40, sampler="nsga2")
    storage = StudyStorage.open(tmp_path / "s")
    trials = storage.records()
    repeated = [t for t in trials if t.outcome and t.outcome.kind == "repeated"]
    assert repeated
    for trial in repeated:
        outcome = trial.outcome
        assert outcome is not None
        assert outcome.repeats is not None
        assert outcome.seconds == {}
        first = trials[outcome.repeats]
        assert first.architecture == trial.architecture
        assert storage.trials[trial.number].values == storage.trials[first.number].values
    storage.close()


def test_what_breaks_a_limit_is_refused_untrained_and_told_complete(tmp_path: Path) -> None:
    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        assert size(architecture) <= 500, "a candidate over the limit was trained"
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    run(tmp_path / "s", proposals=20, sampler="random",
        examiner=replace(examiner(CONSTRAINED), evaluate=evaluate))  # fmt: skip
    storage = StudyStorage.open(tmp_path / "s")
    refused = [t for t in storage.records() if t.outcome and t.outcome.kind == "refused"]
    assert refused
    for trial in refused:
        outcome, told = trial.outcome, storage.trials[trial.number]
        assert outcome is not None
        assert "training" not in outcome.seconds
        assert outcome.evaluation is None
        assert not outcome.feasible
        assert outcome.violations["multiply_adds"] > 0
        assert told.state == TrialState.COMPLETE
        assert told.values == [0.1]
        assert told.constraints["limits"] > 0
    storage.close()


def test_every_trial_carries_one_constraint_that_agrees_with_feasible(tmp_path: Path) -> None:
    run(tmp_path / "s", proposals=30, objective=PARETO, sampler="random")
    storage = StudyStorage.open(tmp_path / "s")
    for trial in storage.trials:
        assert list(trial.constraints) == ["limits"]
        assert (trial.constraints["limits"] <= 0) == trial.user_attrs["nas.feasible"]
    storage.close()


def test_refused_and_repeated_proposals_use_no_budget(tmp_path: Path) -> None:
    stopped = run(tmp_path / "s", proposals=1000, trials=15, sampler="nsga2")
    assert stopped.reason == "finished"
    assert stopped.counts.evaluated == 15
    assert stopped.counts.refused > 0
    assert stopped.counts.proposals > 15


def test_a_candidate_that_fails_is_a_failed_trial_and_the_study_goes_on(tmp_path: Path) -> None:
    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        if architecture.fingerprint[0] in "0123":
            raise TrainingError("training: the loss became NaN in epoch 2")
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    stopped = run(tmp_path / "s", proposals=25, sampler="random",
                  examiner=replace(examiner(CONSTRAINED), evaluate=evaluate))  # fmt: skip
    assert stopped.counts.failed > 0
    assert stopped.counts.evaluated > 0
    storage = StudyStorage.open(tmp_path / "s")
    failed = [t for t in storage.records() if t.outcome and t.outcome.kind == "failed"]
    assert all(t.outcome and "NaN in epoch 2" in t.outcome.reason for t in failed)
    assert all(storage.trials[t.number].state == TrialState.FAIL for t in failed)
    storage.close()


def test_five_failures_of_a_kind_in_a_row_stop_the_study_and_name_the_cause(tmp_path: Path) -> None:
    def measure(architecture: Architecture, genes: object) -> None:
        raise MeasurementError(f"worker: died; got exit status {size(architecture)}")

    roomy = Objective("constrained")
    stopped = run(tmp_path / "s", proposals=50, sampler="random", objective=roomy,
                  examiner=replace(examiner(roomy), measure=measure))  # fmt: skip
    assert stopped.reason == "failures"
    assert stopped.counts.failed == 5
    assert "worker: died" in stopped.message


def test_a_crash_is_tried_once_more_and_then_a_failure(tmp_path: Path) -> None:
    crashes: dict[str, int] = {}

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        seen = crashes[architecture.fingerprint] = crashes.get(architecture.fingerprint, 0) + 1
        often = 2 if len(architecture.units) % 2 else 1
        if seen <= often:
            raise CrashError("training process: ended in the middle; got SIGKILL")
        return Evaluation(formula(architecture), 0.0, 0.0, 0)

    run(tmp_path / "s", proposals=12, sampler="random",
        examiner=replace(examiner(CONSTRAINED), evaluate=evaluate))  # fmt: skip
    for _, genes, kind in records(tmp_path / "s"):
        deep = sum(int(str(genes[i])) for i in (1, 3, 5))
        assert kind in ("refused", "failed" if deep % 2 else "evaluated", "repeated")


def test_an_exhausted_space_ends_the_study_in_words(tmp_path: Path) -> None:
    class Two(Tiny):
        @property
        def genes(self):  # type: ignore[no-untyped-def]
            first, *_ = super().genes
            return (replace(first, options=first.options[:2]),)

        def decode(self, genes):  # type: ignore[no-untyped-def]
            fixed = {"width2": 24, "width3": 24, "depth1": 1, "depth2": 1, "depth3": 1, "idle": "a"}
            return Tiny().decode({**fixed, **genes})

    from nas.settings import SamplerSettings
    from nas.study.budget import Budget
    from nas.study.loop import StudyLoop
    from nas.study.proposals import Proposer

    space, roomy = Two(), Objective("constrained")
    storage = StudyStorage.create(tmp_path / "s", roomy.directions, {})
    proposer = Proposer(space.genes, roomy.directions, sampler=SamplerSettings("random"), seed=0)
    loop = StudyLoop(storage, space, proposer, examiner(roomy), chance=0.1, unmeasured_ms=1.0)
    stopped = loop.run(Budget(trials=100, max_proposals=1000))
    storage.close()
    assert stopped.reason == "exhausted"
    assert stopped.counts.evaluated == 2
    assert "2 combinations" in stopped.message


def test_a_stop_between_stages_leaves_the_trial_to_be_taken_up(tmp_path: Path) -> None:
    asked = iter([False] * 10 + [True] * 100)
    stopped = run(tmp_path / "s", proposals=20, sampler="random", stop=lambda: next(asked))
    assert stopped.reason == "signal"
    run(tmp_path / "s", proposals=20, sampler="random")
    run(tmp_path / "whole", proposals=20, sampler="random")
    assert records(tmp_path / "s") == records(tmp_path / "whole")


def test_the_reference_answers_for_a_proposal_of_the_same_network(tmp_path: Path) -> None:
    run(tmp_path / "first", proposals=1, sampler="random", objective=Objective("constrained"))
    storage = StudyStorage.open(tmp_path / "first")
    found = storage.records()[0].outcome
    storage.close()
    assert isinstance(found, Outcome)

    def evaluate(architecture: Architecture, genes: object, report: object) -> Evaluation:
        raise AssertionError("trained again")

    roomy = Objective("constrained")
    run(tmp_path / "s", proposals=1, sampler="random", objective=roomy, reference=found,
        examiner=replace(examiner(roomy), evaluate=evaluate))  # fmt: skip
    assert [kind for _, _, kind in records(tmp_path / "s")] == ["evaluated"]


def test_a_trial_and_its_outcome_have_one_architecture_where_both_are_of_one(
    tmp_path: Path,
) -> None:
    # A study keeps all its trials in memory.
    run(tmp_path / "s", proposals=4, sampler="random")
    with closing(StudyStorage.open(tmp_path / "s")) as storage:
        found = storage.records()
    assert [t.outcome is not None and t.architecture is t.outcome.architecture for t in found] == [
        True
    ] * 4
