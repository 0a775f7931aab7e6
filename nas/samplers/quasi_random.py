"""Points of a scrambled Sobol sequence as categorical genes."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial


class QuasiRandomSampler(BaseSampler):
    """Trial n gets the n-th point of one Sobol sequence, scrambled by the study's seed.

    Optuna's QMCSampler leaves categorical parameters to a random sampler, and all genes are
    categorical; its counter lives in the study's attributes, and this one is the trial's number.

    Reference: Sobol 1967; scrambling: Matousek 1998, as in scipy.stats.qmc.
    """

    def __init__(self, *, seed: int, number: int, genes: int) -> None:
        # scipy.stats takes a second to import: only studies that use this sampler pay.
        from scipy.stats import qmc

        sequence = qmc.Sobol(d=genes, scramble=True, rng=seed)
        if number:  # scipy refuses to skip nothing
            sequence.fast_forward(number)
        self._point = iter(sequence.random(1)[0])

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing is drawn jointly: each gene takes its own coordinate of the point."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing is drawn jointly."""
        return {}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The option at the next coordinate of the point; genes are asked for in their order."""
        assert isinstance(param_distribution, CategoricalDistribution)  # all genes are
        options = param_distribution.choices
        return options[min(int(next(self._point) * len(options)), len(options) - 1)]
