"""A sampler for genes: Gaussian process with a Hamming kernel, mutated incumbents, improvement.

All genes are proposed at once. Nothing is kept between trials: a proposal depends on the trials
told so far, on the seed and on the trial's number alone, so that a study goes on after a kill as
if there had been none.

Reference: Jones et al. 1998 (expected improvement); Emmerich et al. 2011 (of volume); White et al.
2021, BANANAS, sec. 4 (candidates by mutation of the best); Ginsbourger et al. 2010 (pending trials
answered by what is expected of them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.samplers.acquisition import Acquisition
from nas.samplers.history import Codes, Coding, read, signs_of
from nas.samplers.known import Known, KnownCodes
from nas.samplers.mutation import Draws, mutated, random_codes
from nas.samplers.seeds import seed_of
from nas.samplers.surrogate import FITTED

MUTANTS = 300
RANDOM = 100
"""Candidates of each kind that are looked at a proposal; a few times as many as there are changes
of one gene in a usual space."""

CLIMBS = 2
CLIMBERS = 5
STEPS = 16
"""Then the best few are improved twice, by so many changes of one gene each: in a large space no
draw is as good as a step from a good one."""

ROUNDS = 3
"""Where few may be asked whether they keep the limits: after each third it is learned who may."""


class HammingGPSampler(BaseSampler):
    """Proposes categorical genes for one objective or several, within limits.

    `search_space` are the genes; where left out, the parameters that all trials so far have in
    common, as with Optuna's own samplers. The first `n_startup_trials` trials are random. A trial
    that broke a limit (a constraint above 0) tells only by how much: its values are not read. A
    failed or pruned one counts as the worst. No candidate is proposed twice.

    Other parameters than categorical ones are drawn at random.
    """

    def __init__(
        self,
        *,
        search_space: Mapping[str, BaseDistribution] | None = None,
        n_startup_trials: int = 10,
        known: Known | None = None,
        seed: int | None = None,
    ) -> None:
        self._search_space = None if search_space is None else dict(search_space)
        self._intersection = IntersectionSearchSpace()
        self._start = n_startup_trials
        self._known = known or Known()
        self._seed = int(np.random.default_rng().integers(2**32)) if seed is None else seed

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The categorical parameters, proposed together."""
        space = self._search_space
        if space is None:
            space = self._intersection.calculate(study)
        return {name: space[name] for name in Coding(space).names}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The genes of one candidate.

        Raises:
            SpaceExhaustedError: nothing is left that was not proposed and keeps the known limits.
        """
        if not search_space:
            return {}
        coding = Coding(search_space)
        rng = np.random.default_rng([self._seed, trial.number])
        past = read(study, coding, but=trial)
        signs = signs_of(study)
        draws = Draws(rng, coding, past.codes, self._known)
        if len(past.codes) < self._start:
            return coding.decode(draws.random())
        if self._known.most is None:
            acquisition = Acquisition(past, coding, self._known, signs, start=self._start)
            codes, worth = _candidates(acquisition, draws)
        else:
            known = KnownCodes(self._known, coding, signs)
            costs = tuple(known.costs(known.values(past.codes)).tolist())
            unasked = Known(identity=self._known.identity, costs=costs)
            acquisition = Acquisition(past, coding, unasked, signs, start=self._start)
            codes = _counted(acquisition, draws, past.codes, most=self._known.most)
            worth = Acquisition(past, coding, self._known, signs, start=self._start)(codes)
        order = (-worth).argsort(kind="stable")
        found = draws.fresh(codes[order[worth[order] >= 0]], most=1)
        return coding.decode(found[0] if len(found) else draws.random())

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """At random, by a seed of the trial's and the parameter's own."""
        drawn = RandomSampler(seed=seed_of(self._seed, trial.number, param_name))
        return drawn.sample_independent(study, trial, param_name, param_distribution)


def _candidates(acquisition: Acquisition, draws: Draws) -> tuple[Codes, Any]:
    """Mutants of the best, random ones, and steps from the most promising; with their worth."""
    rng, options, best = draws.rng, draws.options, acquisition.best
    codes = random_codes(rng, options, RANDOM)
    if len(best):
        parents = best[rng.integers(0, len(best), MUTANTS)]
        genes = rng.integers(1, 3, MUTANTS)
        codes = np.vstack((mutated(rng, parents, options, genes=genes), codes))
    codes = draws.new(codes)
    worth = acquisition(codes)
    for _ in range(CLIMBS):
        top = np.repeat(codes[(-worth).argsort(kind="stable")[:CLIMBERS]], STEPS, axis=0)
        steps = draws.new(mutated(rng, top, options, genes=np.ones(len(top), dtype=np.int64)))
        codes = np.vstack((codes, steps))
        worth = np.concatenate((worth, acquisition(steps)))
    return codes, worth


def _counted(acquisition: Acquisition, draws: Draws, past: Codes, *, most: int) -> Codes:
    """So many of the candidates, those that look best, in rounds.

    What is known of the candidates of a round says which of the others may keep the limits: of
    those that look best all may break them.
    """
    past = past[-FITTED:]  # the newest are enough
    acquisition.count(past, draws.violations(past))
    codes, worth = _candidates(acquisition, draws)
    found = codes[:0]
    for number in sorted({max(most * part // ROUNDS, 1) for part in range(1, ROUNDS + 1)}):
        seen = np.vstack((past, found))
        if len(found) and acquisition.count(seen, draws.violations(seen)):
            worth = acquisition(codes)
        ordered = codes[(-worth).argsort(kind="stable")]
        found = draws.fresh(np.vstack((found, ordered)), most=number)
    return found
