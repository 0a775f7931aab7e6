"""Name of a sampler -> an Optuna sampler for one trial.

A new sampler is made for every trial, seeded from (study seed, trial number): the state of a
sampler is never stored, so only a sampler that has none proposes after a resume what it would have
proposed without.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler

from nas.samplers.known import Known
from nas.samplers.mutation import MutationSampler
from nas.samplers.quasi_random import QuasiRandomSampler
from nas.samplers.seeds import seed_of
from nas.settings import SamplerSettings

__all__ = ["make", "seed_of"]


def make(
    settings: SamplerSettings,
    *,
    seed: int,
    number: int,
    genes: Mapping[str, CategoricalDistribution],
    known: Known | None = None,
) -> BaseSampler:
    """The sampler that proposes trial `number`, of these genes, of a study with this seed.

    `known` is what can be said of a candidate beforehand, for the samplers that ask.
    """
    drawn = seed_of(seed, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match settings.name:
            case "random":
                return RandomSampler(seed=drawn)
            case "qmc":
                return QuasiRandomSampler(seed=seed, number=number, genes=len(genes))
            case "mutation":
                return MutationSampler(search_space=genes, seed=drawn)
            case "hamming_gp":
                # Imports scipy: only here.
                from nas.samplers.hamming_gp import HammingGPSampler

                return HammingGPSampler(
                    search_space=genes,
                    n_startup_trials=settings.startup_trials,
                    known=known,
                    seed=drawn,
                )
            case "nsga2":
                return NSGAIISampler(population_size=settings.population, seed=drawn)
            case "nsga3":
                return NSGAIIISampler(population_size=settings.population, seed=drawn)
            case "gp":
                # Imports torch: only here.
                from optuna.samplers import GPSampler

                return GPSampler(n_startup_trials=settings.startup_trials, seed=drawn)
            case _:
                # multivariate: Optuna's default for two objectives draws each gene on its own and
                # is no better than random at 200 evaluations on public tables.
                return TPESampler(
                    multivariate=True, n_startup_trials=settings.startup_trials, seed=drawn
                )
