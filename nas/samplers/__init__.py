"""Name of a sampler -> an Optuna sampler for one trial.

A new sampler is made for every trial, seeded from (study seed, trial number): the state of a
sampler is never stored, so only a sampler that has none proposes after a resume what it would have
proposed without.
"""

from __future__ import annotations

import hashlib
import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler, NSGAIISampler, RandomSampler, TPESampler

from nas.samplers.quasi_random import QuasiRandomSampler
from nas.settings import SamplerSettings


def seed_of(*parts: object) -> int:
    """A seed of 32 bits that depends on every part, equal in every process."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big")


def make(settings: SamplerSettings, *, seed: int, number: int, genes: int) -> BaseSampler:
    """The sampler that proposes trial `number`, of so many genes, of a study with this seed."""
    drawn = seed_of(seed, number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        match settings.name:
            case "random":
                return RandomSampler(seed=drawn)
            case "qmc":
                return QuasiRandomSampler(seed=seed, number=number, genes=genes)
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
