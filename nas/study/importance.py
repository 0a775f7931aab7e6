"""What mattered: how much of the accuracy each gene explains, by Optuna."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import create_trial

from nas.outcome import TrialRecord
from nas.space import Option
from nas.study.proposals import quiet

LEAST_TRIALS = 10
"""With fewer candidates the order of the genes is an accident."""

BEST_SHARE = 0.25
"""The share of the candidates that counts as the best."""


def importance(
    records: Sequence[TrialRecord], genes: Mapping[str, Sequence[Option]]
) -> dict[str, float]:
    """The share of each gene in what tells the best candidates from the others, in all 1.

    Over trials evaluated on the whole budget only: what was refused has no accuracy, and that of a
    lower rung is another. Empty where there are too few of
    them, or where all are equally accurate.

    Reference:
        Watanabe et al. 2023, PED-ANOVA, as in Optuna.
    """
    evaluated = [
        (record, record.outcome.evaluation.accuracy)
        for record in records
        if record.outcome
        and record.outcome.kind == "evaluated"
        and record.outcome.evaluation
        and record.outcome.evaluation.whole
    ]
    if len(evaluated) < LEAST_TRIALS or len({accuracy for _, accuracy in evaluated}) == 1:
        return {}
    distributions: dict[str, BaseDistribution] = {
        name: CategoricalDistribution(tuple(options)) for name, options in genes.items()
    }
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
        )
        study.add_trials(
            [
                create_trial(params=dict(r.genes), distributions=distributions, value=accuracy)
                for r, accuracy in evaluated
            ]
        )
        found = optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE),
        )
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total > 0 else {}
