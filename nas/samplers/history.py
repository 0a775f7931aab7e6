"""What an Optuna study says of its trials, as arrays of genes, values and violations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Genes = dict[str, Any]


class Coding:
    """Categorical distributions <-> rows of indices of options."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.names = tuple(n for n, d in distributions.items() if _is_categorical(d))
        self._choices = [distributions[name].choices for name in self.names]  # type: ignore[attr-defined]
        # 1, 1.0 and True are equal, and different options.
        self._index = [{(type(c), c): i for i, c in enumerate(found)} for found in self._choices]
        self.options = tuple(len(choices) for choices in self._choices)
        self.key = (self.names, tuple(tuple(index) for index in self._index))

    def encode(self, genes: Mapping[str, Any]) -> tuple[int, ...] | None:
        """The indices, or None where a gene is missing or has a value that is no option."""
        try:
            values = [genes[name] for name in self.names]
            return tuple([
                index[type(value), value] for value, index in zip(values, self._index, strict=True)
            ])  # fmt: skip
        except KeyError:
            return None

    def decode(self, row: NDArray[np.int64] | tuple[int, ...]) -> Genes:
        """The way back."""
        return {
            name: choices[index]
            for name, choices, index in zip(self.names, self._choices, row, strict=True)
        }


def _is_categorical(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, CategoricalDistribution)


@dataclass(frozen=True, eq=False)
class History:
    """Trials in the order of their numbers, everything minimised.

    Shape:
        codes: (n, genes); values: (n, objectives), NaN while pending, inf where a trial failed;
        violations: (n,), the worst one, above 0 where a limit is broken, NaN while pending.
    """

    codes: Codes
    values: Array
    violations: Array

    @property
    def pending(self) -> NDArray[np.bool_]:
        """Which trials have not ended."""
        return np.isnan(self.violations)

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which trials ended within all limits; a failed one kept them."""
        with np.errstate(invalid="ignore"):
            return self.violations <= 0

    def of(self, rows: NDArray[np.int64]) -> History:
        """Some of the trials."""
        return History(self.codes[rows], self.values[rows], self.violations[rows])


def signs_of(study: Study) -> Array:
    """What each objective is multiplied with to be minimised."""
    return np.array([-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in study.directions])


def read(study: Study, coding: Coding, *, but: FrozenTrial) -> History:
    """Everything the study knows, except of the trial `but` that is being proposed."""
    signs = signs_of(study).tolist()
    codes, values, violations = [], [], []
    pending, nothing = [math.nan] * len(signs), [math.inf] * len(signs)
    for trial in study.get_trials(deepcopy=False):
        row = coding.encode(trial.params) if trial.number != but.number else None
        if row is None or trial.state == TrialState.WAITING:
            continue
        codes.append(row)
        if trial.state == TrialState.COMPLETE and not any(map(math.isnan, trial.values)):
            values.append([s * v for s, v in zip(signs, trial.values, strict=True)])
            violations.append(max(trial.constraints.values(), default=0.0))
        elif trial.state == TrialState.RUNNING:
            values.append(pending)
            violations.append(math.nan)
        else:
            # Failed, or pruned: it gave nothing, and its like is not worth proposing.
            values.append(nothing)
            violations.append(0.0)
    return History(
        np.array(codes, dtype=np.int64).reshape(-1, len(coding.names)),
        np.array(values, dtype=np.float64).reshape(-1, len(signs)),
        np.array(violations, dtype=np.float64),
    )
