import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from nas.errors import SpaceExhaustedError
from nas.samplers.mutation import MutationSampler, mutated

optuna.logging.set_verbosity(optuna.logging.ERROR)


def test_as_many_genes_change_as_asked_and_only_those_with_options():
    rng = np.random.default_rng(0)
    options = (3, 1, 2, 5, 4)
    codes = rng.integers(0, options, size=(200, 5))
    genes = rng.integers(1, 7, 200)
    changed = mutated(rng, codes, options, genes=genes)
    assert ((changed != codes).sum(axis=1) == np.minimum(genes, 4)).all()
    assert (changed < np.array(options)).all()
    assert (changed[:, 1] == 0).all()


def test_mutants_of_the_front_are_proposed_until_none_is_left():
    space = {name: CategoricalDistribution((0, 1, 2)) for name in "abc"}
    study = optuna.create_study(sampler=MutationSampler(search_space=space, seed=0))
    for _ in range(27):
        trial = study.ask(fixed_distributions=space)
        before = [t for t in study.trials if t.state.is_finished()]
        if before:
            best = min(before, key=lambda t: t.value).params
            # A front of one objective is its best trial; later its mutants are used up.
            differing = sum(best[name] != trial.params[name] for name in space)
            assert differing <= 2 or len(before) > 18
        study.tell(trial, sum(3**i * v for i, v in enumerate(trial.params.values())))
    assert len({tuple(t.params.values()) for t in study.trials}) == 27
    with pytest.raises(SpaceExhaustedError):
        study.ask(fixed_distributions=space)
