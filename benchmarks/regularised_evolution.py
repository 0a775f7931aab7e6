"""Regularised evolution over categorical genes, which the product does not have.

Reference: Real et al. 2019, Regularized Evolution for Image Classifier Architecture Search
(population 50, tournament 10).
"""

from __future__ import annotations

import numpy as np
from optuna.samplers import BaseSampler

from nas.samplers.history import Coding, read
from nas.samplers.mutation import mutated, random_codes


class RegularisedEvolution(BaseSampler):
    """A mutant of the best of ten among the newest fifty."""

    def __init__(self, space, seed: int) -> None:
        self._space, self._seed = space, seed

    def infer_relative_search_space(self, study, trial):
        return self._space

    def sample_relative(self, study, trial, search_space):
        coding, rng = Coding(search_space), np.random.default_rng([self._seed, trial.number])
        past = read(study, coding, but=trial)
        alive = np.flatnonzero(past.feasible)[-50:]
        if (len(alive) < 50 and len(past.codes) < 50) or not len(alive):
            return coding.decode(random_codes(rng, coding.options, 1)[0])
        drawn = rng.choice(alive, size=min(10, len(alive)), replace=False)
        j = rng.integers(past.values.shape[1])  # several objectives: one of them at random
        parent = past.codes[drawn[past.values[drawn, j].argmin()]]
        ones = np.ones(1, dtype=np.int64)
        return coding.decode(mutated(rng, parent[None], coding.options, genes=ones)[0])

    def sample_independent(self, study, trial, param_name, param_distribution):
        raise AssertionError(param_name)
