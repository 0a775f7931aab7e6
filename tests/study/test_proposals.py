from __future__ import annotations

import random

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial
from threadpoolctl import threadpool_info, threadpool_limits
from tiny import Tiny

from nas.samplers.known import Known
from nas.settings import SamplerSettings
from nas.study.proposals import Proposer, distributions


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_proposal_does_not_compare_the_genes_of_all_trials_again(
    sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, rng = Tiny(), random.Random(0)
    proposer = Proposer(space.genes, ["maximize"], sampler=SamplerSettings(name=sampler), seed=0)
    for _ in range(300):
        proposer.add(
            create_trial(
                state=TrialState.COMPLETE,
                value=rng.random(),
                params=space.sample(rng),
                distributions=distributions(space.genes),
            )
        )
    proposer.draw()
    proposer.tell(300, TrialState.COMPLETE, [0.5], 0.0)
    compared, plain = [], CategoricalDistribution.__eq__

    def counted(self: CategoricalDistribution, other: object) -> bool:
        compared.append(self)
        return plain(self, other)

    monkeypatch.setattr(CategoricalDistribution, "__eq__", counted)
    proposer.draw()
    # Seven genes of one new trial; without what is kept seven of each of 300.
    assert len(compared) < 7 * 20


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_proposal_is_computed_by_one_thread() -> None:
    seen: list[set[int]] = []

    def violation(genes: object) -> float:
        seen.append(blas_threads())
        return 0.0

    proposer = Proposer(
        Tiny().genes, ["maximize"], sampler=SamplerSettings(), seed=0,
        known=Known(violation=violation),
    )  # fmt: skip
    with threadpool_limits(2, user_api="blas"):
        proposer.draw()
        assert blas_threads() == {2}
    assert seen
    assert set().union(*seen) == {1}
