"""How much each candidate is expected to add to what a study has found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from nas.samplers.history import Array, Codes, Coding, History
from nas.samplers.improvement import expected_shortfall, expected_volume, nondominated
from nas.samplers.known import Known, KnownCodes
from nas.samplers.surrogate import Surrogate, additive, fit, observe, rank_scores

OBSERVED = 1000
"""The surrogates see at most so many trials: the best half of them and the newest. Their time grows
with the square of this number, and its cube once a proposal."""

MARGIN = 0.1
"""The worst point lies beyond the greatest cost by this share of the costs' range, so that the ends
of the front count (as in BoTorch)."""

FARTHEST = 3.0
"""Violations are cut here, at a factor of e^3 of the limit: nothing is learned from how far beyond
a candidate was."""


class Acquisition:
    """Expected improvement of the best value, or of the front's volume, times the odds that the
    limits are kept; of nothing but these odds while no trial kept them.

    Known objectives are taken as they are. Of the learned ones a cost is standardised: it has a
    scale, and is nearly the sum of what each gene adds. Others are rank scores, and follow the
    costs: what is expected of these is a feature of their mean. The front is made of what the
    surrogates expect of the trials, pending ones included, so that noise and pending trials need no
    rules of their own.

    A front counts up to the worst point. In an objective that is no cost that is the median of the
    first `start` trials, which are random: half of all draws are better, and whoever looks for
    quality takes none below. In a cost it is the greatest of the space, by what is known or
    expected: what costs more than all trials may be better than all of them.

    Reference: Kennedy and O'Hagan 2000 (one process as a linear term of the next).
    """

    def __init__(
        self,
        past: History,
        coding: Coding,
        known: Known,
        signs: Array,
        *,
        start: int,
    ) -> None:
        self._options = coding.options
        self._known = KnownCodes(known, coding, signs)
        told = self._known.values(past.codes)
        learned = np.flatnonzero(np.isnan(told).any(axis=0))
        self._costs = self._known.costs(told)
        # Costs first: the others follow them.
        self._learned = learned[(~self._costs[learned]).argsort(kind="stable")].tolist()
        scores = _scores(past, self._learned, self._costs)
        first = np.flatnonzero(past.feasible)[:start]
        shown = np.where(np.isnan(told), scores, told)
        floor = np.median(shown[first], axis=0) if first.size else np.zeros(told.shape[1])
        kept = _kept(past, scores)
        past, told, scores = past.of(kept), told[kept], scores[kept]
        self._centre = _Centre(self._known.features(past.codes))
        features = self._centre(self._known.features(past.codes))
        self._sized = features.shape[1] > 0
        self._limits = self._limits_of(past)
        self._counted: Surrogate | None = None
        shown = past.pending | (past.feasible & np.isfinite(past.values).all(axis=1))
        self.codes = past.codes[shown]
        self.values = np.zeros((len(self.codes), told.shape[1]))
        self._models: dict[int, Surrogate] = {}
        if past.feasible.any() and shown.any():
            self.values = told[shown]
            # In the order in which the model got them.
            seen, pending = np.flatnonzero(past.feasible), np.flatnonzero(past.pending)
            for j in self._learned:
                given = self._given(j, past.codes, features)
                model = self._model_of(past, given, scores[:, j])
                self._models[j] = model
                expected = np.empty(len(shown))
                expected[np.concatenate((seen, pending))] = model.expected
                self.values[:, j] = expected[shown]
                if self._costs[j]:
                    features = np.column_stack((features, model.predict(past.codes, given)[0]))
            if told.shape[1] > 1:
                self._worst = self._worst_of(floor, self._greatest())
                self._front = self.values[nondominated(self.values)]

    def count(self, codes: Codes, violations: Array) -> bool:
        """Learn of these candidates how likely others keep the known limits.

        Shape:
            codes: (n, genes); violations: (n,); returns whether that says anything.
        """
        self._counted = _violation(codes, violations, self._options)
        return self._counted is not None

    @property
    def best(self) -> Codes:
        """The candidates worth mutating: the ten best, or the front."""
        if not len(self.codes):
            return self.codes
        if self.values.shape[1] == 1:
            return self.codes[self.values[:, 0].argsort(kind="stable")[:10]]
        return self.codes[nondominated(self.values)]

    def __call__(self, codes: Codes) -> Array:
        """What each candidate is expected to add, -1 where a known limit is broken.

        Shape:
            codes: (n, genes); returns (n,).
        """
        worth = np.ones(len(codes))
        if len(self.values) and (self._models or not self._learned):
            worth = self._improvement(codes)
        for limits in filter(None, (self._limits, self._counted)):
            mean, deviation = limits.predict(codes, additive(codes, self._options))
            worth = worth * ndtr(-mean / deviation)
        return np.where(self._known.violations(codes) <= 0, worth, -1.0)

    def predict(self, codes: Codes) -> tuple[Array, Array]:
        """Mean and standard deviation of every objective, minimised, in the units of `values`.

        Shape:
            codes: (n, genes); returns (n, objectives) twice.
        """
        means = self._known.values(codes)
        deviations = np.zeros(means.shape)
        features = self._centre(self._known.features(codes))
        for j, model in self._models.items():
            given = self._given(j, codes, features)
            means[:, j], deviations[:, j] = model.predict(codes, given)
            if self._costs[j]:
                features = np.column_stack((features, means[:, j]))
        return means, deviations

    def _improvement(self, codes: Codes) -> Array:
        means, deviations = self.predict(codes)
        if means.shape[1] == 1:
            return expected_shortfall(self.values.min(), means[:, 0], deviations[:, 0])
        return expected_volume(means, deviations, front=self._front, worst=self._worst)

    def _given(self, objective: int, codes: Codes, features: Array) -> Array:
        """What the mean of an objective is linear in.

        Where a network's size is told, accuracy follows that, and a sum over genes beside it is
        one trend too many (docs/samplers.md).
        """
        if self._sized and not self._costs[objective]:
            return features
        return np.hstack((features, additive(codes, self._options)))

    def _model_of(self, past: History, features: Array, scores: Array) -> Surrogate:
        """The surrogate of one objective; a pending trial has the value expected of it."""
        seen, pending = past.feasible, past.pending
        kernel = fit(past.codes[seen], scores[seen], self._options, features=features[seen])
        model = observe(kernel, past.codes[seen], scores[seen], features=features[seen])
        if pending.any():
            model = model.believing(past.codes[pending], features[pending])
        return model

    def _worst_of(self, floor: Array, reach: Array) -> Array:
        reached = np.vstack((self.values, reach))
        least, greatest = np.nanmin(reached, axis=0), np.nanmax(reached, axis=0)
        return np.where(self._costs, greatest + MARGIN * (greatest - least), floor)

    def _greatest(self) -> Array:
        """The greatest cost of each kind in the space, known or expected, found gene by gene.

        Exact where genes add to a cost each for itself. The way to a learned one is that to the
        greatest size, where sizes are told, so that the same candidates are asked every time.

        Shape:
            returns (objectives,), NaN for what is no cost.
        """
        found = np.full(len(self._costs), np.nan)
        for j in np.flatnonzero(self._costs):
            end = np.zeros(len(self._options), dtype=np.int64)
            for gene, count in enumerate(self._options):
                tried = np.repeat(end[None], count, axis=0)
                tried[:, gene] = np.arange(count)
                values = self.predict(tried)[0][:, j]
                guide = values
                if j in self._models and self._sized:
                    guide = self._known.features(tried).sum(axis=1)
                end, found[j] = tried[guide.argmax()], np.nanmax((found[j], values.max()))
        return found

    def _limits_of(self, past: History) -> Surrogate | None:
        """The surrogate of the violation, if limits were broken that are not known beforehand."""
        foreseen = self._known.violations(past.codes) > 0
        seen = ~past.pending & ~foreseen
        if not (past.violations[seen] > 0).any():
            return None
        return _violation(past.codes[seen], past.violations[seen], self._options)


class _Centre:
    """Features to mean 0 and variance 1, by those of the trials."""

    def __init__(self, features: Array) -> None:
        self._mean = features.mean(axis=0)
        self._deviation = np.maximum(features.std(axis=0), 1e-9)

    def __call__(self, features: Array) -> Array:
        return np.asarray((features - self._mean) / self._deviation)


def _violation(codes: Codes, violations: Array, options: tuple[int, ...]) -> Surrogate | None:
    """The surrogate of a violation: the logarithm of a ratio, which is nearly a sum over genes."""
    told = np.clip(violations, -FARTHEST, FARTHEST)
    if not len(told) or np.ptp(told) == 0:
        return None
    # Not centred on their ranks: where 0 lies is what matters.
    scaled, given = told / told.std(), additive(codes, options)
    kernel = fit(codes, scaled, options, features=given)
    return observe(kernel, codes, scaled, features=given)


def _scores(past: History, learned: Sequence[int], costs: NDArray[np.bool_]) -> Array:
    """The learned objectives of the feasible trials, costs standardised; NaN elsewhere."""
    scores = np.full(past.values.shape, np.nan)
    for j in learned if past.feasible.any() else ():
        values = past.values[past.feasible, j]
        finite = np.isfinite(values)
        if costs[j] and finite.any():
            # A failed trial costs as much as the dearest one.
            values = np.where(finite, values, values[finite].max())
            scores[past.feasible, j] = (values - values.mean()) / (values.std() or 1.0)
        else:
            scores[past.feasible, j] = rank_scores(values)
    return scores


def _kept(past: History, scores: Array) -> NDArray[np.int64]:
    """The trials that the surrogates see, in order: all, or the best half and the newest."""
    number = len(past.codes)
    if number <= OBSERVED:
        return np.arange(number)
    feasible = np.flatnonzero(past.feasible)
    values = past.values[feasible]
    better = nondominated(values) if values.shape[1] > 1 else np.zeros(len(feasible), dtype=bool)
    order = np.lexsort((np.nan_to_num(scores[feasible]).sum(axis=1), ~better))
    best = feasible[order[: OBSERVED // 2]]
    newest = np.setdiff1d(np.arange(number), best)[-(OBSERVED - len(best)) :]
    return np.sort(np.concatenate((best, newest)))
